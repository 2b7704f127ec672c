"""Builder of ogbg-molpcba, from the archive that OGB publishes.

Hu et al. 2020, "Open Graph Benchmark", arXiv:2005.00687. TFDS's own builder
needs no TensorFlow, but looks at nothing: counts that disagree with their lines
would mix up molecules. What this writes is the same in features, keys and
order.
"""

import pathlib
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from workloads.data import manifest
from workloads.data.catalogue import DATASETS
from workloads.data.local import Local
from workloads.data.manifest import DataError
from workloads.graphs import atoms, csv_tables, decode
from workloads.graphs.atoms import (
  EDGE_FEATURES,
  MOST,
  NODE_FEATURES,
  TASKS,
  Molecules,
)
from workloads.graphs.csv_tables import Table

RAW, SPLIT = 'pcba/raw/', 'pcba/split/scaffold/'
BYTE = 2**8 - 1
ATOMS = Table(f'{RAW}node-feat.csv.gz', NODE_FEATURES, np.uint8, 0, BYTE)
BONDS = Table(f'{RAW}edge-feat.csv.gz', EDGE_FEATURES, np.uint8, 0, BYTE)
ENDS = Table(f'{RAW}edge.csv.gz', 2, np.uint16, 0, MOST)
N_ATOM = Table(f'{RAW}num-node-list.csv.gz', 1, np.uint16, 1, MOST)
N_BOND = Table(f'{RAW}num-edge-list.csv.gz', 1, np.uint16, 0, MOST)
LABELS = Table(
  f'{RAW}graph-label.csv.gz', TASKS, np.int8, 0, 1, blank=atoms.UNKNOWN
)
SPLITS = {'train': 'train', 'validation': 'valid', 'test': 'test'}


class Published(NamedTuple):
  every: Molecules
  splits: dict[str, np.ndarray]  # Numbers of molecules, rising.


class OgbgMolpcba(Local, skip_registration=True):
  name = 'ogbg_molpcba'
  dataset = DATASETS[name]
  VERSION = tfds.core.Version(dataset.version)

  @classmethod
  def make(cls, data_dir, raw, tell):
    [file] = cls.dataset.raw
    path = pathlib.Path(raw or '') / file.name
    if raw and path.is_file() and manifest.sha256(path) != file.sha256:
      tell(f'Note: {path} is not as it was published: its SHA-256 is another.')
    super().make(data_dir, raw, tell)

  @classmethod
  def finish(cls, place, tell):
    examples = {}
    for split in cls.dataset.examples:
      tell(f'Decoding {split} ...')
      examples[split] = decode.save(place, split, tell)
    return examples

  def _info(self):
    tensor = tfds.features.Tensor
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'num_nodes': tensor(shape=(None,), dtype=np.int64),
          'node_feat': tensor(shape=(None, NODE_FEATURES), dtype=np.float32),
          'num_edges': tensor(shape=(None,), dtype=np.int64),
          'edge_feat': tensor(shape=(None, EDGE_FEATURES), dtype=np.float32),
          'edge_index': tensor(shape=(None, 2), dtype=np.int64),
          'labels': tensor(shape=(TASKS,), dtype=np.float32),
        }
      ),
      homepage=self.dataset.page,
    )

  def _split_generators(self, dl_manager):
    [path] = self._raw(dl_manager)
    published = read(path)
    return {
      split: self._generate_examples(published.every, numbers)
      for split, numbers in published.splits.items()
    }

  def _generate_examples(self, every, numbers):
    atom_ends = np.cumsum(every.n_atom, dtype=np.int64)
    bond_ends = np.cumsum(every.n_bond, dtype=np.int64)
    for number in numbers.tolist():
      n_atom, n_bond = every.n_atom[number], every.n_bond[number]
      atom = slice(atom_ends[number] - n_atom, atom_ends[number])
      bond = slice(bond_ends[number] - n_bond, bond_ends[number])
      labels = every.labels[number].astype(np.float32)
      labels[labels == atoms.UNKNOWN] = np.nan
      yield (
        number,
        {
          'num_nodes': np.array([n_atom], np.int64),
          'node_feat': every.atoms[atom].astype(np.float32),
          'num_edges': np.array([n_bond], np.int64),
          'edge_feat': every.bonds[bond].astype(np.float32),
          'edge_index': every.ends[bond].astype(np.int64),
          'labels': labels,
        },
      )


def read(path: pathlib.Path) -> Published:
  """All that is in the archive; 0.6 kB a molecule.

  Raises:
    DataError: it is damaged, or its files do not agree; names file and line.
  """
  n_atom, n_bond = (csv_tables.read(path, t)[:, 0] for t in (N_ATOM, N_BOND))
  every = Molecules(
    csv_tables.read(path, ATOMS),
    csv_tables.read(path, BONDS),
    csv_tables.read(path, ENDS),
    n_atom,
    n_bond,
    csv_tables.read(path, LABELS),
  )
  count = len(n_atom)
  _same(path, LABELS, len(every.labels), N_ATOM, count)
  _same(path, N_BOND, len(n_bond), N_ATOM, count)
  _same(path, ATOMS, len(every.atoms), N_ATOM, n_atom.sum(dtype=int))
  _same(path, BONDS, len(every.bonds), N_BOND, n_bond.sum(dtype=int))
  _same(path, ENDS, len(every.ends), N_BOND, n_bond.sum(dtype=int))
  _check_ends(path, every)
  return Published(every, _splits(path, count))


def _same(path, table: Table, lines: int, other: Table, wanted: int) -> None:
  if lines != wanted:
    raise DataError(
      f'{path}, {table.name} has {lines:,} lines, and by {other.name} they are '
      f'{wanted:,}.'
    )


def _check_ends(path: pathlib.Path, every: Molecules) -> None:
  """DataError where a bond goes to an atom that its molecule does not have."""
  number = np.repeat(np.arange(len(every.n_bond)), every.n_bond)
  beyond = every.ends >= every.n_atom[number][:, None]
  if beyond.any():
    line = int(beyond.any(axis=1).argmax())
    raise DataError(
      f'{path}, {ENDS.name}, line {line + 1} has a bond between atoms '
      f'{every.ends[line].tolist()} of molecule {number[line]}, which has '
      f'{every.n_atom[number[line]]}.'
    )


def _splits(path: pathlib.Path, count: int) -> dict[str, np.ndarray]:
  """Numbers of the molecules of every split; each is in one of them."""
  found, lines = {}, np.zeros(count, int)
  for split, name in SPLITS.items():
    table = Table(f'{SPLIT}{name}.csv.gz', 1, np.int64, 0, count - 1)
    found[split] = np.sort(csv_tables.read(path, table)[:, 0])
    lines += np.bincount(found[split], minlength=count)
  if (lines != 1).any():
    number = int((lines != 1).argmax())
    raise DataError(
      f'{path}: molecule {number} is in {lines[number]} lines of the files in '
      f'{SPLIT}; each must be in one.'
    )
  return found
