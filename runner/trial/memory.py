"""How much memory a trial takes."""

import math
import resource
from collections.abc import Callable

import jax

from workloads.workload import Model, PyTree


def beside(model: Model, state: PyTree) -> tuple[int, int]:
  """Bytes of a state without a model like this one: in all, and on a device."""

  def more(count: Callable[[jax.Array], int]) -> int:
    whole, part = (sum(map(count, _arrays(tree))) for tree in (state, model))
    return max(0, whole - part)

  return more(lambda x: x.nbytes), more(_on_device)


def _arrays(tree: PyTree) -> list[jax.Array]:
  return [x for x in jax.tree.leaves(tree) if isinstance(x, jax.Array)]


def _on_device(x: jax.Array) -> int:
  return math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize


def peak() -> dict[str, int]:
  """Of the process, and of its first device where that is told."""
  host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  stats = jax.local_devices()[0].memory_stats() or {}
  device = stats.get('peak_bytes_in_use')
  return {'host': host} | ({} if device is None else {'device': device})
