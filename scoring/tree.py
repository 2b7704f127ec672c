"""The tree of a results folder: which trials are where, and what is astray."""

import functools
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from runner import records


class Problem(NamedTuple):
  """Something in the folder that is not as it should be."""

  path: str  # Relative to the results folder.
  reason: str


def find(
  folder: pathlib.Path,
) -> tuple[dict[pathlib.Path, tuple[str, int, str, int]], list[Problem]]:
  """Trial folders by their place in the tree, and what does not belong."""
  found = {}
  strays: list[Problem] = []
  inside = functools.partial(_inside, folder, strays)
  for submission, _ in inside(folder, '.+', 'submissions'):
    for study, number in inside(submission, r'study_(\d+)', 'studies'):
      for workload, _ in inside(study, '.+', 'workloads'):
        for trial, index in inside(workload, r'trial_(\d+)', 'trials'):
          place = (submission.name, int(number), workload.name, int(index))
          found[trial] = place
  return found, strays


def _inside(
  root: pathlib.Path,
  strays: list[Problem],
  path: pathlib.Path,
  pattern: str,
  what: str,
) -> Iterator[tuple[pathlib.Path, str]]:
  """Folders whose names match, with what the match ends in; others stray."""
  try:
    children = sorted(path.iterdir(), key=_natural)
  except OSError as error:
    strays.append(
      Problem(relative(root, path), f'Unreadable: {error.strerror}.')
    )
    return
  for child in children:
    if child.name.startswith('.') or child.suffix in ('.log', '.partial'):
      continue
    match = re.fullmatch(pattern, child.name)
    if match and child.is_dir():
      yield child, match[match.lastindex or 0]
    elif child != root / records.PLAN:
      kind = 'folder' if child.is_dir() else 'file'
      reason = f'A stray {kind} where {what} lie; not read.'
      strays.append(Problem(relative(root, child), reason))


def _natural(path: pathlib.Path) -> list:
  """Sorts trial_10 after trial_9."""
  parts = re.split(r'(\d+)', path.name)
  return [int(part) if part.isdigit() else part for part in parts]


def relative(folder: pathlib.Path, path: pathlib.Path) -> str:
  return path.relative_to(folder).as_posix()
