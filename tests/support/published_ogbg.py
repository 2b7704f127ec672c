"""A few dozen molecules in the archive that OGB publishes."""

import gzip
import zipfile
from typing import NamedTuple

import numpy as np

RAW, SPLIT = 'pcba/raw/', 'pcba/split/scaffold/'
SPLITS = {'train': 'train', 'validation': 'valid', 'test': 'test'}
TASKS = 128


class Molecule(NamedTuple):
  atoms: list[list[int]]
  bonds: list[list[int]]
  ends: list[tuple[int, int]]
  labels: list[float]  # NaN where not known.


def write(folder, sizes, seed=0):
  """Writes it; molecules by split, in the order of the file."""
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
  """As large as they are: 26 atoms and 28 bonds, more or less."""
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
  """Texts of the files, by name; splits are numbers of molecules."""
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
  """As published, and as others write it."""
  if np.isnan(value):
    return 'nan' if task == 7 else ''
  return str(int(value)) if task == 8 else str(float(value))


def text(lines):
  return ''.join(','.join(map(str, line)) + '\n' for line in lines).encode()


def archive(path, texts):
  """Packs them, each by itself as well; None is left out."""
  with zipfile.ZipFile(path, 'w') as out:
    for name, content in texts.items():
      out.writestr(name, gzip.compress(content, 1))


def unpacked(path):
  """Texts of an archive's files, by name."""
  with zipfile.ZipFile(path) as found:
    return {n: gzip.decompress(found.read(n)) for n in found.namelist()}
