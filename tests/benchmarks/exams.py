"""How far two evaluations of one model differ, and what the second one takes.

    python -m tests.benchmarks.exams RESULTS

The models of a race that reached their targets are evaluated in fresh
processes: as trials are, with other numbers of threads and devices, in other
batches, and with weights rounded to ten bits, as TF32 of a GPU rounds them.
"""

import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from runner.launch import attempt
from runner.launch.examiner import Examiner
from runner.protocol import agreement, columns, layout, results_folder, storage
from runner.protocol.plan import PlannedTrial
from runner.trial import checkpoint

BITS = 13  # Of the 23 of a float32 that TF32 leaves out.


class Way(NamedTuple):
  """One way to evaluate."""

  name: str
  flags: str = attempt.XLA_FLAGS
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
    t for t in plan.trials if (t.folder(out) / layout.REACHED).exists()
  ]
  worst: dict[str, dict[str, tuple[float, str]]] = {}
  for way in WAYS:
    for trial, values in _evaluated(out, plan, reached, way):
      found = _differences(trial.folder(out), values)
      cell = worst.setdefault(trial.workload, {})
      cell[way.name] = max(cell.get(way.name, (0.0, '')), found)
  print('| workload |', ' | '.join(way.name for way in WAYS), '|')
  print('|---' * (1 + len(WAYS)) + '|')
  for name, cells in worst.items():
    shown = [_shown(*cells[way.name]) for way in WAYS]
    print(f'| `{name}` |', ' | '.join(shown), '|')
  print()
  print('| workload | first | later | share of the wall time |')
  print('|---|---|---|---|')
  for name in worst:
    print(
      f'| `{name}` |', _costs(out, [t for t in reached if t.workload == name])
    )


def _evaluated(
  out: pathlib.Path, plan, trials: list[PlannedTrial], way: Way
) -> Iterator[tuple[PlannedTrial, Mapping[str, float]]]:
  cores = os.sched_getaffinity(0)
  env = attempt.environment() | {'XLA_FLAGS': way.flags}
  os.sched_setaffinity(0, sorted(cores)[: way.cores])
  try:
    with Examiner(env) as examiner, tempfile.TemporaryDirectory() as home:
      for trial in trials:
        path = trial.folder(out) / layout.REACHED
        kept = checkpoint.parse(path.read_bytes())
        assert kept
        if way.rounded:
          path = pathlib.Path(home) / path.name
          arrays = {name: _rounded(x) for name, x in kept.arrays.items()}
          checkpoint.write(path, arrays, kept.facts)
        spec = plan.suite.workloads[trial.workload]
        row: dict[str, Any] = spec.to_json()
        row['eval_batch_size'] = int(way.batches * row['eval_batch_size'])
        request = {
          'model': str(path.absolute()),
          'step': kept.facts['step'],
          'workload': trial.workload,
          'row': row,
          'data_dir': None,
          'splits': columns.SPLITS,
        }
        answer = examiner.examine(request, lambda event: None)
        yield trial, answer['metrics']
  finally:
    os.sched_setaffinity(0, cores)


def _rounded(x: np.ndarray) -> np.ndarray:
  if x.dtype != np.float32:
    return x
  half = np.uint32(1 << (BITS - 1))
  bits = (x.view(np.uint32) + half) >> np.uint32(BITS) << np.uint32(BITS)
  return bits.view(np.float32)


def _differences(
  folder: pathlib.Path, values: Mapping[str, float]
) -> tuple[float, str]:
  """Return the largest difference, as a share of the tolerance, and its metric.

  Args:
    folder: Folder of the trial.
    values: Metrics of the second evaluation.
  """
  row = storage.read_rows(folder / layout.EVALS)[-1]
  return max(
    (
      abs(float(row[name]) - value) / agreement.tolerance(float(row[name])),
      f'{name} {float(row[name]):.4g} {value - float(row[name]):.1e}',
    )
    for name, value in values.items()
  )


def _shown(share: float, name: str) -> str:
  return '0' if share == 0 else f'{share:.2g} ({name})'


def _costs(out: pathlib.Path, trials: list[PlannedTrial]) -> str:
  seconds, walls = [], []
  for trial in trials:
    events = list(storage.read_lines(trial.folder(out) / layout.ATTEMPTS))
    seconds += [e['seconds'] for e in events if e['event'] == layout.EXAM]
    walls += [e['wall_seconds'] for e in events if e['event'] == 'exit']
  first, *later = seconds
  shares = [x / wall for x, wall in zip(seconds, walls, strict=True)]
  told = ', '.join(f'{x:.2f} s' for x in later)
  percent = ', '.join(f'{x:.1%}' for x in shares)
  return f'{first:.2f} s | {told} | {percent} |'


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
