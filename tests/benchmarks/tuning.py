"""Tables of what was drawn for each submission, and what it cost.

    make points
    python -m tests.benchmarks.tuning docs/benchmarks/tuning

Costs are in budgets, as in `runner/tools/tuning/candidates.py`: at most 1 where
targets are reached, 2 to 4 for a miss.
"""

import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import submissions
from runner.protocol.records import tunings
from runner.protocol.records.tunings import Tuning
from runner.protocol.suites import suite as rules
from runner.tools.tuning import draws


def main(out: pathlib.Path) -> None:
  """Print a line for each tuned submission, and the spaces.

  Args:
    out: Folder of the tuning, or of its records alone.
  """
  print(text(out))


def text(out: pathlib.Path) -> str:
  """Return what `main` prints."""
  found = [tunings.read(path.parent) for path in records(out)]
  trials = sum(one.trials for one in found)
  hours = sum(one.hours for one in found)
  kept = sum(one.kept for one in found)
  return '\n'.join(
    [
      table(found),
      '',
      spaces(found),
      '',
      f'{len(found)} submissions, {trials} trials, {hours:.1f} charged hours. '
      f'{kept} keep the point that they had.',
    ]
  )


def records(out: pathlib.Path) -> list[pathlib.Path]:
  """Return the files of all tunings in a folder, by name."""
  return sorted(out.glob(f'*/{tunings.NAME}'))


def table(found: list[Tuning]) -> str:
  """Return a line for each submission: draws, costs and the best point."""
  lines = [
    '| submission | points | trials | budgets | cost before | cost of the best '
    '| of the last two | targets reached | best |',
    '|---|---|---|---|---|---|---|---|---|',
  ]
  for one in found:
    before = next((p.cost for p in one.points if p.point == one.first), None)
    best, *rest = one.points
    second = f'{rest[0].cost:.3f}' if rest else ''
    first = '' if before is None else f'{before:.3f}'
    point = 'as it was' if one.kept else changed(best.point, one.first or {})
    lines.append(
      f'| {one.submission} | {len(one.points)} | {one.trials} '
      f'| {one.budgets:.1f} | {first} | {best.cost:.3f} | {second} '
      f'| {best.reached} of {best.trials} | {point} |'
    )
  return '\n'.join(lines)


def changed(point: Mapping[str, Any], before: Mapping[str, Any]) -> str:
  """Return the hyperparameters that are not those of before."""
  return ', '.join(
    f'{name} {value}'
    for name, value in point.items()
    if name not in before or before[name] != value
  )


def spaces(found: list[Tuning]) -> str:
  """Return the ranges that each submission's draws are from."""
  lines = ['| submission | drawn from |', '|---|---|']
  for one in found:
    suite = rules.load(one.suite)
    entry = submissions.find(one.submission)._replace(self_point=one.first)
    ranges = draws.space(suite, entry)
    own = [
      f'{name} {span(spec)}'
      for name, spec in ranges.items()
      if name not in suite.tuning.ranges
    ]
    shared = [name for name in suite.tuning.ranges if name in ranges]
    lines.append(
      f'| {one.submission} | {"; ".join(own)}; of the suite: '
      f'{", ".join(shared)} |'
    )
  return '\n'.join(lines)


def span(spec: Mapping[str, Any]) -> str:
  """Return a range or the choices of one hyperparameter, in words."""
  if 'feasible_points' in spec:
    return ' or '.join(map(str, spec['feasible_points']))
  return f'{spec["min"]:g} to {spec["max"]:g}'


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
