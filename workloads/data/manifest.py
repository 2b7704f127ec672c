"""Manifest of a prepared dataset: all trials train on the same bytes.

A JSON file in the dataset's folder lists the number of examples of every split,
and bytes and SHA-256 of every file. The manifest is written last: a dataset
without a manifest is not fully prepared.
"""

import hashlib
import json
import os
import pathlib
from typing import Any, NamedTuple

NAME = 'manifest.json'


class DataError(ValueError):
  """Error in the data of a workload: missing, damaged or changed."""


def lacking(what: str, package: str) -> DataError:
  """Error for a missing package that only the preparation needs."""
  return DataError(
    f'Preparing {what} needs the package {package}, which is not installed: '
    'pip install "timetrial[data]".'
  )


class Manifest(NamedTuple):
  """Content of a dataset's manifest."""

  examples: dict[str, int]  # Number by split.
  files: dict[str, dict[str, Any]]  # 'bytes' and 'sha256' by file name.

  @property
  def total(self) -> int:
    """Bytes of all files together."""
    return sum(file['bytes'] for file in self.files.values())

  @property
  def digest(self) -> str:
    """SHA-256 over the manifest; changes with any byte of any file."""
    text = json.dumps(self._asdict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write(folder: pathlib.Path, examples: dict[str, int]) -> Manifest:
  """Write the manifest of all files in a folder, atomically."""
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
  """Return the manifest of a dataset.

  Raises:
    DataError: The manifest is missing or damaged.
  """
  path = folder / NAME
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
    made = Manifest(dict(found['examples']), dict(found['files']))
    if made.total < 0:
      raise ValueError(f'{made.total} bytes')
  except FileNotFoundError:
    raise DataError(
      f'{folder} has no {NAME}: its preparation was not finished, or another '
      'program prepared it. Continue with `data prepare`, or copy it with '
      '`data import`: timetrial data --help'
    ) from None
  except (OSError, ValueError, LookupError, TypeError) as error:
    raise DataError(
      f'{path} is damaged: {type(error).__name__} {error}. Remove {folder} and '
      'prepare the dataset again.'
    ) from error
  return made


def check(folder: pathlib.Path, known: Manifest, thorough: bool) -> None:
  """Compare the files of a dataset with its manifest.

  Args:
    folder: Folder of the dataset.
    known: Manifest of the dataset.
    thorough: Compares hashes; else only names and lengths.

  Raises:
    DataError: A file is missing or has changed; the message names the file.
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
        f'{path} has changed since {folder} was prepared: its SHA-256 differs '
        'from the manifest. Prepare the folder again.'
      )


def sha256(path: pathlib.Path) -> str:
  """Return the SHA-256 of a file as 64 hexadecimal digits."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
