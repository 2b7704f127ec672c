"""Trials as event files, the format that TensorBoard reads.

Written by TensorBoard's own writer, which needs no TensorFlow.
"""

import datetime
import math
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator

from runner.protocol import columns, layout, storage
from scoring.load import details
from scoring.load.plan import ReadError
from scoring.load.results import Results
from scoring.load.safe_files import LONGEST, plain
from scoring.load.tree import relative
from scoring.load.trials import Trial

INSTALL = "pip install -e '.[tensorboard]'"


def write(results: Results, out: pathlib.Path) -> int:
  """A folder of events for each trial, placed as the trial is.

  Steps are training steps; the time of an event is when the trial started, and
  the seconds charged since: TensorBoard's relative time is charged time.

  Args:
    results: What to write.
    out: A folder that is not there yet: TensorBoard would show both.

  Returns:
    How many trials had something to show.

  Raises:
    ReadError: the folder is there or cannot be written, or TensorBoard is not
      installed.
  """
  try:
    from tensorboard.summary.writer import event_file_writer  # noqa: PLC0415
  except ImportError as error:
    raise ReadError(f'TensorBoard is not installed: {INSTALL}') from error
  if os.path.lexists(out):  # pathlib's exists raises on long names.
    raise ReadError(f'{out} is there already. Remove it, or say another --out.')
  # In one step: what is cut short by a full disk is not there.
  partial = out.with_name(f'.{secrets.token_hex(8)}.partial')
  written = 0
  try:
    partial.mkdir(parents=True)
    for trial in results.trials:
      values = list(_values(trial))
      if not values:
        continue
      place = partial / relative(results.folder, trial.folder)
      writer = event_file_writer.EventFileWriter(str(place))
      for event in _events(trial, values):
        writer.add_event(event)
      writer.close()
      written += 1
    partial.rename(out)
  except OSError as error:
    raise ReadError(
      f'Cannot write to {out}: {error.strerror}. Say another --out.'
    ) from error
  finally:
    shutil.rmtree(partial, ignore_errors=True)
  return written


Value = tuple[int, float, str, float]  # Step, charged seconds, name, value.


def _values(trial: Trial) -> Iterator[Value]:
  for name in (layout.SCALARS, layout.EVALS):
    try:
      rows = storage.read_rows(plain(trial.folder / name, LONGEST))
    except (OSError, ValueError):
      continue  # Reading the results has told of what is damaged.
    for row in rows:
      yield from _of_row(row, name == layout.EVALS)


def _of_row(row: dict[str, str], evaluation: bool) -> Iterator[Value]:
  """Scalars, or of an evaluation its metrics; what is no number is left out."""
  try:
    step, seconds = int(float(row[columns.STEP])), float(row[columns.SECONDS])
  except (LookupError, TypeError, ValueError, OverflowError):
    return
  for name, text in row.items():
    if name in (columns.STEP, columns.SECONDS) or (
      evaluation and '/' not in name
    ):
      continue
    try:
      yield step, seconds, name, float(text)
    except (TypeError, ValueError):
      continue


def _events(trial: Trial, values: list[Value]) -> Iterator:
  # Generated modules: their classes are made when they are imported.
  from tensorboard.compat.proto.event_pb2 import (  # noqa: PLC0415
    Event,  # pyrefly: ignore
  )
  from tensorboard.compat.proto.summary_pb2 import (  # noqa: PLC0415
    Summary,  # pyrefly: ignore
  )

  started = _started(trial)
  for step, seconds, name, value in values:
    if not math.isfinite(seconds):
      continue
    summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
    yield Event(wall_time=started + seconds, step=step, summary=summary)


def _started(trial: Trial) -> float:
  """In seconds since 1970; 0 where nothing says so."""
  try:
    text = details.read(trial, None).started
    return datetime.datetime.fromisoformat(text).timestamp()
  except ValueError:
    return 0.0
