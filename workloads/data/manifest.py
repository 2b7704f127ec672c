"""What a prepared dataset consists of, so that no trial trains on another.

A JSON file beside the records: examples of every split, bytes and SHA-256 of
every file. It is written last: without it a dataset is not prepared.
"""

import hashlib
import json
import os
import pathlib
from typing import Any, NamedTuple

NAME = 'manifest.json'


class DataError(ValueError):
  """The data of a workload are not what they must be; the message says how."""


def lacking(what: str, package: str) -> DataError:
  """To be raised where a package that only preparing needs is not there."""
  return DataError(
    f'Preparing {what} needs {package}: pip install "timetrial[data]".'
  )


class Manifest(NamedTuple):
  examples: dict[str, int]  # By split.
  files: dict[str, dict[str, Any]]  # 'bytes' and 'sha256', by name.

  @property
  def total(self) -> int:
    """Bytes of all files."""
    return sum(file['bytes'] for file in self.files.values())

  @property
  def digest(self) -> str:
    """Changes with any byte of any file."""
    text = json.dumps(self._asdict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write(folder: pathlib.Path, examples: dict[str, int]) -> Manifest:
  """Of all files in a folder, in one step."""
  files = {
    path.name: {'bytes': path.stat().st_size, 'sha256': sha256(path)}
    for path in sorted(folder.iterdir())
    if path.is_file() and not path.name.startswith(NAME)
  }
  made = Manifest(examples, files)
  partial = folder / f'{NAME}.partial'
  with partial.open('w', encoding='utf-8') as file:
    json.dump(made._asdict(), file, indent=2)
    file.flush()
    os.fsync(file.fileno())
  partial.replace(folder / NAME)
  return made


def load(folder: pathlib.Path) -> Manifest:
  """The manifest of a dataset.

  Raises:
    DataError: there is none, or it is damaged.
  """
  path = folder / NAME
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
    made = Manifest(dict(found['examples']), dict(found['files']))
    if made.total < 0:
      raise ValueError(f'{made.total} bytes')
  except FileNotFoundError:
    raise DataError(
      f'{folder} has no {NAME}: its preparation was not finished, or somebody '
      'else prepared it. Prepare goes on with it, and import takes it over: '
      'python -m workloads data --help'
    ) from None
  except (OSError, ValueError, LookupError, TypeError) as error:
    raise DataError(
      f'{path} is damaged: {type(error).__name__} {error}. Prepare again.'
    ) from error
  return made


def check(folder: pathlib.Path, known: Manifest, thorough: bool) -> None:
  """Raises DataError, naming the file, where one is not as it was.

  Args:
    folder: Of the dataset.
    known: Its manifest.
    thorough: Compares every byte; else names and lengths.
  """
  for name, file in known.files.items():
    path = folder / name
    if not path.is_file():
      raise DataError(f'{path} is missing. Prepare {folder} again.')
    size = path.stat().st_size
    if size != file['bytes']:
      raise DataError(
        f'{path} has {size} bytes instead of {file["bytes"]}. Prepare '
        f'{folder} again.'
      )
    if thorough and sha256(path) != file['sha256']:
      raise DataError(
        f'{path} has changed since {folder} was prepared: its SHA-256 is '
        'another. Prepare it again.'
      )


def sha256(path: pathlib.Path) -> str:
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
