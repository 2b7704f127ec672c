"""Results of one's own beside a board that others have raced."""

import dataclasses
import pathlib

from scoring.load import projection, results as read
from scoring.load.plan import ReadError
from scoring.load.results import Results
from scoring.load.trial import UNTIMED


def joined(
  out: pathlib.Path,
  board: pathlib.Path,
  effort: str | None = None,
  machine: str | None = None,
) -> Results:
  """Return the trials of two results folders together, under the board's rules.

  Seconds of the board's entries are read off time profiles in the first folder,
  as the board was raced on another machine, or at another time. Entries without
  profiles are then left out.

  Args:
    out: The results folder of one's own, raced under the rules of the board.
    board: The results folder of the board.
    effort: 'seconds', 'steps', or None: seconds where all of one's own trials
      have some.
    machine: Kind of machine that the seconds are for; None: the one with
      profiles.

  Raises:
    ReadError: the folders cannot be compared.
  """
  mine = read.read(out, effort=effort, machine=machine, mixed=True)
  others = read.read(board, effort='steps', mixed=True)
  _check(mine, others)
  if mine.effort == 'seconds':
    others = _projected(others, out, mine.projection.machine or machine)
  raced = mine.rules.workloads
  trials = [t for t in others.trials if t.key.workload in raced]
  return dataclasses.replace(
    mine,
    rules=dataclasses.replace(others.rules, workloads=raced, unscored={}),
    trials=sorted(mine.trials + trials, key=lambda trial: trial.key),
    remarks=[],
  )


def _projected(
  others: Results, out: pathlib.Path, machine: str | None
) -> Results:
  """Return the entries of a board that have time profiles in `out`."""
  assert others.plan is not None
  untimed = [trial._replace(timed=False) for trial in others.trials]
  found, _, _ = projection.project(out, others.plan, untimed, machine)
  lacking = {t.key.submission for t in found if t.state == UNTIMED}
  kept = [trial for trial in found if trial.key.submission not in lacking]
  return dataclasses.replace(others, trials=kept)


def _check(mine: Results, others: Results) -> None:
  """Raise ReadError unless the two were raced under the same rules."""
  names = {trial.key.submission for trial in mine.trials}
  if both := names & {trial.key.submission for trial in others.trials}:
    raise ReadError(
      f'{", ".join(sorted(both))} is on the board already. Race yours under '
      'another name: --submissions=NAME=FILE.'
    )
  for name, spec in mine.rules.workloads.items():
    if others.rules.workloads.get(name) != spec:
      raise ReadError(
        f'{mine.folder} was raced under other rules of {name} than the board. '
        'Race with --against=BOARD, which takes the rules of the board.'
      )
  for name in ('ladder', 'cutoff'):
    own, theirs = getattr(mine.rules, name), getattr(others.rules, name)
    if own != theirs:
      raise ReadError(
        f'The suite of {mine.folder} has {name} = {own}, and that of the board '
        f'{theirs}. Race with --against=BOARD, which takes the rules of the '
        'board.'
      )
  if mine.ruleset != others.ruleset:
    raise ReadError(
      f'{mine.folder} was raced in the ruleset {mine.ruleset!r}, and the board '
      f'in {others.ruleset!r}.'
    )
