"""One mesh axis, 'batch': programs are for the whole batch, XLA splits it."""

import functools

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P

from workloads.workload import Model, PyTree


def wait() -> None:
  """Blocks until every device has finished all it was given.

  Everything alive is waited for, not only what a submission hands over: work
  that it started and keeps for later would else be done on nobody's time.
  """
  jax.effects_barrier()
  for array in jax.live_arrays():
    if not array.is_deleted():
      array.block_until_ready()


@functools.cache
def _sharding(*axes: str | None) -> NamedSharding:
  # Those of a host lie together, as its rows do.
  order = sorted(jax.devices(), key=lambda one: (one.process_index, one.id))
  mesh = Mesh(order, ('batch',), (AxisType.Auto,))
  return NamedSharding(mesh, P(*axes))


def replicate(tree):
  """Puts a copy of every array on every device; hosts have made the same."""
  if jax.process_count() > 1:
    return jax.jit(whole)(tree)
  return jax.device_put(tree, _sharding())


def whole(tree: PyTree) -> PyTree:
  """All of every array on every device; in compiled functions as well."""
  if jax.device_count() == 1:
    return tree
  return jax.lax.with_sharding_constraint(tree, _sharding())


def spread(state: PyTree) -> PyTree:
  """Models whole on every device, and of all else a part on each.

  Along the first axis that divides; what has none is whole. So each device
  keeps and updates its part of an optimizer's state (ZeRO's first stage,
  Rajbhandari et al. 2020, arXiv:1910.02054), whoever wrote the optimizer.
  """
  count = jax.device_count()
  if count == 1:
    return state

  def part(x):
    if isinstance(x, Model):
      return whole(x)
    axes = ['batch' if size and size % count == 0 else None for size in x.shape]
    first = axes.index('batch') + 1 if 'batch' in axes else 0
    return jax.lax.with_sharding_constraint(x, _sharding(*axes[:first]))

  return jax.tree.map(part, state, is_leaf=lambda x: isinstance(x, Model))


def split(batch, stacked: bool = False):
  """Spreads examples over the devices: axis 0, or axis 1 of stacked batches.

  Of several hosts, each hands over its own rows; the batch is that of all.
  For a single device the arrays stay on the host: the compiled step takes them
  along, which is quicker than a transfer of their own.
  """
  if jax.device_count() == 1:
    return batch
  sharding = _sharding(*((None, 'batch') if stacked else ('batch',)))
  if jax.process_count() == 1:
    return jax.device_put(batch, sharding)
  return jax.tree.map(
    lambda rows: jax.make_array_from_process_local_data(sharding, rows), batch
  )


def rows(size: int) -> slice:
  """Those of a batch that the devices of this host hold."""
  count = size // jax.process_count()
  first = jax.process_index() * count
  return slice(first, first + count)


def padded(size: int) -> int:
  """The least number from `size` on that divides over the devices."""
  return size + -size % jax.device_count()


def check_divides(size: int) -> None:
  """Raises ValueError where a batch cannot be spread evenly."""
  count = jax.device_count()
  if size % count:
    below = size - size % count
    fits = f'{below} or {below + count}' if below else f'{count}'
    raise ValueError(
      f'Batch size {size} does not divide over {count} devices. Try {fits}.'
    )
