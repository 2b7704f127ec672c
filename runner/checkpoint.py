"""The last state of a trial on disk, to go on from.

A checkpoint is two files: the arrays, and then a small JSON file that names
them by their hash. Without the second the first does not count, so a process
killed at any instant leaves the checkpoint before. No pickle: results are data.
"""

import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import serialization

from runner import records
from workloads.workload import PyTree

KEEP = 2


class Checkpoint(NamedTuple):
  """A state as arrays by path, and what the harness knows beside it."""

  arrays: Mapping[str, np.ndarray]
  facts: dict[str, Any]


def save(folder: pathlib.Path, step: int, state: PyTree, facts: dict) -> None:
  """Writes a checkpoint, then deletes all but the last ones."""
  folder.mkdir(exist_ok=True)
  data = serialization.msgpack_serialize(_arrays(state))
  records.write(folder / f'{step}.msgpack', data)
  digest = hashlib.sha256(data).hexdigest()
  records.write_json(folder / f'{step}.json', facts | {'sha256': digest})
  for old in _steps(folder)[:-KEEP]:
    (folder / f'{old}.json').unlink()
    (folder / f'{old}.msgpack').unlink(missing_ok=True)


def load(folder: pathlib.Path) -> Checkpoint | None:
  """The newest checkpoint that is whole, if there is one."""
  for step in reversed(_steps(folder)):
    facts = records.read_json(folder / f'{step}.json')
    path = folder / f'{step}.msgpack'
    data = path.read_bytes() if path.exists() else b''
    if hashlib.sha256(data).hexdigest() == facts['sha256']:
      arrays: Any = serialization.msgpack_restore(data)
      return Checkpoint(arrays, facts)
  return None


def restore(template: PyTree, arrays: Mapping[str, np.ndarray]) -> PyTree:
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
    words = jax.numpy.asarray(value)
    key = jax.random.wrap_key_data(words, impl=jax.random.key_impl(leaf))
    return jax.device_put(key, leaf.sharding)
  return jax.device_put(value, leaf.sharding)


def _arrays(state: PyTree) -> dict[str, np.ndarray]:
  leaves, _ = jax.tree_util.tree_flatten_with_path(state)
  return {jax.tree_util.keystr(path): _plain(leaf) for path, leaf in leaves}


def _plain(leaf) -> np.ndarray:
  if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(
    leaf.dtype, jax.dtypes.prng_key
  ):
    leaf = jax.random.key_data(leaf)
  return np.asarray(leaf)


def _steps(folder: pathlib.Path) -> list[int]:
  return sorted(int(p.stem) for p in folder.glob('*.json'))
