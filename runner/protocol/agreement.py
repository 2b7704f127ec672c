"""Agreement of two evaluations of one model.

A model that has reached its target is evaluated twice: in the trial's process,
where a submission runs, and in one where none does. The tolerance is for other
compilers, devices and numbers of threads, which sum in another order: see
docs/trust.md.
"""

from collections.abc import Collection, Mapping

from runner.protocol import columns
from runner.protocol.quantities import apart

# Three times what weights rounded to ten bits changed in any metric of a mini,
# and 400 times what other threads, devices and batches did: see
# docs/benchmarks/harness.md.
RELATIVE = 1e-3
ABSOLUTE = 1e-4


def on(
  metrics: Mapping[str, float], splits: Collection[str]
) -> dict[str, float]:
  """Return the metrics of some splits; the others' are left out."""
  return {
    name: value
    for name, value in metrics.items()
    if name.partition('/')[0] in splits
  }


def recorded(row: Mapping[str, str]) -> dict[str, float]:
  """Return the metrics in a row of evaluations, by column.

  Raises:
    ValueError: a metric is no number.
  """
  return {
    name: float(text)
    for name, text in row.items()
    if name.partition('/')[0] in columns.SPLITS and text
  }


def difference(
  recorded: Mapping[str, float], again: Mapping[str, float]
) -> str:
  """Return the first difference beyond the tolerance; '' if there is none.

  Args:
    recorded: Metrics by column, as the trial recorded them.
    again: Metrics by column of the second evaluation.
  """
  for name in sorted(recorded.keys() | again.keys()):
    if name not in again:
      return f'{name} is recorded, and a second evaluation has no such metric.'
    if name not in recorded:
      return f'{name} is {again[name]:.10g}, and the trial recorded none.'
    there, here = recorded[name], again[name]
    if not abs(there - here) <= tolerance(there):
      first, second = apart(there, here)
      return (
        f'{name} is {first} as the trial recorded it, and {second} as a '
        'process without a submission evaluated the same model; they may '
        f'differ by {tolerance(there):.2g}.'
      )
  return ''


def tolerance(value: float) -> float:
  """Return by how much a second evaluation may differ from a metric."""
  return ABSOLUTE + RELATIVE * abs(value)
