"""Write a few lines per day in the published formats of click logs."""

import gzip

import numpy as np

DAYS = 24


def line(rng):
  """Return the fields of a line as text; some are missing ('' or '-1')."""
  counts = [
    str(int(n)) for n in rng.exponential(10.0 ** rng.integers(1, 7), 13)
  ]
  categories = [f'{n:08x}' for n in rng.integers(0, 2**32, 26)]
  fields = [str(rng.integers(0, 2)), *counts, *categories]
  for n in range(1, 40):
    if rng.random() < 0.2:
      fields[n] = rng.choice(['', '-1'])
  return fields


def criteo1tb(folder):
  """Write 24 days in all known forms, and return lines of fields by day."""
  rng = np.random.default_rng(7)
  days = [[line(rng) for _ in range(9 + day % 5)] for day in range(DAYS)]
  days[4][2][1:4] = ['2147483647', '-2147483648', '0']
  for day, lines in enumerate(days):
    write(folder, day, lines)
  return days


def write(folder, day, lines):
  """Write one day: compressed, plain, with AlgoPerf's name, or in parts.

  Args:
    folder: The folder to write to.
    day: Number of the day, which decides on the form.
    lines: Lines of fields.
  """
  match day:
    case 1:
      (folder / f'day_{day}').write_bytes(text(lines))
    case 2:
      (folder / f'day_{day}.csv').write_bytes(text(lines))
    case 3 | 23:
      for n, start in enumerate(range(0, len(lines), 4)):
        part = folder / f'day_{day}_{n:02d}'
        part.write_bytes(text(lines[start : start + 4]))
    case _:
      packed = gzip.compress(text(lines))
      (folder / f'day_{day}.gz').write_bytes(packed)


def text(lines):
  """Return lines of fields as bytes."""
  return ''.join('\t'.join(fields) + '\n' for fields in lines).encode()
