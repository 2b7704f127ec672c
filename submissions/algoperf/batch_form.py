"""Batches in AlgoPerf's form: all labels are one entry, 'targets'."""

import jax

from workloads.workload import Array, Batch, Model, Workload


def plain(theirs: Batch) -> Batch:
  """Return a batch in the form of our workloads: every label has its name."""
  targets = theirs['targets']
  return {**theirs, **targets} if isinstance(targets, dict) else theirs


def theirs(ours: Batch, names: tuple[str, ...]) -> Batch:
  """Return a batch in AlgoPerf's form: all labels are its 'targets'.

  Args:
    ours: A batch of our workloads.
    names: Return value of `labels`.
  """
  if names == ('targets',):
    return ours
  return {**ours, 'targets': {name: ours[name] for name in names}}


def labels(workload: Workload, shapes: Model) -> tuple[str, ...]:
  """Return the names of a batch's entries that the loss reads.

  Args:
    workload: The workload.
    shapes: Its model, with shapes in place of values.
  """
  read: set[str] = set()

  def losses(model: Model, key) -> Array:
    batch = workload.fake_batch(key, 2)
    outputs, _ = workload.forward(model, batch, key, 0.0)
    return workload.losses(outputs, _Reads(batch, read), 0.0)[0]

  jax.eval_shape(losses, shapes, jax.random.key(0))
  return tuple(sorted(read))


class _Reads(dict):
  """Dictionary that records which entries are read."""

  def __init__(self, items: Batch, read: set[str]):
    super().__init__(items)
    self._read = read

  def __getitem__(self, name):
    self._read.add(name)
    return super().__getitem__(name)
