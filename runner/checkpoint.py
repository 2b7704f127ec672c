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

from runner import storage
from workloads.workload import PyTree

KEEP = 2
SUFFIX = '.checkpoint'
DIGEST = hashlib.sha256().digest_size

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
  data = serialization.msgpack_serialize(
    {'facts': json.dumps(facts), 'arrays': dict(arrays)}
  )
  with storage.storing(folder):
    folder.mkdir(exist_ok=True)
  path = folder / f'{step}{SUFFIX}'
  storage.write(path, hashlib.sha256(data).digest(), data)
  for old in _steps(folder)[:-KEEP]:
    (folder / f'{old}{SUFFIX}').unlink()


def load(
  folder: pathlib.Path,
  damaged: Callable[[pathlib.Path], None] = lambda path: None,
) -> Checkpoint | None:
  """The newest checkpoint that is whole, if there is one.

  Args:
    folder: Of the trial's checkpoints.
    damaged: Hears of each newer one that is not.
  """
  for step in reversed(_steps(folder)):
    path = folder / f'{step}{SUFFIX}'
    content = path.read_bytes()
    head, data = content[:DIGEST], content[DIGEST:]
    if hashlib.sha256(data).digest() == head:
      found: Any = serialization.msgpack_restore(data)
      return Checkpoint(found['arrays'], json.loads(found['facts']))
    damaged(path)
  return None


def digest(arrays: Arrays) -> str:
  """Of all names, types, shapes and bits."""
  found = hashlib.sha256()
  for name, x in sorted(arrays.items()):
    found.update(f'{name} {x.dtype} {x.shape} '.encode())
    found.update(np.ascontiguousarray(x).tobytes())
  return found.hexdigest()


def restore(template: PyTree, arrays: Arrays) -> PyTree:
  """A state with the structure, types and places of the template.

  Raises:
    ValueError: the arrays are not those of such a state.
  """
  leaves, structure = jax.tree_util.tree_flatten_with_path(template)
  names = [jax.tree_util.keystr(path) for path, _ in leaves]
  if set(names) != set(arrays):
    odd = sorted(set(names) ^ set(arrays))
    raise ValueError(
      'The checkpoint does not fit what the training loop yields: '
      f'{odd[0]} is only in one of them. A loop that is to be resumed must '
      'yield states of one structure.'
    )
  restored = [
    _like(leaf, arrays[name])
    for name, (_, leaf) in zip(names, leaves, strict=True)
  ]
  return jax.tree.unflatten(structure, restored)


def _like(leaf, value: np.ndarray):
  if isinstance(leaf, np.ndarray | np.generic):
    return value.astype(leaf.dtype)[()] if leaf.ndim == 0 else value
  if not isinstance(leaf, jax.Array):
    return type(leaf)(value.item())
  if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
    words = _put(value, jax.random.key_data(leaf))
    return jax.random.wrap_key_data(words, impl=jax.random.key_impl(leaf))
  return _put(value, leaf)


def _put(value: np.ndarray, like: jax.Array) -> jax.Array:
  """On the same devices; wherever it is wanted, if that one is."""
  if not like.committed:
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
