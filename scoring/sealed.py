"""Checks of a results folder against its ledger."""

import os
import pathlib
from collections.abc import Iterator

from runner.protocol import layout
from runner.protocol.records import ledger
from runner.protocol.records.ledger import Line
from scoring.load import safe_files
from scoring.load.results import Results
from scoring.load.tree import relative

Told = tuple[str, bool, str]  # Path, whether it is a doubt, and a text.
NONE = (
  'There is no ledger: this folder is older than ledgers, or was put together. '
  'Records that were exchanged as a whole are not found.'
)


def checked(results: Results) -> Iterator[Told]:
  """Yield what the ledger says about the records of all trials.

  Args:
    results: The results.
  """
  out = results.folder
  try:
    safe_files.plain(out / ledger.NAME)
    lines = ledger.read(out)
  except (ledger.LedgerError, safe_files.Damage, OSError) as error:
    yield ledger.NAME, True, str(error)
    return
  if not lines:
    return  # `ending` says so.
  last = {line.trial: line for line in lines}
  forgotten = _forgotten(results)
  for line in lines:
    if line.time > forgotten.get(line.trial.partition('/')[0], ''):
      try:
        yield from _held(out, line, newest=line is last[line.trial])
      except (safe_files.Damage, OSError) as error:
        yield line.trial, True, f'Its records cannot be compared: {error}'
  for trial in results.trials:
    where = relative(out, trial.folder)
    if not trial.open and where not in last and os.path.isdir(trial.folder):
      linked = _is_linked(out, trial.folder)
      text = 'Its folder is a link: the ledger of its own results has it.'
      if not linked:
        text = f'{ledger.NAME} has no line on this trial: it was added later.'
      yield where, not linked, text


def ending(results: Results) -> str:
  """Return a sentence on the end of the ledger, which vouches for all of it."""
  try:
    safe_files.plain(results.folder / ledger.NAME)
    head = ledger.head(results.folder)
  except (safe_files.Damage, OSError):
    return 'The ledger cannot be read.'
  return f'The ledger ends in {head}.' if head else NONE


def _held(out: pathlib.Path, line: Line, *, newest: bool) -> Iterator[Told]:
  """Compare the files of a trial with a line on it."""
  folder = out / line.trial
  scored = line.outcome in layout.SCORED
  if not scored and not newest:
    return
  if not os.path.isdir(folder):
    if scored:
      yield line.trial, True, f'It was recorded at {line.time}, and is gone.'
    return
  for name, known in line.files.items():
    # Attempts only grow. Rows of the other files may be put aside.
    if name != layout.ATTEMPTS and not (scored and newest):
      continue
    path = safe_files.plain(folder / name, safe_files.LONGEST)
    now = ledger.mark(path, known.size) if path.exists() else None
    if now == known and (not scored or not newest or _ends(path, known.size)):
      continue
    if newest:
      text = f'{name} is not what it was at {line.time}.'
    else:
      text = (
        f'It had the outcome {line.outcome!r} at {line.time}; its records were '
        'then exchanged for others.'
      )
    yield line.trial, True, text
    if not newest:
      return


def _ends(path: pathlib.Path, size: int) -> bool:
  return path.stat().st_size == size


def _forgotten(results: Results) -> dict[str, str]:
  """Return when submissions were last taken out of the plan, by name."""
  plan = results.plan
  return {
    str(one['submission']): str(one['time'])
    for one in (plan.forgotten if plan else ())
  }


def _is_linked(out: pathlib.Path, folder: pathlib.Path) -> bool:
  parts = folder.relative_to(out).parts
  return any(
    out.joinpath(*parts[:n]).is_symlink() for n in range(1, len(parts) + 1)
  )
