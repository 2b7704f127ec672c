"""Numbers of gzipped CSV files without a header, in a zip archive."""

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

BLOCK = 2**23  # Bytes of text per read.
BLANK = ('', 'nan')  # Texts of an unknown number.
WHOLE = re.compile(r'(-?[0-9]{1,18})(?:\.0*)?')


class Table(NamedTuple):
  """Name and valid numbers of a file in the archive."""

  name: str
  width: int  # Numbers per line.
  dtype: Any  # numpy type of the result.
  low: int  # Smallest valid whole number.
  high: int  # Largest valid whole number.
  blank: int | None = None  # Replaces unknown numbers; None: all are known.


def read(path: pathlib.Path, table: Table) -> np.ndarray:
  """Return the numbers [lines, width] of a file in an archive.

  Raises:
    DataError: The archive or the file is missing or damaged, or a line is
      wrong. The message names file and line.
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
    raise DataError(
      f'{path} has no file {table.name}. Get the published archive again.'
    ) from None
  except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
    raise DataError(
      f'{path}, {table.name} is damaged in line {lines + 1} or after it: '
      f'{error}. Get the published archive again.'
    ) from error
  return np.concatenate(parts)


def _parsed(
  block: list[bytes], table: Table, where: str, before: int
) -> np.ndarray:
  text = b''.join(block)
  # Counting commas finds short lines, which the parser would fill up.
  if text.count(b',') == len(block) * (table.width - 1):
    numbers = _numbers(text, table)
    if numbers is not None and numbers.shape == (len(block), table.width):
      return numbers
  for line, content in enumerate(block, before + 1):
    if wrong := _fault(content, table):
      raise DataError(
        f'{where}, line {line} has {wrong}. Get the published archive again.'
      )
  last = before + len(block)
  raise DataError(
    f'{where} is damaged in lines {before + 1} to {last}. Get the published '
    'archive again.'
  )


def _numbers(text: bytes, table: Table) -> np.ndarray | None:
  """Return the numbers of a block, or None if a number is not valid."""
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
  """Return a description of what is wrong with a line, or None."""
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
