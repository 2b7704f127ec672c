"""Measure CPU seconds and memory of scoring the largest published board.

`python -m tests.benchmarks.scoring_speed` makes logs like those of AlgoPerf's
v0.5 external board (11 submissions, 14 workloads, 5 studies of 5 trials, about
60 evaluations of 15 columns each). The logs are scored without the report, with
it, and with figures. CPU seconds are measured, because other processes may
share the machine.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from runner.protocol.suites import suite as rules

SUBMISSIONS = 11
RUNS = 5
ROWS = 60  # Mean number of evaluations per trial.


def make(out: pathlib.Path, rows: int = ROWS) -> tuple[int, int]:
  """Write the logs; return the numbers of trials and evaluations."""
  suite = rules.load('algoperf_v05')
  rng = np.random.default_rng(0)
  trials = evaluations = 0
  for submission in range(SUBMISSIONS):
    pace = rng.uniform(0.6, 1.4)
    for study in range(5):
      for workload, row in suite.workloads.items():
        for trial in range(1, 6 if trials < 3_700 else 1):
          count = int(rng.integers(rows // 2, rows * 3 // 2))
          folder = out.joinpath(
            f'submission_{submission:02}',
            f'study_{study}',
            f'{workload.replace("/", "_")}_jax',
            f'trial_{trial}',
          )
          folder.mkdir(parents=True)
          _write(folder, row, count, pace * rng.lognormal(0, 0.3), rng)
          trials, evaluations = trials + 1, evaluations + count
  return trials, evaluations


def _write(
  folder, row: rules.WorkloadSpec, count: int, pace: float, rng
) -> None:
  seconds = np.linspace(30, row.seconds, count)
  distance = 0.5 * np.exp(-4 * pace * np.arange(count) / count) - 0.02
  sign = 1 if row.better == 'lower' else -1
  values = row.target + sign * abs(row.target) * distance
  values *= 1 + 0.002 * rng.standard_normal(count)
  splits = ('test', 'train', 'validation')
  columns = [
    'accumulated_eval_time', 'accumulated_logging_time',
    'accumulated_submission_time', 'global_step', 'preemption_count', 'score',
    *(f'{split}/{row.metric}' for split in splits),
    *(f'{split}/other' for split in splits),
    'test/num_examples', 'total_duration', 'validation/num_examples',
  ]  # fmt: skip
  lines = [','.join(columns)]
  for n, (second, value) in enumerate(zip(seconds, values, strict=True)):
    cells = [17.5 * n, 0.3 * n, second, 1 + 700 * n, 0, second]
    cells += [value * 1.01, value * 0.97, value, 0.69, 0.61, 0.66]
    lines.append(','.join(map(str, [*cells, 50_000, second + 18 * n, 10_000])))
  (folder / 'eval_measurements.csv').write_text('\n'.join(lines) + '\n')


def measured(folder: pathlib.Path, *words: str) -> tuple[float, float]:
  """Return CPU seconds and peak megabytes of one command."""
  code = (
    'import resource, subprocess, sys; '
    'subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); '
    'u = resource.getrusage(resource.RUSAGE_CHILDREN); '
    'print(u.ru_utime + u.ru_stime, u.ru_maxrss / 1024)'
  )
  command = [sys.executable, '-m', 'scoring', str(folder)]
  command += ['--suite=algoperf_v05', '--ruleset=external', *words]
  done = subprocess.run(
    [sys.executable, '-c', code, *command],
    check=True,
    capture_output=True,
    text=True,
  )
  seconds, megabytes = map(float, done.stdout.split())
  return seconds, megabytes


def main() -> None:
  """Print seconds and megabytes of scoring in three ways."""
  with tempfile.TemporaryDirectory() as folder:
    logs, out = pathlib.Path(folder, 'logs'), pathlib.Path(folder, 'report')
    trials, evaluations = make(logs)
    print(f'{trials} trials, {evaluations} evaluations')
    for name, words in (
      ('without the report', ['--noreport']),
      ('with the report', [f'--out={out}']),
      ('with figures', [f'--out={out}', '--figures']),
    ):
      runs = [measured(logs, *words) for _ in range(RUNS)]
      seconds, megabytes = (
        sorted(column) for column in zip(*runs, strict=True)
      )
      print(
        f'{name}: median {seconds[RUNS // 2]:.2f} s of CPU '
        f'({seconds[0]:.2f} to {seconds[-1]:.2f}), {megabytes[-1]:.0f} MB'
      )
    size = (out / 'index.html').stat().st_size
    print(f'index.html: {size / 1e6:.2f} MB')


if __name__ == '__main__':
  main()
