"""Numbers from gzipped CSV files without a header, in a zip archive."""

import gzip
import io
import pathlib
import re
import zipfile
import zlib
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workloads.data.manifest import DataError

BLOCK = 2**23  # Bytes of text that are parsed at once.
BLANK = ('', 'nan')  # How a number that is not known may be written.
WHOLE = re.compile(r'(-?[0-9]{1,18})(?:\.0*)?')


class Table(NamedTuple):
  """A file in the archive."""

  name: str
  width: int  # Numbers in a line.
  dtype: Any  # That they get,
  low: int  # and the whole numbers that they may be.
  high: int
  blank: int | None = None  # What stands for one that is not known, if any may.


def read(path: pathlib.Path, table: Table) -> np.ndarray:
  """Its numbers, [lines, width].

  Raises:
    DataError: the archive or the file is missing or damaged, or a line is not
      as it must be; names file and line.
  """
  parts = [np.empty((0, table.width), table.dtype)]
  lines = 0
  try:
    with (
      zipfile.ZipFile(path) as archive,
      archive.open(table.name) as packed,
      gzip.open(packed) as file,
    ):
      while block := file.readlines(BLOCK):
        parts.append(_parsed(block, table, f'{path}, {table.name}', lines))
        lines += len(block)
  except KeyError:
    raise DataError(f'{path} has no file {table.name}.') from None
  except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
    raise DataError(
      f'{path}, {table.name} is damaged in line {lines + 1} or after it: '
      f'{error}.'
    ) from error
  return np.concatenate(parts)


def _parsed(
  block: list[bytes], table: Table, where: str, before: int
) -> np.ndarray:
  text = b''.join(block)
  # The parser would fill up a line that is too short.
  if text.count(b',') == len(block) * (table.width - 1):
    numbers = _numbers(text, table)
    if numbers is not None and numbers.shape == (len(block), table.width):
      return numbers
  for line, content in enumerate(block, before + 1):
    if wrong := _fault(content, table):
      raise DataError(f'{where}, line {line} has {wrong}.')
  last = before + len(block)
  raise DataError(f'{where} is damaged in lines {before + 1} to {last}.')


def _numbers(text: bytes, table: Table) -> np.ndarray | None:
  """None if some are not as they must be."""
  try:
    found = pd.read_csv(
      io.BytesIO(text),
      header=None,
      dtype=np.float64,
      keep_default_na=False,
      na_values=list(BLANK),
      skip_blank_lines=False,
    ).to_numpy()
  except ValueError:
    return None
  if table.blank is not None:
    unknown = np.isnan(found)
    known, found = found[~unknown], np.where(unknown, table.blank, found)
  else:
    known = found
  good = (known >= table.low) & (known <= table.high) & (known == known.round())
  return found.astype(table.dtype) if good.all() else None


def _fault(line: bytes, table: Table) -> str | None:
  """What is wrong with a line."""
  fields = line.decode('latin1').rstrip('\r\n').split(',')
  if len(fields) != table.width:
    return f'{len(fields)} fields instead of {table.width}'
  takes = f'a whole number from {table.low} to {table.high}'
  if table.blank is not None:
    takes += ', or nothing'
  for number, field in enumerate(fields, 1):
    if table.blank is not None and field in BLANK:
      continue
    whole = WHOLE.fullmatch(field)
    if not whole or not table.low <= int(whole[1]) <= table.high:
      return f'{field[:40]!r} in field {number}, which takes {takes}'
  return None
