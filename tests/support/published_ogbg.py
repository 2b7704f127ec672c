"""Write a few dozen molecules in the format of OGB's archive."""

import gzip
import zipfile
from typing import NamedTuple

import numpy as np

RAW, SPLIT = 'pcba/raw/', 'pcba/split/scaffold/'
SPLITS = {'train': 'train', 'validation': 'valid', 'test': 'test'}
TASKS = 128


class Molecule(NamedTuple):
  """One molecule."""

  atoms: list[list[int]]  # Nine features per atom.
  bonds: list[list[int]]  # Three features per bond.
  ends: list[tuple[int, int]]  # Numbers of the two atoms of each bond.
  labels: list[float]  # One label per task, NaN if unknown.


def write(folder, sizes, seed=0):
  """Write pcba.zip and return molecules by split, in the order of the file.

  Args:
    folder: The folder to write to.
    sizes: Number of molecules by split.
    seed: Seed of the molecules.
  """
  rng = np.random.default_rng(seed)
  number = sum(sizes.values())
  made = [molecule(rng) for _ in range(number)]
  order, splits = rng.permutation(number).tolist(), {}
  for split, size in sizes.items():
    splits[split], order = sorted(order[:size]), order[size:]
  archive(folder / 'pcba.zip', files(made, splits))
  return {
    split: [made[n] for n in numbers] for split, numbers in splits.items()
  }


def molecule(rng, atoms=None):
  """Draw a molecule of a realistic size, about 26 atoms and 28 bonds."""
  count = atoms or int(np.clip(rng.normal(26, 6.3), 2, 60))
  ends = [(int(rng.integers(max(0, n - 3), n)), n) for n in range(1, count)]
  ends += [
    (n, n + 4) for n in range(0, count - 4, 7) if rng.random() < 0.85
  ]  # Rings.
  labels = np.where(rng.random(TASKS) < 0.4, np.nan, rng.random(TASKS) < 0.1)
  return Molecule(
    rng.integers(0, (119, 4, 12, 12, 10, 6, 6, 2, 2), (count, 9)).tolist(),
    rng.integers(0, (4, 6, 2), (len(ends), 3)).tolist(),
    ends,
    labels.tolist(),
  )


def files(molecules, splits):
  """Return the files' content by name; `splits` has molecules' numbers."""
  every = molecules
  rows = {
    'node-feat': [atom for m in every for atom in m.atoms],
    'edge-feat': [bond for m in every for bond in m.bonds],
    'edge': [pair for m in every for pair in m.ends],
    'num-node-list': [[len(m.atoms)] for m in every],
    'num-edge-list': [[len(m.bonds)] for m in every],
    'graph-label': [
      [label(*pair) for pair in enumerate(m.labels)] for m in every
    ],
  }
  texts = {f'{RAW}{name}.csv.gz': text(lines) for name, lines in rows.items()}
  return texts | {
    f'{SPLIT}{SPLITS[split]}.csv.gz': text([[n] for n in numbers])
    for split, numbers in splits.items()
  }


def label(task, value):
  """Format a label, in the published way or in ways of other writers."""
  if np.isnan(value):
    return 'nan' if task == 7 else ''
  return str(int(value)) if task == 8 else str(float(value))


def text(lines):
  """Return rows as CSV in bytes."""
  return ''.join(','.join(map(str, line)) + '\n' for line in lines).encode()


def archive(path, texts):
  """Write a ZIP archive whose files are also compressed with gzip."""
  with zipfile.ZipFile(path, 'w') as out:
    for name, content in texts.items():
      out.writestr(name, gzip.compress(content, 1))


def unpacked(path):
  """Return the content of an archive's files by name."""
  with zipfile.ZipFile(path) as found:
    return {n: gzip.decompress(found.read(n)) for n in found.namelist()}
