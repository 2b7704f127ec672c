"""Parser of Criteo's click logs, for a few thousand lines at once.

A line has a label (0 or 1), 13 counts and 26 categories of eight hexadecimal
digits, separated by tabs. An empty field or -1 means a missing value: a missing
count is 0, a missing category is 00000000.

Every field is parsed as a word of 64 bits: the eight characters before its end,
the first in the lowest byte. Only the largest counts are longer.
"""

import pathlib
import re

import numpy as np

from workloads.clicks.row_format import COLUMNS, DENSE, ROW, VOCABULARIES
from workloads.data.manifest import DataError

FIELDS = 1 + DENSE + len(COLUMNS)
COUNTS, CATEGORIES = slice(1, 1 + DENSE), slice(1 + DENSE, FIELDS)
WORD = 8  # Characters.
ZEROS = int.from_bytes(b'0' * WORD, 'little')
MINUS_ONE = int.from_bytes(b'-1', 'little')
MISSING = (b'', b'-1')
COUNT, CATEGORY = re.compile(rb'-?[0-9]+'), re.compile(rb'[0-9a-f]{8}')
K2 = 0x9AE16A3B2F90404F  # FarmHash's constant k2.


class _Odd(Exception):
  """Error in some line of a block."""


def parse(text: bytes, path: pathlib.Path, first: int) -> np.ndarray:
  """Parse complete lines into rows [N] of row_format.ROW.

  Args:
    text: Lines, each with its line end.
    path: File of the lines, for messages.
    first: Number of the first line in the file, from 1.

  Raises:
    DataError: A line is wrong. The message names file and line.
  """
  try:
    return _rows(text)
  except _Odd as odd:
    lines = text.removesuffix(b'\n').split(b'\n')
    faults = ((n, fault(line)) for n, line in enumerate(lines, first))
    number, wrong = next((n, wrong) for n, wrong in faults if wrong)
    raise DataError(
      f'{path}, line {number} {wrong}. Get the published file again.'
    ) from odd


def fault(line: bytes) -> str | None:
  """Return a description of what is wrong with a line, or None."""
  fields = line.split(b'\t')
  if len(fields) != FIELDS:
    return f'has {len(fields)} fields instead of {FIELDS}'
  if fields[0] not in (b'0', b'1'):
    return f'has the label {_shown(fields[0])}, which is neither 0 nor 1'
  for number, field in enumerate(fields[COUNTS], 2):
    if field not in MISSING and not _is_count(field):
      return (
        f'has {_shown(field)} in field {number}, a count: this must be a whole '
        'number below 2**31, or empty'
      )
  for number, field in enumerate(fields[CATEGORIES], 2 + DENSE):
    if field not in MISSING and not CATEGORY.fullmatch(field):
      return (
        f'has {_shown(field)} in field {number}, a category: this must be '
        'eight hexadecimal digits, or empty'
      )
  return None


def category(words: np.ndarray) -> np.ndarray:
  """Return the ids [26, N] of categories, given as 8 digits per word [26, N].

  The id is TensorFlow's to_hash_bucket_fast of the digits followed by the
  number of the column: FarmHash's Fingerprint64 (Pike 2014,
  github.com/google/farmhash), which has one formula for 8 to 16 characters.
  """
  names = [str(column).encode() for column in range(len(VOCABULARIES))]
  added = [WORD * len(name) for name in names]  # Bits.
  tails = [
    int.from_bytes(name, 'little') << (64 - bits)
    for name, bits in zip(names, added, strict=True)
  ]
  multiplier = _column([(K2 + 2 * (WORD + len(n))) % 2**64 for n in names])
  head = words + np.uint64(K2)
  last = words >> _column(added) | _column(tails)  # The last 8 characters.
  u = _turned(last, 37) * multiplier + head
  v = (_turned(head, 25) + last) * multiplier
  mixed = _shifted((u ^ v) * multiplier)
  mixed = _shifted((v ^ mixed) * multiplier) * multiplier
  return mixed % _column(VOCABULARIES)


def _rows(text: bytes) -> np.ndarray:
  """Return the rows of complete lines; raise _Odd if a line is wrong."""
  padded = np.frombuffer(bytes(WORD) + text, np.uint8)
  ends = np.flatnonzero((padded == ord('\t')) | (padded == ord('\n')))
  if len(ends) % FIELDS:
    raise _Odd
  ends = np.ascontiguousarray(ends.reshape(-1, FIELDS).T)  # [F, N]
  breaks = padded[ends] == ord('\n')
  if breaks[:-1].any() or not breaks[-1].all():
    raise _Odd
  before = np.concatenate([[WORD - 1], ends[-1, :-1]])  # Previous line ends.
  lengths = np.diff(ends, axis=0, prepend=before[None]) - 1
  # View the text as overlapping words: one starts at every character.
  words = np.ndarray((len(text) + 1,), '<u8', padded, strides=(1,))
  fields = words[ends - WORD]  # [F, N]
  labels = fields[0] >> np.uint64(56)
  if (lengths[0] != 1).any() or (labels ^ np.uint64(ord('0')) > 1).any():
    raise _Odd
  missing = (lengths == 0) | (
    (lengths == 2) & (fields >> np.uint64(48) == MINUS_ONE)
  )
  fields[missing], lengths[missing] = ZEROS, WORD
  rows = np.empty(len(labels), ROW)
  rows['label'] = labels & np.uint64(1)
  counts = _counts(fields[COUNTS], lengths[COUNTS], ends[COUNTS], padded)
  rows['counts'] = counts.T
  ids = category(_digits(fields[CATEGORIES], lengths[CATEGORIES]))
  for name, column in zip(COLUMNS, ids, strict=True):
    rows[name] = column
  return rows


def _counts(
  words: np.ndarray, lengths: np.ndarray, ends: np.ndarray, padded: np.ndarray
) -> np.ndarray:
  """Return the numbers [13, N] int64 of decimal fields."""
  before = (WORD * np.maximum(WORD - lengths, 0)).astype(np.uint64)
  digits = (words ^ np.uint64(ZEROS)) >> before << before
  # Adding 0x76 sets the highest bit of a byte above 9.
  high = (digits + np.uint64(0x76 * (2**64 // 255))) | digits
  odd = (lengths > WORD) | (high & np.uint64(0x80 * (2**64 // 255)) != 0)
  # Combine digits to pairs, pairs to fours, and fours to the number.
  pairs = digits * np.uint64(10 * 2**8 + 1) >> np.uint64(8)
  fours = pairs & np.uint64(0x00FF00FF00FF00FF)
  fours = fours * np.uint64(100 * 2**16 + 1) >> np.uint64(16)
  both = fours & np.uint64(0x0000FFFF0000FFFF)
  both = both * np.uint64(10_000 * 2**32 + 1) >> np.uint64(32)
  numbers = both.astype(np.int64)
  for place in zip(*np.nonzero(odd), strict=True):  # Long or negative: rare.
    end = ends[place]
    field = padded[end - lengths[place] : end].tobytes()
    if not _is_count(field):
      raise _Odd
    numbers[place] = int(field)
  return numbers


def _digits(words: np.ndarray, lengths: np.ndarray) -> np.ndarray:
  """Return the words if all are eight hexadecimal digits; else raise _Odd."""
  characters = words.view(np.uint8)
  # Unsigned subtraction makes characters below '0' or 'a' large.
  good = (characters - ord('0') < 10) | (characters - ord('a') < 6)
  if not good.all() or (lengths != WORD).any():
    raise _Odd
  return words


def _is_count(field: bytes) -> bool:
  return bool(COUNT.fullmatch(field)) and -(2**31) <= int(field) < 2**31


def _column(numbers) -> np.ndarray:
  return np.array(numbers, np.uint64)[:, None]


def _turned(words: np.ndarray, by: int) -> np.ndarray:
  """Rotate 64-bit words to the right."""
  return words >> np.uint64(by) | words << np.uint64(64 - by)


def _shifted(words: np.ndarray) -> np.ndarray:
  return words ^ words >> np.uint64(47)


def _shown(field: bytes) -> str:
  return repr(field[:40].decode('latin1'))
