"""The tree of a state as JSON, for checkpoints.

A checkpoint stores its tree, because the tree may differ from that of the first
state of a fresh loop: None becomes an array, lists grow, dictionaries get keys.
Types are stored by name and must be in modules that the process has loaded.
Parts that are not data, such as functions, are taken from the first state and
must not have changed. The format is not pickle, because results must be data
and not code.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from runner.protocol.records import trees
from runner.protocol.records.trees import Leaf, Node, Tree
from runner.trial.states import containers
from runner.trial.states.containers import UnfitError, UnstorableError
from runner.trial.states.same_code import same
from workloads.workload import PyTree

REGISTRY = jax.tree_util.default_registry
TreeDef = jax.tree_util.PyTreeDef
LEAF, NOTHING = jax.tree.structure(0), jax.tree.structure(None)
NUMBERS = (bool, int, float, complex)  # Python's types of numbers.
# Types of numpy's scalars. A subclass could run its own code when it is read.
SCALARS = {*np.sctypeDict.values(), ml_dtypes.bfloat16}
INTEGERS = range(-(1 << 63), 1 << 64)  # Integers that an array can hold.


def described(state: PyTree, first: TreeDef | None = None) -> Any:
  """Return the tree of a state, as JSON.

  Args:
    state: The state.
    first: Tree of the trial's first state; None: the tree of `state`.

  Raises:
    UnstorableError: a leaf is not a number or an array of numbers, or a part
      that is not data differs from the first state's.
  """
  found, tree = jax.tree_util.tree_flatten_with_path(state)
  leaves = iter([_leaf(jax.tree_util.keystr(at), leaf) for at, leaf in found])
  return trees.dump(_tree(tree, tree if first is None else first, leaves))


class Flat(NamedTuple):
  """A state as plain leaves, which are read without any code of its classes.

  Attributes:
    leaves: Leaves by their paths.
    said: The state's tree as JSON; None where the state cannot be stored.
    lost: Why the state cannot be stored; '' if it can.
  """

  leaves: dict[str, Any]
  said: Any
  lost: str


class Flattener:
  """Flattens the states of one trial.

  Classes of a submission may run code of theirs when they are flattened, so
  this is called while the submission pays. Most states have the tree of the
  one before, whose paths and description are used again.
  """

  def __init__(self, first: TreeDef | None = None):
    """Remember the tree of the trial's first state, where it is known."""
    self._first = first
    self._tree: TreeDef | None = None
    self._names: list[str] = []
    self._rows: list[Leaf] = []
    self._said: Any = None

  def __call__(self, state: PyTree) -> Flat:
    """Return a state as plain leaves."""
    leaves, tree = jax.tree.flatten(state)
    self._first = self._first or tree
    if self._tree is None or tree != self._tree:
      pairs, _ = jax.tree_util.tree_flatten_with_path(state)
      self._names = [jax.tree_util.keystr(path) for path, _ in pairs]
      self._tree, self._rows, self._said = tree, [], None
    by_name = dict(zip(self._names, leaves, strict=True))
    try:
      rows = [_leaf(name, leaf) for name, leaf in by_name.items()]
      if self._said is None or rows != self._rows:
        self._said = trees.dump(_tree(tree, self._first, iter(rows)))
        self._rows = rows
    except UnstorableError as error:
      return Flat(by_name, None, str(error))
    return Flat(by_name, self._said, '')


def restored(said: Any, first: TreeDef) -> tuple[TreeDef, list[Leaf]]:
  """Return a tree and its leaves in order, from the tree's JSON.

  Args:
    said: Return value of `described`.
    first: Tree of the first state of a fresh loop.

  Raises:
    UnfitError: a type, or a part that is not data, is not found.
  """
  leaves: list[Leaf] = []
  return _rebuilt(trees.parse(said), first, leaves), leaves


def _tree(tree: TreeDef, first: TreeDef | None, leaves: Iterator[Leaf]) -> Tree:
  data = tree.node_data()
  if data is None:
    return next(leaves)
  kind, aux = data
  if kind is type(None):
    return None
  known = _alike(first, kind)
  if known is None and not containers.is_found(kind):
    name = containers.name_of(kind)
    raise UnstorableError(
      f'the state has a {name}, which cannot be imported by this name'
    )
  encoded = None
  try:
    encoded = containers.encoded(aux)
  except UnstorableError:
    if known is None or not same(known.node_data()[1], aux):
      raise
  below = zip(tree.children(), _below(known, tree), strict=True)
  children = tuple(_tree(child, other, leaves) for child, other in below)
  return Node(containers.name_of(kind), children, encoded)


def _rebuilt(tree: Tree, first: TreeDef | None, leaves: list[Leaf]) -> TreeDef:
  if tree is None:
    return NOTHING
  if isinstance(tree, Leaf):
    leaves.append(tree)
    return LEAF
  name, rest, encoded = tree
  known = first
  if (
    first is None
    or not first.node_data()
    or containers.name_of(_type(first)) != name
  ):
    known = None
  kind = containers.found(name) if known is None else _type(known)
  if encoded is not None:
    aux = containers.decoded(encoded)
  elif known is not None:
    aux = known.node_data()[1]
  else:
    raise UnfitError(
      f'the checkpoint has no data for {name}, and the first state of a fresh '
      'loop has nothing in its place'
    )
  others = _children(known, (kind, aux), len(rest))
  children = [
    _rebuilt(child, other, leaves)
    for child, other in zip(rest, others, strict=True)
  ]
  try:
    return TreeDef.from_node_data_and_children(REGISTRY, (kind, aux), children)
  except RuntimeError as error:
    raise UnfitError(f'JAX cannot rebuild {name} ({error})') from error


def _type(tree: TreeDef) -> type:
  return tree.node_data()[0]


def _alike(tree: TreeDef | None, kind: type) -> TreeDef | None:
  """Return the tree if its root is of this type, else None."""
  if tree is None or not tree.node_data() or _type(tree) is not kind:
    return None
  return tree


def _below(known: TreeDef | None, tree: TreeDef) -> list[TreeDef | None]:
  return _children(known, tree.node_data(), len(tree.children()))


def _children(
  known: TreeDef | None, data: tuple[type, Any], count: int
) -> list[TreeDef | None]:
  """Return children of a known node in the places of another node's.

  Args:
    known: The known node, if there is one.
    data: Type and metadata of the other node.
    count: Number of the other node's children.
  """
  if known is None:
    return [None] * count
  kind, keys = data
  if kind is dict:
    by_key = dict(zip(known.node_data()[1], known.children(), strict=True))
    return [by_key.get(key) for key in keys]
  places = dict(enumerate(known.children()))
  return [places.get(place) for place in range(count)]


def _array_kind(leaf: jax.Array, where: str) -> str:
  if leaf.is_deleted():
    raise UnstorableError(f'{where} was donated to a compiled function')
  if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
    return f'key {jax.random.key_impl(leaf)}'
  return 'weak' if leaf.weak_type and not leaf.ndim else 'array'


def _leaf(name: str, leaf: Any) -> Leaf:
  where = name.lstrip('.') or 'the state'
  if isinstance(leaf, jax.Array):
    return Leaf(name, _array_kind(leaf, where))
  if type(leaf) is np.ndarray or type(leaf) in SCALARS:
    if not (jnp.issubdtype(leaf.dtype, jnp.number) or leaf.dtype == bool):
      raise UnstorableError(f'{where} is an array of {leaf.dtype}')
    return Leaf(name, 'scalar' if isinstance(leaf, np.generic) else 'numpy')
  if type(leaf) is int and leaf not in INTEGERS:
    raise UnstorableError(f'{where} has {leaf.bit_length()} bits, more than 64')
  if type(leaf) not in NUMBERS:
    raise UnstorableError(f'{where} is a {type(leaf).__name__}')
  return Leaf(name, type(leaf).__name__)
