"""Memory use of a trial."""

import math
import resource
from collections.abc import Callable

import jax

from workloads.workload import Model, PyTree


def beside(model: Model, state: PyTree) -> tuple[int, int]:
  """Return the bytes of `state` minus those of `model`: total, per device."""

  def more(count: Callable[[jax.Array], int]) -> int:
    whole, part = (sum(map(count, _arrays(tree))) for tree in (state, model))
    return max(0, whole - part)

  return more(lambda x: x.nbytes), more(_on_device)


def _arrays(tree: PyTree) -> list[jax.Array]:
  return [x for x in jax.tree.leaves(tree) if isinstance(x, jax.Array)]


def _on_device(x: jax.Array) -> int:
  return math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize


def peak() -> dict[str, int]:
  """Return peak bytes of the process ('host') and its first device ('device').

  The device is left out if it does not report its peak.
  """
  host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  stats = jax.local_devices()[0].memory_stats() or {}
  device = stats.get('peak_bytes_in_use')
  return {'host': host} | ({} if device is None else {'device': device})
