"""Removal of submissions from a results folder.

No file is deleted: the files and the planned trials move to a folder aside. The
plan lists removed submissions, so that no result disappears unseen.
"""

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence
from typing import NamedTuple

from runner.launch import compiled
from runner.protocol import (
  layout,
  merge_plans,
  plan_file,
  results_folder,
  storage,
)
from runner.protocol.plan import Plan
from runner.protocol.timing import time_profiles
from workloads.suggestions import hint

ASIDE = '.forgotten'  # Folder in a results folder for removed submissions.
FACTS = 'forgotten.json'  # File with the plan of a removed submission.


class Forgotten(NamedTuple):
  """A submission that was removed."""

  name: str
  run: int  # Number of its trials that had begun.
  folder: pathlib.Path  # New place of its files.


def forget(out: pathlib.Path, requests: Sequence[str]) -> list[Forgotten]:
  """Remove submissions from the plan, and move their trials aside.

  An interrupted call can be repeated.

  Args:
    out: The results folder.
    requests: Names of submissions in the folder, or the paths of their sources.

  Raises:
    ResultsError: a submission is not in the folder, or runs now.
  """
  with results_folder.locked(_there(out)):
    plan = results_folder.planned(out)
    names = dict.fromkeys(_name(request, plan, out) for request in requests)
    for name in names:
      _check_idle(name, plan, out)
    found = [_take(name, out) for name in names]
    for place in time_profiles.folders(out):
      profiled = results_folder.stored(place)
      for name in names:
        if profiled is not None and name in profiled.sources:
          _take(name, place)
    return found


def _there(out: pathlib.Path) -> pathlib.Path:
  results_folder.planned(out)
  return out


def _name(request: str, plan: Plan, out: pathlib.Path) -> str:
  planned = (trial.submission for trial in plan.trials)
  entered = [*dict.fromkeys([*plan.sources, *planned])]
  named, _, _ = request.partition('=')
  for name in (request, named, pathlib.Path(request).stem):
    if name in entered:
      return name
  known = ', '.join(entered) or 'nothing'
  raise results_folder.ResultsError(
    f'No submission {request!r} in {out}.{hint(request, entered)} '
    f'It has: {known}.'
  )


def _check_idle(name: str, plan: Plan, out: pathlib.Path) -> None:
  for trial in plan.of(name):
    if results_folder.in_use(trial.folder(out)):
      raise results_folder.ResultsError(
        f'{trial.folder(out)} is being run now. Stop the trial first, then '
        'repeat this command.'
      )


def _take(name: str, out: pathlib.Path) -> Forgotten:
  plan = results_folder.planned(out)
  aside = out / ASIDE
  with storage.storing(aside):
    aside.mkdir(exist_ok=True)
  number = 1
  while (target := aside / f'{name}_{number}').exists():
    number += 1
  trials = plan.of(name)
  run = sum(results_folder.has_run(trial.folder(out)) for trial in trials)
  facts = {'submission': name, 'time': layout.now(), 'run': run}
  facts |= {'folder': target.relative_to(out).as_posix()}
  with storage.storing(target):
    if (out / name).exists():
      shutil.move(out / name, target)
    target.mkdir(exist_ok=True)
  compiled.forget(out, name)  # Another source may come under this name.
  storage.write_json(target / FACTS, facts | plan_file.excerpt(plan, name))
  left = merge_plans.without(plan, {name})
  said = (*plan.forgotten, facts)
  results_folder.write(out, dataclasses.replace(left, forgotten=said))
  return Forgotten(name, run, target)
