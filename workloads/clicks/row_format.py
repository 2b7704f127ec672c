"""File format of Criteo's click logs: one file of rows per day.

A row has a fixed width and can be read by its number. Counts are stored as
whole numbers; reading takes their logarithm. An id has as many bytes as its
vocabulary needs. All rows, 113 bytes each, are 494 GB; 40 numbers of 32 bits
per row would be 700 GB.
"""

import pathlib

import numpy as np

from workloads.data.manifest import DataError

DENSE = 13
VOCABULARIES = (  # AlgoPerf's number of categories per column, over 24 days.
  39_884_406, 39_043, 17_289, 7_420, 20_263, 3, 7_120, 1_543, 63, 38_532_951,
  2_953_546, 403_346, 10, 2_208, 11_938, 155, 4, 976, 14, 39_979_771,
  25_641_295, 39_664_984, 585_935, 12_972, 108, 36,
)  # fmt: skip
COLUMNS = [f'id_{n}' for n in range(len(VOCABULARIES))]
ROW = np.dtype(
  [
    ('counts', '<i4', DENSE),  # Negative counts are possible.
    *(
      (column, np.min_scalar_type(size - 1).newbyteorder('<'))
      for column, size in zip(COLUMNS, VOCABULARIES, strict=True)
    ),
    ('label', 'u1'),
  ]
)
LINES = (  # Lines of every published day.
  195_841_983, 199_563_535, 196_792_019, 181_115_208, 152_115_810, 172_548_507,
  204_846_845, 200_801_003, 193_772_492, 198_424_372, 185_778_055, 153_588_700,
  169_003_364, 194_216_520, 194_081_279, 187_154_596, 177_984_934, 163_382_602,
  142_061_091, 156_534_237, 193_627_464, 192_215_183, 189_747_893, 178_274_637,
)  # fmt: skip
DAYS = len(LINES)
TEST = 95_000_000  # Lines of the last day that test; the rest validates.


def path(folder: pathlib.Path, day: int) -> pathlib.Path:
  """Return the path of a day's rows."""
  return folder / f'day_{day:02d}.rows'


def count(file: pathlib.Path) -> int:
  """Return the number of rows of a day.

  Raises:
    DataError: The file is missing, or ends within a row.
  """
  if not file.is_file():
    raise DataError(f'{file} is missing. Prepare {file.parent} again.')
  whole, rest = divmod(file.stat().st_size, ROW.itemsize)
  if rest:
    raise DataError(
      f'{file} ends within row {whole}: {rest} of {ROW.itemsize} bytes. Remove '
      'the file and prepare the dataset again.'
    )
  return whole


def tested(lines: int) -> int:
  """Return the number of test lines, the published share of a last day."""
  return lines * TEST // LINES[-1]


def decoded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Return inputs [N, 39] and targets [N], both float32, of rows [N].

  Inputs are 13 values of ln(count + 1), with 0 for negative counts, and 26 ids.
  """
  inputs = np.empty((len(rows), DENSE + len(COLUMNS)), np.float32)
  counts = np.maximum(rows['counts'], 0).astype(np.float32)
  np.log(counts + 1, out=inputs[:, :DENSE])
  for place, column in enumerate(COLUMNS, DENSE):
    inputs[:, place] = rows[column]
  return inputs, rows['label'].astype(np.float32)
