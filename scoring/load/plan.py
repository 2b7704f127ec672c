"""The plan.json of a results folder, checked."""

import json
import os
import pathlib
from typing import Any

from runner.protocol import layout, plan_file, storage
from scoring.load.safe_files import plain
from scoring.load.tree import Problem


class ReadError(ValueError):
  """There is nothing that can be scored; the message says why."""


def read(
  folder: pathlib.Path, needed: bool
) -> tuple[dict[str, Any] | None, list[Problem]]:
  """The plan, and what in it was changed after it was made.

  None where there is none, or where a damaged one is not needed.

  Raises:
    ReadError: it is damaged and needed.
  """
  path = folder / layout.PLAN
  if not os.path.lexists(path):
    return None, []
  try:
    plan = storage.read_json(plain(path))
    plan_file.check(plan)
  except (OSError, ValueError, LookupError, TypeError) as error:
    what = 'not JSON' if isinstance(error, json.JSONDecodeError) else 'damaged'
    reason = f'It is {what}: {type(error).__name__} {error}.'
    if needed:
      raise ReadError(
        f'{path}: {reason} Restore it, or score the folders without a plan by '
        'saying --rules=mini or the path of a .toml file.'
      ) from error
    return None, [Problem(layout.PLAN, f'{reason} Read without it.')]
  return plan, [Problem(layout.PLAN, c) for c in plan_file.changes(plan)]
