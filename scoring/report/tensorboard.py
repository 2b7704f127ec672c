"""Write trials as event files for TensorBoard.

TensorBoard's own writer writes the files; TensorFlow is not needed.
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
from scoring.load.trial import Trial

INSTALL = "pip install -e '.[tensorboard]'"


def write(results: Results, out: pathlib.Path) -> int:
  """Write a folder of events for each trial, at the trial's place in the tree.

  Steps are training steps. The time of an event is the trial's start plus the
  charged seconds, so TensorBoard's relative time is charged time.

  Args:
    results: The results to write.
    out: A new folder; TensorBoard would show old and new events together.

  Returns:
    The number of trials with events.

  Raises:
    ReadError: The folder exists or cannot be written, or TensorBoard is not
      installed.
  """
  try:
    from tensorboard.summary.writer import event_file_writer  # noqa: PLC0415
  except ImportError as error:
    raise ReadError(
      f'TensorBoard is not installed. Install it: {INSTALL}'
    ) from error
  if os.path.lexists(out):  # pathlib's exists raises on long names.
    raise ReadError(
      f'{out} exists already. Remove this folder, or choose another --out.'
    )
  # Renamed at the end, so a full disk leaves no folder behind.
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
      f'Cannot write to {out}: {error.strerror}. Choose another --out.'
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
      continue  # Reading the results has already reported the damage.
    for row in rows:
      yield from _of_row(row, name == layout.EVALS)


def _of_row(row: dict[str, str], evaluation: bool) -> Iterator[Value]:
  """Yield the numbers of a row; of an evaluation only metrics of splits."""
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
  # Protocol buffers create these classes on import, so checkers miss them.
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
  """Return the trial's start in seconds since 1970; 0 if unknown."""
  try:
    text = details.read(trial, None).started
    return datetime.datetime.fromisoformat(text).timestamp()
  except ValueError:
    return 0.0
