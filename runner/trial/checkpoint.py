"""The last state of a trial on disk, to go on from.

A checkpoint is one file: the SHA-256 of the rest, and the rest, which is a
state's arrays and what the harness knows beside them. It appears under its name
when all of it is on the disk, and the one before is kept: a process killed at
any instant, or a damaged file, costs a checkpoint at most. No pickle: results
are data.
"""

import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import serialization
from jax.experimental import multihost_utils

from runner.protocol import storage
from runner.trial import state_tree
from workloads.workload import PyTree

KEEP = 2
SUFFIX = '.checkpoint'
DIGEST = hashlib.sha256().digest_size

NUMBERS = {kind.__name__: kind for kind in state_tree.NUMBERS}

Arrays = Mapping[str, np.ndarray]  # By path in the state.


class Checkpoint(NamedTuple):
  arrays: Arrays
  facts: dict[str, Any]  # What the harness knows beside them.


def snapshot(state: PyTree) -> dict[str, np.ndarray]:
  """Copies on the host, by path; the state may be donated after that.

  Hosts that share a state must take it together.
  """
  leaves, _ = jax.tree_util.tree_flatten_with_path(state)
  plain = {jax.tree_util.keystr(path): _plain(leaf) for path, leaf in leaves}
  # On a CPU what JAX hands out is the buffer itself.
  return {name: np.array(x) for name, x in jax.device_get(plain).items()}


def save(
  folder: pathlib.Path, step: int, arrays: Arrays, facts: dict[str, Any]
) -> None:
  """Writes a checkpoint, then deletes all but the last ones.

  Args:
    folder: Of the trial's checkpoints.
    step: It is named by.
    arrays: Of a snapshot.
    facts: As JSON has them.

  Raises:
    StorageError: the disk does not take it.
  """
  with storage.storing(folder):
    folder.mkdir(exist_ok=True)
  write(folder / f'{step}{SUFFIX}', arrays, facts)
  for old in paths(folder)[:-KEEP]:
    old.unlink()


def write(path: pathlib.Path, arrays: Arrays, facts: dict[str, Any]) -> None:
  """Replace one file in one step: it holds these arrays and facts.

  Raises:
    StorageError: the disk does not take it.
  """
  data = serialization.msgpack_serialize(
    {'facts': json.dumps(facts), 'arrays': dict(arrays)}
  )
  storage.write(path, hashlib.sha256(data).digest(), data)


def parse(content: bytes) -> Checkpoint | None:
  """Return what the bytes of a file hold; None where they are damaged."""
  head, data = content[:DIGEST], content[DIGEST:]
  if hashlib.sha256(data).digest() != head:
    return None
  found: Any = serialization.msgpack_restore(data)
  return Checkpoint(found['arrays'], json.loads(found['facts']))


def load(
  folder: pathlib.Path,
  damaged: Callable[[pathlib.Path], None] = lambda path: None,
) -> Checkpoint | None:
  """The newest checkpoint that is whole, if there is one.

  Args:
    folder: Of the trial's checkpoints.
    damaged: Hears of each newer one that is not.
  """
  for path in reversed(paths(folder)):
    found = parse(path.read_bytes())
    if found is not None:
      return found
    damaged(path)
  return None


def paths(folder: pathlib.Path) -> list[pathlib.Path]:
  """All checkpoints in a folder, the newest last."""
  return [folder / f'{step}{SUFFIX}' for step in _steps(folder)]


def digest(arrays: Arrays) -> str:
  """Of all names, types, shapes and bits."""
  found = hashlib.sha256()
  for name, x in sorted(arrays.items()):
    found.update(f'{name} {x.dtype} {x.shape} '.encode())
    found.update(np.ascontiguousarray(x).tobytes())
  return found.hexdigest()


def restore(template: PyTree, arrays: Arrays, tree: Any = None) -> PyTree:
  """The state that was saved, its arrays placed as those of the template.

  Args:
    template: The first state of a fresh loop.
    arrays: Of the checkpoint.
    tree: As structure.described gave it; None: that of the template.

  Raises:
    UnfitError: the arrays are not those of such a state, or it cannot be put
      together again.
  """
  found, first = jax.tree_util.tree_flatten_with_path(template)
  known = {jax.tree_util.keystr(path): leaf for path, leaf in found}
  said = state_tree.described(template) if tree is None else tree
  whole, leaves = state_tree.restored(said, first)
  if odd := sorted({leaf.name for leaf in leaves} ^ set(arrays)):
    raise state_tree.UnfitError(
      f'{odd[0]} is in the checkpoint or in what the loop yields, and not in '
      'both'
    )
  return jax.tree.unflatten(
    whole,
    [_back(kind, arrays[name], known.get(name)) for name, kind in leaves],
  )


def _back(kind: str, value: np.ndarray, like: Any):
  """A leaf of that kind, as structure.described names it."""
  if kind in NUMBERS:
    return NUMBERS[kind](value.item())
  if kind == 'scalar':
    return value[()]
  if kind == 'numpy':
    return value.copy()  # What is read from a file must not be written to.
  if kind == 'weak' and jax.numpy.asarray(value.item()).dtype == value.dtype:
    return jax.numpy.asarray(value.item())
  if kind in ('array', 'weak'):
    return _put(value, like)
  impl = kind.removeprefix('key ')
  words = like if like is None else jax.random.key_data(like)
  return jax.random.wrap_key_data(_put(value, words), impl=impl)


def _put(value: np.ndarray, like: Any) -> jax.Array:
  """Place an array as one of its shape is; else leave it uncommitted."""
  if not isinstance(like, jax.Array) or not like.committed:
    return jax.numpy.asarray(value)
  if like.shape != value.shape and not like.sharding.is_fully_replicated:
    return jax.numpy.asarray(value)
  return jax.make_array_from_callback(
    value.shape, like.sharding, lambda index: value[index]
  )


def _plain(leaf):
  """A leaf without JAX's own types of elements, all of it on this host."""
  if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(
    leaf.dtype, jax.dtypes.prng_key
  ):
    leaf = jax.random.key_data(leaf)
  if isinstance(leaf, jax.Array) and not (
    leaf.is_fully_addressable or leaf.is_fully_replicated
  ):
    return multihost_utils.process_allgather(leaf, tiled=True)
  return leaf


def _steps(folder: pathlib.Path) -> list[int]:
  names = [path.stem for path in folder.glob(f'*{SUFFIX}')]
  return sorted(int(name) for name in names if name.isdecimal())
