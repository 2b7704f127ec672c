"""Read and check the plan.json of a results folder."""

import json
import os
import pathlib

from runner.protocol import layout, plan_file, storage
from runner.protocol.plan import Plan
from runner.protocol.suites.schema import SuiteError
from scoring.load.safe_files import plain
from scoring.load.tree import FolderIssue


class ReadError(ValueError):
  """A results folder that cannot be scored; the message says why."""


def read(
  folder: pathlib.Path, needed: bool
) -> tuple[Plan | None, list[FolderIssue]]:
  """Return the plan and an issue for each change made after planning.

  Args:
    folder: The results folder.
    needed: True if the results cannot be read without the plan.

  Returns:
    The plan, or None if there is no plan or a damaged one that is not needed.

  Raises:
    ReadError, SuiteError: The plan is damaged and needed.
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
    reason = f'The plan is {what}: {type(error).__name__} {error}.'
    if needed:
      raise ReadError(
        f'{path}: {reason} Restore this file, or score the folder without a '
        'plan: --suite=mini, or --suite=FILE.toml.'
      ) from error
    return None, [FolderIssue(layout.PLAN, f'{reason} Scored without a plan.')]
  changes = plan_file.changes(plan)
  return plan, [FolderIssue(layout.PLAN, change) for change in changes]
