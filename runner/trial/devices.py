"""Arrays on a mesh with one axis, 'batch', over all devices of all hosts.

Programs are written for the whole batch; XLA splits them.
"""

import functools

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P

from workloads.workload import Model, PyTree


def wait() -> None:
  """Block until every device has finished its work.

  The function waits for all live arrays, not only for those that a submission
  returns. Otherwise a submission could leave work to seconds that are free.
  """
  jax.effects_barrier()
  for array in jax.live_arrays():
    if not array.is_deleted():
      array.block_until_ready()


def accelerated() -> bool:
  """Test whether the devices have memory of their own: GPUs or TPUs."""
  return jax.default_backend() != 'cpu'


@functools.cache
def _sharding(*axes: str | None) -> NamedSharding:
  # Devices of one host are neighbours, as the host's rows of a batch are.
  order = sorted(jax.devices(), key=lambda one: (one.process_index, one.id))
  mesh = Mesh(order, ('batch',), (AxisType.Auto,))
  return NamedSharding(mesh, P(*axes))


def replicate(tree):
  """Put a copy of every array on every device; all hosts pass equal arrays."""
  if jax.process_count() > 1:
    return jax.jit(whole)(tree)
  return jax.device_put(tree, _sharding())


def whole(tree: PyTree) -> PyTree:
  """Constrain every array to have a copy on every device, also inside jit."""
  if jax.device_count() == 1:
    return tree
  return jax.lax.with_sharding_constraint(tree, _sharding())


def spread(state: PyTree) -> PyTree:
  """Copy models to every device, and split all other arrays over the devices.

  Arrays are split along their first axis that the number of devices divides;
  arrays without such an axis are copied. So each device keeps and updates its
  part of an optimizer's state (ZeRO stage 1, Rajbhandari et al. 2020,
  arXiv:1910.02054), for any optimizer.
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
  """Split a batch over the devices along its examples.

  Every host passes its own rows; the result is the batch of all hosts. On a
  single CPU device the arrays stay on the host: the compiled step takes them
  faster than a separate call.

  Args:
    batch: Arrays of shape [examples, ...], or [steps, examples, ...].
    stacked: Whether arrays have the axis of steps.
  """
  if jax.device_count() == 1 and not accelerated():
    return batch
  sharding = splitting(stacked)
  if jax.process_count() == 1:
    return jax.device_put(batch, sharding)
  return jax.tree.map(
    lambda rows: jax.make_array_from_process_local_data(sharding, rows), batch
  )


def splitting(stacked: bool = False) -> NamedSharding:
  """Return the sharding of a batch that `split` makes."""
  return _sharding(*((None, 'batch') if stacked else ('batch',)))


def rows(size: int) -> slice:
  """Return which rows of a batch the devices of this host hold."""
  count = size // jax.process_count()
  first = jax.process_index() * count
  return slice(first, first + count)


def padded(size: int) -> int:
  """Return the smallest multiple of the number of devices, `size` or more."""
  return size + -size % jax.device_count()


def check_divides(size: int) -> None:
  """Raise ValueError if a batch cannot be split evenly over the devices."""
  count = jax.device_count()
  if size % count:
    below = size - size % count
    fits = f'{below} or {below + count}' if below else f'{count}'
    raise ValueError(
      f'Batch size {size} does not divide over {count} devices. Try {fits}.'
    )
