"""Trees of states in checkpoints, and their form in JSON.

JSON has null for None, [name, kind] for a leaf and a table for a node. Deep
trees are parsed by recursion, as they were written.
"""

from typing import Any, NamedTuple


class Leaf(NamedTuple):
  """A leaf of a state's tree."""

  name: str  # Path of the leaf, which names its array in a checkpoint.
  kind: str


class Node(NamedTuple):
  """A container.

  Attributes:
    type: Name of its class, 'module:name'.
    children: Its children; None is a part without arrays.
    aux: Metadata of the class, encoded for JSON; None: taken from the first
      state of a fresh loop.
  """

  type: str
  children: 'tuple[Leaf | Node | None, ...]'
  aux: dict[str, Any] | None


Tree = Leaf | Node | None


def dump(tree: Tree) -> Any:
  """Return the JSON that `parse` turns back into this tree."""
  if tree is None:
    return None
  if isinstance(tree, Leaf):
    return list(tree)
  aux = {} if tree.aux is None else {'aux': tree.aux}
  return {
    'type': tree.type,
    **aux,
    'children': [dump(child) for child in tree.children],
  }


def parse(said: Any) -> Tree:
  """Return the tree in JSON.

  Raises:
    LookupError, TypeError: it is not from `dump`.
  """
  if said is None:
    return None
  if isinstance(said, list):
    return Leaf(*said)
  children = tuple(parse(child) for child in said['children'])
  return Node(said['type'], children, said.get('aux'))
