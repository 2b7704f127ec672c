"""The tree of a results folder: which trials are where, and what is astray."""

import collections
import os
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from runner.protocol import layout, suite as rules

SUBMISSION, WORKLOAD = re.compile('.+'), re.compile('.+')
# Python's \d is a digit of any script, and so is what int() reads.
STUDY, TRIAL = re.compile('study_([0-9]+)'), re.compile('trial_([0-9]+)')


class Place(NamedTuple):
  """Where a trial lies, as the folders are named."""

  submission: str
  study: int
  workload: str  # With AlgoPerf's ending: 'ogbg_jax'.
  trial: int


class FolderIssue(NamedTuple):
  """Something in the folder that is not as it should be."""

  path: str  # Relative to the results folder.
  reason: str


def find(
  folder: pathlib.Path,
) -> tuple[dict[pathlib.Path, Place], list[FolderIssue]]:
  """Trial folders by their place in the tree, and what does not belong."""
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
  """Folders whose names match, with what the match ends in; others stray."""
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
    elif path != top or name != layout.PLAN:
      kind = 'folder' if _is_folder(entry) else 'file'
      reason = f'A stray {kind} where {what} lie; not read.'
      strays.append(FolderIssue(os.path.relpath(entry.path, top), reason))


def _is_folder(entry: os.DirEntry) -> bool:
  """Links to folders are; those that lead round in a circle are not."""
  try:
    return entry.is_dir()
  except OSError:
    return False


def _natural(name: str) -> list:
  """Sorts trial_10 after trial_9."""
  parts = re.split('([0-9]+)', name)
  return [int(part) if n % 2 else part for n, part in enumerate(parts)]


def relative(folder: pathlib.Path, path: pathlib.Path) -> str:
  return path.relative_to(folder).as_posix()


def cells(
  folder: pathlib.Path, suite: rules.Suite, found: dict[pathlib.Path, Place]
) -> tuple[dict, set[int], list[FolderIssue]]:
  """Folders by (submission, workload) and (study, trial), and the studies.

  Of a workload that was run with two frameworks, the one with more trials
  counts.
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
        f'The same study and trial as {relative(folder, known)}; not read.'
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
        f'{len(paths)} trials of {kind}, beside more of {chosen}; only the '
        'latter count.'
      )
      problems.append(FolderIssue(relative(folder, first), reason))
  studies = {study for cell in chosen_cells.values() for study, _ in cell}
  return chosen_cells, studies, problems


def _run(paths: dict) -> int:
  return sum((path / layout.EVALS).exists() for path in paths.values())


def unknown_workloads(
  folder: pathlib.Path, paths: dict[str, list[pathlib.Path]], suite: rules.Suite
) -> list[FolderIssue]:
  """A problem for each workload that the rules do not know."""
  return [
    FolderIssue(
      relative(folder, found[0]),
      f'{workload!r} is no workload of suite {suite.name!r}; '
      f'{len(found)} trials of it are not counted.',
    )
    for workload, found in paths.items()
  ]
