"""The plan.json of a results folder, checked."""

import json
import os
import pathlib

from runner.protocol import layout, plan_file, storage
from runner.protocol.plan import Plan
from runner.protocol.schema import SuiteError
from scoring.load.safe_files import plain
from scoring.load.tree import FolderIssue


class ReadError(ValueError):
  """There is nothing that can be scored; the message says why."""


def read(
  folder: pathlib.Path, needed: bool
) -> tuple[Plan | None, list[FolderIssue]]:
  """Return the plan, and what in it was changed after planning.

  The plan is None where there is none, or where a damaged one is not needed.

  Args:
    folder: The results folder.
    needed: Whether the results cannot be read without the plan.

  Raises:
    ReadError, SuiteError: the plan is damaged and needed.
  """
  path = folder / layout.PLAN
  if not os.path.lexists(path):
    return None, []
  try:
    plan = plan_file.parse(storage.read_json(plain(path)), str(path))
  except (
    OSError, ValueError, LookupError, TypeError, AttributeError
  ) as error:  # fmt: skip
    if needed and isinstance(error, SuiteError):
      raise
    what = 'not JSON' if isinstance(error, json.JSONDecodeError) else 'damaged'
    reason = f'It is {what}: {type(error).__name__} {error}.'
    if needed:
      raise ReadError(
        f'{path}: {reason} Restore it, or score the folders without a plan by '
        'saying --suite=mini or the path of a .toml file.'
      ) from error
    return None, [FolderIssue(layout.PLAN, f'{reason} Read without it.')]
  changes = plan_file.changes(plan)
  return plan, [FolderIssue(layout.PLAN, change) for change in changes]
