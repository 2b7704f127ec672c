"""Takes submissions out of a results folder.

Nothing is deleted: their files move aside, with what was planned of them, and
the plan says so from then on, so that nobody drops a result unseen.
"""

import difflib
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

from runner.protocol import layout, merge_plans, results_folder, storage

ASIDE = '.forgotten'  # In a results folder: what was taken out.
FACTS = 'forgotten.json'  # What was planned of it.


class Forgotten(NamedTuple):
  """A submission that was taken out."""

  name: str
  run: int  # Its trials that had begun.
  folder: pathlib.Path  # Where its files are now.


def forget(out: pathlib.Path, requests: Sequence[str]) -> list[Forgotten]:
  """Takes them out of the plan, and moves their trials aside.

  Interrupted anywhere, it can be given again.

  Args:
    out: The results folder.
    requests: Names of submissions in it, or the paths they were entered by.

  Raises:
    ResultsError: one is not in the folder, or runs now.
  """
  if results_folder.stored(out) is None:
    raise results_folder.ResultsError(
      f'No results in {out}: nothing to take out.'
    )
  with results_folder.locked(out):
    table = results_folder.stored(out) or {}
    names = dict.fromkeys(_name(request, table, out) for request in requests)
    for name in names:
      _check_idle(name, table, out)
    return [_take(name, out) for name in names]


def _name(request: str, table: dict[str, Any], out: pathlib.Path) -> str:
  planned = (trial['submission'] for trial in table['trials'])
  entered = [*dict.fromkeys([*table.get('sources', {}), *planned])]
  named, _, _ = request.partition('=')
  for name in (request, named, pathlib.Path(request).stem):
    if name in entered:
      return name
  close = difflib.get_close_matches(request, entered, n=1)
  hint = f' Did you mean {close[0]!r}?' if close else ''
  known = ', '.join(entered) or 'nothing'
  raise results_folder.ResultsError(
    f'No submission {request!r} in {out}.{hint} It has: {known}.'
  )


def _check_idle(name: str, table: dict[str, Any], out: pathlib.Path) -> None:
  for folder in _folders(name, table, out):
    if results_folder.in_use(folder):
      raise results_folder.ResultsError(
        f'{folder} is being run now. Stop that first, then give this again.'
      )


def _folders(name: str, table: dict[str, Any], out: pathlib.Path):
  return [
    results_folder.place(out, trial)
    for trial in table['trials']
    if trial['submission'] == name
  ]


def _take(name: str, out: pathlib.Path) -> Forgotten:
  table = results_folder.stored(out) or {}
  aside = out / ASIDE
  with storage.storing(aside):
    aside.mkdir(exist_ok=True)
  number = 1
  while (target := aside / f'{name}_{number}').exists():
    number += 1
  run = sum(map(results_folder.has_run, _folders(name, table, out)))
  facts = {'submission': name, 'time': layout.now(), 'run': run}
  facts |= {'folder': target.relative_to(out).as_posix()}
  planned = {
    'source': table.get('sources', {}).get(name),
    'rules': table['rules'],
    'seconds': table['seconds'],
    'trials': [t for t in table['trials'] if t['submission'] == name],
  }
  with storage.storing(target):
    if (out / name).exists():
      shutil.move(out / name, target)
    target.mkdir(exist_ok=True)
  storage.write_json(target / FACTS, facts | planned)
  said = [*table.get('forgotten', []), facts]
  left = merge_plans.without(table, {name}) | {'forgotten': said}
  storage.write_json(out / layout.PLAN, left)
  return Forgotten(name, run, target)
