"""Find the trials in a results folder, and what does not belong there."""

import collections
import os
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from runner.protocol import layout
from runner.protocol.records import ledger
from runner.protocol.suites import suite as rules

SUBMISSION, WORKLOAD = re.compile('.+'), re.compile('.+')
# Python's \d and int() accept digits of any script; [0-9] is ASCII only.
STUDY, TRIAL = re.compile('study_([0-9]+)'), re.compile('trial_([0-9]+)')


class Place(NamedTuple):
  """Position of a trial in the tree, by the names of its folders."""

  submission: str
  study: int
  workload: str  # Folder name with AlgoPerf's ending: 'ogbg_jax'.
  trial: int


class FolderIssue(NamedTuple):
  """Something wrong in a results folder."""

  path: str  # Path relative to the results folder.
  reason: str


def find(
  folder: pathlib.Path,
) -> tuple[dict[pathlib.Path, Place], list[FolderIssue]]:
  """Return trial folders with their places, and issues for all other paths."""
  found = {}
  strays: list[FolderIssue] = []
  top = str(folder)

  def inside(path: str, pattern: re.Pattern, what: str):
    return _inside(top, strays, path, pattern, what)

  for submission, name in inside(top, SUBMISSION, 'submissions'):
    for study, number in inside(submission, STUDY, 'studies'):
      for workload, kind in inside(study, WORKLOAD, 'workloads'):
        for trial, index in inside(workload, TRIAL, 'trials'):
          place = Place(name, int(number), kind, int(index))
          found[pathlib.Path(trial)] = place
  return found, strays


def _inside(
  top: str, strays: list[FolderIssue], path: str, pattern: re.Pattern, what: str
) -> Iterator[tuple[str, str]]:
  """Yield (path, last group of the match) of child folders that match.

  Other children become issues in `strays`.
  """
  try:
    with os.scandir(path) as children:
      entries = sorted(
        children, key=lambda entry: (_natural(entry.name), entry.name)
      )
  except OSError as error:
    strays.append(
      FolderIssue(os.path.relpath(path, top), f'Unreadable: {error.strerror}.')
    )
    return
  for entry in entries:
    name = entry.name
    if name.startswith('.') or name.endswith(('.log', '.partial')):
      continue
    match = pattern.fullmatch(name)
    if match and _is_folder(entry):
      yield entry.path, match[match.lastindex or 0]
    elif path != top or name not in (layout.PLAN, ledger.NAME):
      kind = 'folder' if _is_folder(entry) else 'file'
      reason = f'Unexpected {kind} among the folders of {what}; not read.'
      strays.append(FolderIssue(os.path.relpath(entry.path, top), reason))


def _is_folder(entry: os.DirEntry) -> bool:
  """Return True for folders and links to folders, False for circular links."""
  try:
    return entry.is_dir()
  except OSError:
    return False


def _natural(name: str) -> list:
  """Return a sort key that puts trial_10 after trial_9."""
  parts = re.split('([0-9]+)', name)
  return [int(part) if n % 2 else part for n, part in enumerate(parts)]


def relative(folder: pathlib.Path, path: pathlib.Path) -> str:
  """Return `path` relative to `folder`, with forward slashes."""
  return path.relative_to(folder).as_posix()


def cells(
  folder: pathlib.Path, suite: rules.Suite, found: dict[pathlib.Path, Place]
) -> tuple[dict, set[int], list[FolderIssue]]:
  """Group trial folders by cell.

  A workload that was run with two frameworks counts with the framework that
  has more trials.

  Args:
    folder: The results folder.
    suite: The suite to score by.
    found: Trial folders and their places.

  Returns:
    {(submission, workload): {(study, trial): path}}, all study numbers, and
    issues for the trials that do not count.
  """
  names = {name.replace('/', '_'): name for name in suite.workloads}
  kinds = collections.defaultdict(lambda: collections.defaultdict(dict))
  strangers = collections.defaultdict(list)
  twice = []
  for path, place in found.items():
    plain = re.sub(r'_(jax|pytorch)$', '', place.workload)
    if plain not in names:
      strangers[plain].append(path)
      continue
    kind = kinds[place.submission, names[plain]][place.workload]
    known = kind.setdefault((place.study, place.trial), path)
    if known != path:  # study_1 and study_01.
      reason = (
        f'The same study and trial as {relative(folder, known)}. Only the '
        'latter is read.'
      )
      twice.append(FolderIssue(relative(folder, path), reason))
  problems = unknown_workloads(folder, strangers, suite) + twice
  chosen_cells = {}
  for cell, by_kind in kinds.items():
    chosen = next(iter(by_kind))
    if len(by_kind) > 1:
      chosen = min(by_kind, key=lambda kind: (-_run(by_kind[kind]), kind))
    chosen_cells[cell] = by_kind.pop(chosen)
    for kind, paths in by_kind.items():
      first = next(iter(paths.values()))
      reason = (
        f'{len(paths)} trials of {kind}, but there are more of {chosen}. Only '
        'the latter count.'
      )
      problems.append(FolderIssue(relative(folder, first), reason))
  studies = {study for cell in chosen_cells.values() for study, _ in cell}
  return chosen_cells, studies, problems


def _run(paths: dict) -> int:
  return sum((path / layout.EVALS).exists() for path in paths.values())


def unknown_workloads(
  folder: pathlib.Path, paths: dict[str, list[pathlib.Path]], suite: rules.Suite
) -> list[FolderIssue]:
  """Return an issue for each workload that the suite does not have.

  Args:
    folder: The results folder.
    paths: Trial folders by workload.
    suite: The suite to score by.
  """
  return [
    FolderIssue(
      relative(folder, found[0]),
      f'{workload!r} is not a workload of suite {suite.name!r}. Its '
      f'{len(found)} trials do not count.',
    )
    for workload, found in paths.items()
  ]
