"""Checkpoints: the last states of a trial on disk, to resume from.

A checkpoint is one file: a SHA-256 and the data that it covers, which are the
state's arrays and the harness's own facts. The file gets its name when all of
it is on the disk, and the previous checkpoint is kept. So a kill or a damaged
file costs one checkpoint at most. The format is not pickle, because results
must be data and not code.
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
from runner.protocol.records.checkpoints import Stored
from runner.trial import state_tree
from workloads.workload import PyTree

KEEP = 2  # Number of checkpoints that are kept.
SUFFIX = '.checkpoint'
DIGEST = hashlib.sha256().digest_size

NUMBERS = {kind.__name__: kind for kind in state_tree.NUMBERS}

Arrays = Mapping[str, np.ndarray]  # Arrays by path in the state.


class Checkpoint(NamedTuple):
  """Content of a checkpoint."""

  arrays: Arrays
  facts: dict[str, Any]  # The harness's own values, such as accounts and rows.


def snapshot(leaves: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """Return copies on the host; the state may be donated after that.

  Hosts that share a state must take it together.

  Args:
    leaves: Leaves of a state by path, as state_tree.Flattener gives them.
  """
  plain = {name: _plain(leaf) for name, leaf in leaves.items()}
  # On a CPU what JAX hands out is the buffer itself.
  return {name: np.array(x) for name, x in jax.device_get(plain).items()}


def save(
  folder: pathlib.Path, step: int, arrays: Arrays, facts: dict[str, Any]
) -> None:
  """Write a checkpoint, then delete all but the last KEEP checkpoints.

  Args:
    folder: Folder of the trial's checkpoints.
    step: Step of the state, which names the file.
    arrays: Arrays of a snapshot.
    facts: Further values, fit for JSON.

  Raises:
    StorageError: the file cannot be written.
  """
  with storage.storing(folder):
    folder.mkdir(exist_ok=True)
  write(folder / f'{step}{SUFFIX}', arrays, facts)
  for old in paths(folder)[:-KEEP]:
    old.unlink()


def write(path: pathlib.Path, arrays: Arrays, facts: dict[str, Any]) -> None:
  """Replace one file in one step by a file with arrays and facts.

  Args:
    path: Path of the file.
    arrays: Arrays by name.
    facts: Further values, as JSON has them.

  Raises:
    StorageError: the disk does not take it.
  """
  stored = Stored(facts=json.dumps(facts), arrays=dict(arrays))
  data = serialization.msgpack_serialize(stored._asdict())
  storage.write(path, hashlib.sha256(data).digest(), data)


def parse(content: bytes) -> Checkpoint | None:
  """Return what the bytes of a file hold; None where they are damaged."""
  head, data = content[:DIGEST], content[DIGEST:]
  if hashlib.sha256(data).digest() != head:
    return None
  found: Any = serialization.msgpack_restore(data)
  stored = Stored(**found)
  return Checkpoint(stored.arrays, json.loads(stored.facts))


def load(
  folder: pathlib.Path,
  damaged: Callable[[pathlib.Path], None] = lambda path: None,
) -> Checkpoint | None:
  """Return the newest undamaged checkpoint, or None.

  Args:
    folder: Folder of the trial's checkpoints.
    damaged: Called with the path of each newer, damaged checkpoint.
  """
  for path in reversed(paths(folder)):
    found = parse(path.read_bytes())
    if found is not None:
      return found
    damaged(path)
  return None


def paths(folder: pathlib.Path) -> list[pathlib.Path]:
  """Return the paths of all checkpoints in a folder, the newest last."""
  return [folder / f'{step}{SUFFIX}' for step in _steps(folder)]


def digest(arrays: Arrays) -> str:
  """Return the SHA-256 over every array's name, dtype, shape and bytes."""
  found = hashlib.sha256()
  for name, x in sorted(arrays.items()):
    found.update(f'{name} {x.dtype} {x.shape} '.encode())
    found.update(np.ascontiguousarray(x).tobytes())
  return found.hexdigest()


def restore(template: PyTree, arrays: Arrays, tree: Any = None) -> PyTree:
  """Return the saved state, with arrays on the devices of the template's.

  Args:
    template: The first state of a fresh training loop.
    arrays: Arrays of the checkpoint.
    tree: Tree from state_tree.described; None: the template's tree.

  Raises:
    UnfitError: the arrays do not belong to such a state, or the state cannot be
      rebuilt.
  """
  found, first = jax.tree_util.tree_flatten_with_path(template)
  known = {jax.tree_util.keystr(path): leaf for path, leaf in found}
  said = state_tree.described(template) if tree is None else tree
  whole, leaves = state_tree.restored(said, first)
  if odd := sorted({leaf.name for leaf in leaves} ^ set(arrays)):
    raise state_tree.UnfitError(
      f'{odd[0]} is in the checkpoint or in the yielded state, but not in both'
    )
  return jax.tree.unflatten(
    whole,
    [_back(kind, arrays[name], known.get(name)) for name, kind in leaves],
  )


def _back(kind: str, value: np.ndarray, like: Any):
  """Return a leaf of a kind that state_tree.described names.

  Args:
    kind: Kind of the leaf.
    value: The stored array.
    like: Leaf of the template in the same place, if there is one.
  """
  if kind in NUMBERS:
    return NUMBERS[kind](value.item())
  if kind == 'scalar':
    return value[()]
  if kind == 'numpy':
    return value.copy()  # Arrays from a file are read-only.
  if kind == 'weak' and jax.numpy.asarray(value.item()).dtype == value.dtype:
    return jax.numpy.asarray(value.item())
  if kind in ('array', 'weak'):
    return _put(value, like)
  impl = kind.removeprefix('key ')
  words = like if like is None else jax.random.key_data(like)
  return jax.random.wrap_key_data(_put(value, words), impl=impl)


def _put(value: np.ndarray, like: Any) -> jax.Array:
  """Place an array like `like` if its sharding fits, else uncommitted."""
  if not isinstance(like, jax.Array) or not like.committed:
    return jax.numpy.asarray(value)
  if like.shape != value.shape and not like.sharding.is_fully_replicated:
    return jax.numpy.asarray(value)
  return jax.make_array_from_callback(
    value.shape, like.sharding, lambda index: value[index]
  )


def _plain(leaf):
  """Return a leaf without JAX's key types; gather it from all hosts."""
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
