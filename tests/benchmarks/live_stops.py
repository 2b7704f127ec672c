"""Race four entries with each policy of --stop, and compare what it cost.

    python -m tests.benchmarks.live_stops --out=FOLDER [--jobs=2]

The same trials (RACERS on COURSES, five points each, untimed) race three times:
nothing stops them, what provably changes no score does, and forecasts do too.
All races have the same seeds. So what a stopped trial would have reached is
known, for all of them and not only for those that are drawn for an audit. A
stopped command goes on where it was. About 60 trials of 5 to 20 seconds a race.
"""

import argparse
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Mapping

from scoring.load import results as read
from scoring.load.results import Results
from scoring.load.trial import BEATEN, HOPELESS, Trial
from scoring.rank import board

ROOT = pathlib.Path(__file__).parents[2]
RACERS = 'nadamw,adamw,momentum,lion'
COURSES = 'criteo1tb/mini,imagenet_vit/mini,ogbg/mini'
POLICIES = ('none', 'exact', 'safe')


def main(out: pathlib.Path, jobs: int) -> None:
  """Race what is missing, and print the table."""
  found = {}
  for policy in POLICIES:
    raced(out / policy, policy, jobs)
    found[policy] = read.read(out / policy, effort='steps')
  print('\n'.join(table(found)))


def raced(out: pathlib.Path, policy: str, jobs: int) -> None:
  """Run the race with a policy, in a process as a user would.

  Args:
    out: The results folder.
    policy: Value of --stop.
    jobs: Number of trials at once.
  """
  words = [
    'run', '--suite=mini', '--ruleset=external', '--studies=1', '--untimed',
    f'--submissions={RACERS}', f'--workloads={COURSES}', f'--jobs={jobs}',
    f'--stop={policy}', f'--out={out}',
  ]  # fmt: skip
  subprocess.run([sys.executable, ROOT / 'timetrial.py', *words], check=True)


def table(found: Mapping[str, Results]) -> Iterator[str]:
  """Yield a line for each policy: effort, stopped trials and scores.

  Args:
    found: Results by policy, of the same trials; 'none' is there.
  """
  whole = {trial.key: trial for trial in found['none'].trials}
  steps = sum(map(made, whole.values()))
  yield (
    '| `--stop` | steps | beaten | hopeless | reached a target later | largest '
    'change of a score |'
  )
  yield '|---|---|---|---|---|---|'
  before = scores(found['none'])
  for policy, results in found.items():
    mine = results.trials
    stopped = [one for one in mine if one.state == HOPELESS]
    false = sum(whole[one.key].hits != one.hits for one in stopped)
    after = scores(results)
    moved = max(abs(after[name] - before[name]) for name in before)
    yield (
      f'| `{policy}` | {sum(map(made, mine)) / steps:.0%} '
      f'| {sum(one.state == BEATEN for one in mine)} | {len(stopped)} '
      f'| {false} | {moved:.4f} |'
    )


def made(trial: Trial) -> float:
  """Return the steps that a trial made, as far as it was evaluated."""
  return float(trial.evals.steps.max(initial=0))


def scores(results: Results) -> dict[str, float]:
  """Return the scores by steps of all submissions."""
  return {one.submission: one.score for one in board.make(results).standings}


if __name__ == '__main__':
  PARSER = argparse.ArgumentParser(description=__doc__)
  PARSER.add_argument('--out', type=pathlib.Path, required=True)
  PARSER.add_argument('--jobs', type=int, default=2)
  ASKED = PARSER.parse_args()
  main(ASKED.out, ASKED.jobs)
