"""The ledger of a results folder: a chain of hashes of all records of trials.

The parent of a trial adds a line when an attempt is over. Each line has the
hash of the line before it, so the last one vouches for all: a record that was
changed, removed or added later does not agree with it. Trials cannot write to
the ledger. The owner of the folder can make a new chain, but not one that ends
in a hash that was published before.
"""

import fcntl
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from runner.protocol import layout, storage

NAME = 'ledger.jsonl'
FILES = (layout.ATTEMPTS, layout.EVALS, layout.SCALARS, layout.TRIAL)
START = ''  # What the first line has in place of a hash.


class Mark(NamedTuple):
  """Length and hash of a file at some time."""

  size: int  # Bytes.
  sha256: str


class Line(NamedTuple):
  """A line of the ledger.

  Attributes:
    before: Hash of the line before.
    time: When it was written, in UTC.
    trial: Folder of the trial, relative to the results.
    outcome: Outcome of the trial at that time; '' if it has none.
    files: The files that the trial had, by name.
  """

  before: str
  time: str
  trial: str
  outcome: str
  files: Mapping[str, Mark]


class LedgerError(ValueError):
  """The ledger was changed or damaged; the message says where."""


def add(out: pathlib.Path, folder: pathlib.Path, outcome: str | None) -> None:
  """Add the records of a trial as they are now.

  Args:
    out: The results folder.
    folder: Folder of the trial.
    outcome: Outcome of the trial, if it has one.
  """
  path = out / NAME
  with storage.storing(path):
    lock = path.open('ab+')
  with lock:  # Other runners may add lines as well.
    fcntl.flock(lock, fcntl.LOCK_EX)
    last = _last(path)
    entry = Line(
      before=_hash(last) if last else START,
      time=layout.now(),
      trial=folder.relative_to(out).as_posix(),
      outcome=outcome or '',
      files={
        name: mark(folder / name) for name in FILES if (folder / name).is_file()
      },
    )
    storage.append_line(path, entry._asdict())


def read(out: pathlib.Path) -> list[Line]:
  """Return the lines of a results folder's ledger; [] if it has none.

  Raises:
    LedgerError: the chain is broken.
  """
  found: list[Line] = []
  before = START
  for number, text in enumerate(_lines(out / NAME), start=1):
    try:
      line = _parsed(json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
      raise LedgerError(f'Line {number} is damaged: {error}.') from error
    if line.before != before:
      raise LedgerError(
        f'The hash in line {number} is not that of the line before: lines '
        'were changed, removed or added.'
      )
    before = _hash(text)
    found.append(line)
  return found


def head(out: pathlib.Path) -> str:
  """Return the hash of the last line, which vouches for all; '' if none."""
  last = _last(out / NAME)
  return _hash(last) if last else ''


def mark(path: pathlib.Path, size: int | None = None) -> Mark:
  """Return length and hash of a file, or of its first `size` bytes."""
  found = hashlib.sha256()
  done = 0
  most = path.stat().st_size if size is None else size
  with path.open('rb') as file:
    while data := file.read(min(1 << 20, most - done)):
      found.update(data)
      done += len(data)
  return Mark(done, found.hexdigest())


def _parsed(table: Mapping[str, Any]) -> Line:
  """Return a line of the file, which a stranger may have written."""
  words = [table[name] for name in ('before', 'time', 'trial', 'outcome')]
  if not all(isinstance(word, str) for word in words):
    raise ValueError('a field is no text')
  if {'..', ''} & {*table['trial'].split('/')}:
    raise ValueError(f'{table["trial"][:99]!r} is no folder of a trial')
  if strange := table['files'].keys() - {*FILES}:
    raise ValueError(f'{min(strange)[:99]!r} is no record of a trial')
  for size, _ in table['files'].values():
    if type(size) is not int or size < 0:
      raise ValueError(f'{size!r} is no number of bytes')
  return Line(
    before=table['before'],
    time=table['time'],
    trial=table['trial'],
    outcome=table['outcome'],
    files={name: Mark(*known) for name, known in table['files'].items()},
  )


def _lines(path: pathlib.Path) -> list[bytes]:
  """Return the whole lines of the ledger."""
  try:
    data = path.read_bytes()
  except FileNotFoundError:
    return []
  return data.split(b'\n')[:-1]


def _last(path: pathlib.Path) -> bytes:
  return next(reversed(_lines(path)), b'')


def _hash(line: bytes) -> str:
  return hashlib.sha256(line).hexdigest()
