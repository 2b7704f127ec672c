"""Shows what the protection against cheats costs the trials of a race.

    python -m tests.benchmarks.protection RESULTS

For each workload: the median wall time of the trials that reached their
target; the share of it that the second evaluation took, of the first such
trial and of later ones; the share that measuring the cost of an evaluation
took; the free work as a share of its allowance; and what was charged beyond.
Trials that share nothing are not told apart: race one submission, or several.
"""

import collections
import pathlib
import statistics
import sys
from collections.abc import Iterator
from typing import NamedTuple

from runner.protocol import layout, results_folder, storage

HEAD = (
  '| workload | trials | wall | first second evaluation | later ones | '
  'measuring | free of allowance | overrun |\n' + '|---' * 8 + '|'
)


class Cost(NamedTuple):
  """Costs of one trial, in seconds."""

  began: str
  wall: float
  again: float
  measuring: float
  spent: float
  granted: float
  charged: float


def costs(out: pathlib.Path) -> dict[str, list[Cost]]:
  """Return the costs of the trials that reached their target, by workload.

  Args:
    out: The results folder.
  """
  found = collections.defaultdict(list)
  plan = results_folder.stored(out)
  for trial in plan.trials if plan else ():
    if cost := _cost(trial.folder(out)):
      found[trial.workload].append(cost)
  return {name: sorted(some) for name, some in found.items()}


def _cost(folder: pathlib.Path) -> Cost | None:
  events = list(storage.read_lines(folder / layout.ATTEMPTS))
  known = {event['event']: event for event in events}
  if not {'start', 'end', 'exit', 'exam'} <= known.keys():
    return None
  free = known['end']['free']
  return Cost(
    began=known['start']['time'],
    wall=known['exit']['wall_seconds'],
    again=known['exam']['seconds'],
    measuring=free['measuring'],
    spent=sum(free['spent'].values()),
    granted=free['granted'],
    charged=free['charged'],
  )


def lines(found: dict[str, list[Cost]]) -> Iterator[str]:
  """Yield the rows of the table."""
  for name, (first, *later) in found.items():
    some = [first, *later]
    wall = statistics.median(cost.wall for cost in some)
    shares = [cost.again / cost.wall for cost in later]
    after = f'{statistics.median(shares):.1%}' if shares else ''
    measuring = statistics.median(cost.measuring / cost.wall for cost in some)
    used = statistics.median(cost.spent / cost.granted for cost in some)
    yield (
      f'| `{name}` | {len(some)} | {wall:.1f} s '
      f'| {first.again / first.wall:.1%}'
      f' | {after} | {measuring:.1%} | {used:.0%} | '
      f'{sum(cost.charged for cost in some):.2f} s |'
    )


def main(out: pathlib.Path) -> None:
  """Print the table of a results folder."""
  print(HEAD)
  for line in lines(costs(out)):
    print(line)


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
