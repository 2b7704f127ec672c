"""Measurement of where training begins, on freshly initialised models.

The easier targets of a suite's ladder lie between a target and this value.
Nothing trains, so a workload takes seconds.
"""

import pathlib
import statistics
from collections.abc import Mapping

import workloads
from runner.protocol import columns, plan_file, user_files
from runner.protocol.suites import metrics, suite_files
from runner.protocol.suites.suite import Suite
from runner.protocol.suites.workload_spec import WorkloadSpec

SEEDS = 5  # Models of each workload.


def measure(suite: Suite, data_dir: str | None) -> dict[str, float]:
  """Return the median metric of fresh models on the validation split.

  The models have seeds that no race uses. A word error rate is at most 1, that
  of a model that writes nothing.

  Args:
    suite: The suite, with the workloads to measure.
    data_dir: Folder of the datasets; None: the default one.

  Returns:
    Values of the target metric by workload, with five digits.
  """
  found = {}
  for name, spec in suite.workloads.items():
    seeds = [plan_file.seed(suite.seed, 'starts', n, 0) for n in range(SEEDS)]
    values = _values(spec, seeds, data_dir)
    middle = metrics.beginning(spec.metric, statistics.median(values))
    found[name] = float(f'{middle:.5g}')
    shown = ', '.join(f'{value:.5g}' for value in values)
    print(f'{name}: training begins at {spec.metric} {found[name]} ({shown})')
  return found


def write(path: pathlib.Path, starts: Mapping[str, float]) -> None:
  """Write starts into a suite's file; the rest of the file stays.

  Args:
    path: The file.
    starts: Return value of `measure`.
  """
  text = user_files.read(path)
  whole = suite_files.with_starts(
    text, starts, workloads.canonical, inherited=suite_files.whole(path)
  )
  user_files.replace(path, user_files.with_ends_of(text, whole).encode())


def _values(
  spec: WorkloadSpec, seeds: list[int], data_dir: str | None
) -> list[float]:
  from runner.trial import evaluate  # noqa: PLC0415  JAX, slow to import.

  workload, sources = evaluate.data(spec, data_dir)
  split = columns.VALIDATION
  found = []
  for seed in seeds:
    model, _ = evaluate.fresh(workload, seed)
    row = evaluate.split_metrics(
      workload, model, sources[split], spec, split=split
    )
    found.append(row[spec.column])
  return found
