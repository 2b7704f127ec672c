"""Notes of runners in a results folder: what was tested and what was sent."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from runner.protocol import storage
from runner.protocol.suites import schema

TESTED = '.preflight.json'  # Ids of trials that a preflight has tested.
JOBS = '.jobs.json'  # The executor's job of each trial, by the trial's id.


def tested(out: pathlib.Path) -> list[str]:
  """Return the ids of the trials that were tested in a results folder.

  Raises:
    RecordsError: the file is damaged.
  """
  path = out / TESTED
  advice = 'Remove it: these trials are then tested again.'
  found = _content(path, [], advice)
  if not isinstance(found, list) or not _are_texts(found):
    raise _damaged(path, found, 'a list of ids of trials', advice)
  return found


def write_tested(out: pathlib.Path, ids: Sequence[str]) -> None:
  """Replace the ids of the trials that were tested in a results folder."""
  storage.write_json(out / TESTED, list(ids))


def jobs(out: pathlib.Path) -> dict[str, str]:
  """Return the job of each trial that was sent, by the trial's id.

  Raises:
    RecordsError: the file is damaged.
  """
  path = out / JOBS
  advice = (
    'End the jobs of this folder that still wait or run, then remove the file: '
    'trials without an outcome are then sent again.'
  )
  found = _content(path, {}, advice)
  if not isinstance(found, dict) or not _are_texts([*found.values()]):
    raise _damaged(path, found, 'a table from ids of trials to jobs', advice)
  return found


def write_jobs(out: pathlib.Path, known: Mapping[str, str]) -> None:
  """Replace the jobs of the trials in a results folder."""
  storage.write_json(out / JOBS, dict(known))


def _content(path: pathlib.Path, missing: Any, advice: str) -> Any:
  try:
    return storage.read_json(path) if path.exists() else missing
  except storage.RecordsError as error:
    raise storage.RecordsError(f'{error} {advice}') from error
  except json.JSONDecodeError as error:
    raise storage.RecordsError(
      f'{path} is damaged: it is not JSON ({error}). {advice}'
    ) from error
  except UnicodeDecodeError as error:
    raise storage.RecordsError(
      f'{path} is damaged: it is not text in UTF-8. {advice}'
    ) from error
  except OSError as error:
    raise storage.RecordsError(
      f'{path} cannot be read: {error.strerror}. Make it readable. {advice}'
    ) from error


def _are_texts(values: Sequence[Any]) -> bool:
  return all(isinstance(value, str) for value in values)


def _damaged(
  path: pathlib.Path, found: Any, wanted: str, advice: str
) -> storage.RecordsError:
  return storage.RecordsError(
    f'{path} is damaged: it holds {schema.shown(found)}, and must hold '
    f'{wanted}. {advice}'
  )
