"""Measures how far two evaluations of a model differ, and what one costs.

    python -m tests.benchmarks.exams RESULTS

The models of a race that reached their targets are evaluated in fresh
processes: as trials are, with other numbers of threads and devices, in other
batches, and with weights rounded to ten bits, as TF32 of a GPU rounds them.
"""

import dataclasses
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from runner.launch import environment
from runner.launch.examiner import Examiner
from runner.protocol import (
  agreement,
  columns,
  layout,
  results_folder,
  storage,
)
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records.exams import Answer, Request
from runner.protocol.records.progress import ProgressEvent
from runner.trial import checkpoint

LATER = 3  # Evaluations after the first, of which the fastest counts.
BITS = 13  # Of the 23 of a float32 that TF32 leaves out.


class Way(NamedTuple):
  """One way to evaluate."""

  name: str
  flags: str = environment.XLA_FLAGS
  cores: int | None = None  # None: all.
  batches: float = 1.0  # Their size, as a share of the suite's.
  rounded: bool = False


WAYS = (
  Way('as trials'),
  Way('one core', cores=1),
  Way('no threads in Eigen', '--xla_cpu_multi_thread_eigen=false'),
  Way('other scheduler', ''),
  Way('8 devices', '--xla_force_host_platform_device_count=8'),
  Way('half batches', batches=0.5),
  Way('10 bits', rounded=True),
)


def main(out: pathlib.Path) -> None:
  """Print a table of differences and one of seconds.

  Args:
    out: The results folder.
  """
  plan = results_folder.stored(out)
  assert plan
  reached = [
    trial
    for trial in plan.trials
    if (trial.folder(out) / layout.REACHED).exists()
  ]
  print('| workload | first | later | processor seconds of a later one |')
  print('|---|---|---|---|')
  with Examiner(environment.variables()) as examiner:
    for trial in reached:
      request = _request(out, plan, trial, WAYS[0])
      first = examiner.examine(request, _nothing).seconds
      before = _spent(examiner.pid)
      later = [examiner.examine(request, _nothing) for _ in range(LATER)]
      spent = (_spent(examiner.pid) - before) / LATER
      best = min(answer.seconds for answer in later)
      print(
        f'| `{trial.workload}` | {first:.2f} s | {best:.2f} s | {spent:.2f} s |'
      )
  print()
  print('| workload |', ' | '.join(way.name for way in WAYS), '|')
  print('|---' * (1 + len(WAYS)) + '|')
  cells = {
    (trial.workload, way.name): _worst(trial.folder(out), answer.metrics or {})
    for way in WAYS
    for trial, answer in _evaluated(out, plan, reached, way)
  }
  for trial in reached:
    shown = (cells[trial.workload, way.name] for way in WAYS)
    print(f'| `{trial.workload}` |', ' | '.join(shown), '|')


def _nothing(event: ProgressEvent) -> None:
  """Do nothing with a sign of life."""


def _evaluated(
  out: pathlib.Path, plan: Plan, trials: list[PlannedTrial], way: Way
) -> Iterator[tuple[PlannedTrial, Answer]]:
  cores = os.sched_getaffinity(0)
  env = environment.variables() | {'XLA_FLAGS': way.flags}
  os.sched_setaffinity(0, sorted(cores)[: way.cores])
  try:
    with Examiner(env) as examiner, tempfile.TemporaryDirectory() as home:
      for trial in trials:
        request = _request(out, plan, trial, way)
        if way.rounded:
          path = pathlib.Path(home) / layout.REACHED
          _round(pathlib.Path(request.model), path)
          request = dataclasses.replace(request, model=str(path))
        yield trial, examiner.examine(request, _nothing)
  finally:
    os.sched_setaffinity(0, cores)


def _request(
  out: pathlib.Path, plan: Plan, trial: PlannedTrial, way: Way
) -> Request:
  path = trial.folder(out) / layout.REACHED
  kept = checkpoint.parse(path.read_bytes())
  assert kept
  spec = plan.suite.workloads[trial.workload]
  size = int(way.batches * spec.eval_batch_size)
  return Request(
    model=str(path.absolute()),
    step=kept.facts['step'],
    spec=dataclasses.replace(spec, eval_batch_size=size),
    data_dir=None,
    splits=columns.SPLITS,
  )


def _round(source: pathlib.Path, target: pathlib.Path) -> None:
  kept = checkpoint.parse(source.read_bytes())
  assert kept
  arrays = {name: _rounded(x) for name, x in kept.arrays.items()}
  checkpoint.write(target, arrays, kept.facts)


def _rounded(x: np.ndarray) -> np.ndarray:
  if x.dtype != np.float32:
    return x
  half = np.uint32(1 << (BITS - 1))
  bits = (x.view(np.uint32) + half) >> np.uint32(BITS) << np.uint32(BITS)
  return bits.view(np.float32)


def _worst(folder: pathlib.Path, values: Mapping[str, float]) -> str:
  """Return the largest difference as a share of the tolerance, and its metric.

  Args:
    folder: Folder of the trial.
    values: Metrics of the second evaluation.
  """
  row = storage.read_rows(folder / layout.EVALS)[-1]
  recorded = {name: float(row[name]) for name in values}
  share, name = max(
    (abs(x - values[name]) / agreement.tolerance(x), name)
    for name, x in recorded.items()
  )
  if not share:
    return '0'
  more = values[name] - recorded[name]
  return f'{share:.2g} ({name} {recorded[name]:.4g}, {more:+.1e})'


def _spent(pid: int | None) -> float:
  """Return the processor seconds that a process has spent."""
  text = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='utf-8')
  user, system = text.rpartition(')')[2].split()[11:13]
  return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
