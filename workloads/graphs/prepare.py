"""Builder of ogbg-molpcba from OGB's published archive.

Hu et al. 2020, "Open Graph Benchmark", arXiv:2005.00687. TFDS's own builder
checks nothing: wrong counts would mix up molecules. This builder checks all
files and writes the same features, keys and order.
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
  """Content of the published archive."""

  every: Molecules
  splits: dict[str, np.ndarray]  # Increasing numbers of molecules by split.


class OgbgMolpcba(Local, skip_registration=True):
  """Builder of ogbg-molpcba."""

  name = 'ogbg_molpcba'
  dataset = DATASETS[name]
  VERSION = tfds.core.Version(dataset.version)

  @classmethod
  def make(cls, data_dir, raw, tell):
    [file] = cls.dataset.raw
    path = pathlib.Path(raw or '') / file.name
    if raw and path.is_file() and manifest.sha256(path) != file.sha256:
      tell(f'Note: {path} differs from the published file in its SHA-256.')
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
  """Read the whole archive into memory, about 0.6 kB per molecule.

  Raises:
    DataError: The archive is damaged, or its files disagree. The message names
      file and line.
  """
  n_atom, n_bond = (csv_tables.read(path, t)[:, 0] for t in (N_ATOM, N_BOND))
  every = Molecules(
    atoms=csv_tables.read(path, ATOMS),
    bonds=csv_tables.read(path, BONDS),
    ends=csv_tables.read(path, ENDS),
    n_atom=n_atom,
    n_bond=n_bond,
    labels=csv_tables.read(path, LABELS),
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
      f'{path}, {table.name} has {lines:,} lines; {other.name} requires '
      f'{wanted:,}. Get the published archive again.'
    )


def _check_ends(path: pathlib.Path, every: Molecules) -> None:
  """Raise DataError if a bond ends at an atom outside of its molecule."""
  number = np.repeat(np.arange(len(every.n_bond)), every.n_bond)
  beyond = every.ends >= every.n_atom[number][:, None]
  if beyond.any():
    line = int(beyond.any(axis=1).argmax())
    raise DataError(
      f'{path}, {ENDS.name}, line {line + 1} has a bond between atoms '
      f'{every.ends[line].tolist()} of molecule {number[line]}, which has '
      f'{every.n_atom[number[line]]} atoms. Get the published archive again.'
    )


def _splits(path: pathlib.Path, count: int) -> dict[str, np.ndarray]:
  """Return the molecule numbers of every split, after checking overlaps."""
  found, lines = {}, np.zeros(count, int)
  for split, name in SPLITS.items():
    table = Table(f'{SPLIT}{name}.csv.gz', 1, np.int64, 0, count - 1)
    found[split] = np.sort(csv_tables.read(path, table)[:, 0])
    lines += np.bincount(found[split], minlength=count)
  if (lines != 1).any():
    number = int((lines != 1).argmax())
    raise DataError(
      f'{path}: molecule {number} is in {lines[number]} lines of the files in '
      f'{SPLIT}, instead of one. Get the published archive again.'
    )
  return found
