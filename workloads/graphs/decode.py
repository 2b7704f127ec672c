"""Decoding of molecules during the preparation of their dataset."""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from workloads.data.manifest import DataError
from workloads.data.records import Records
from workloads.graphs import atoms
from workloads.graphs.atoms import MOST, UNKNOWN, Molecules

CHUNK = 1024  # Records per read.
PROGRESS = 50 * CHUNK  # Records between two progress messages.


def save(folder: pathlib.Path, split: str, tell) -> int:
  """Decode a split, save its molecules and return their number.

  Args:
    folder: Folder of the dataset.
    split: Name of the split.
    tell: Receives progress messages.

  Raises:
    DataError: A record is wrong. The message names file and record.
  """
  parts = list(_decoded(Records(folder, split), split, tell))
  if not parts:
    raise DataError(
      f'{folder} has no molecules in {split}. Prepare the folder again.'
    )
  whole = Molecules(*map(np.concatenate, zip(*parts, strict=True)))
  atoms.save(folder, split, whole)
  return len(whole.labels)


def _decoded(records: Records, split: str, tell) -> Iterator[Molecules]:
  """Yield all molecules, CHUNK at a time."""
  for chunk in records.chunks(CHUNK):
    decoded = []
    for number, record in chunk:
      try:
        decoded.append(_molecule(record))
      except (ValueError, LookupError, TypeError) as error:
        raise DataError(
          f'{records.where(number)} is no molecule: {error}. Prepare the '
          'dataset again.'
        ) from error
    first, _ = chunk[0]
    if first % PROGRESS == 0:
      tell(f'  {first:,} of {len(records):,} of {split}')
    yield Molecules(*map(np.concatenate, zip(*decoded, strict=True)))


def _molecule(record: dict[str, Any]) -> Molecules:
  """Return the molecule of one record; ValueError if its parts disagree."""
  atoms, bonds = record['node_feat'], record['edge_feat']
  ends, labels = record['edge_index'], record['labels']
  n_atom, n_bond = record['num_nodes'], record['num_edges']
  if n_atom.tolist() != [len(atoms)]:
    raise ValueError(f'it says {n_atom.tolist()} atoms, and has {len(atoms)}')
  if not n_bond.tolist() == [len(bonds)] == [len(ends)]:
    raise ValueError(
      f'it says {n_bond.tolist()} bonds, and has {len(bonds)} with ends of '
      f'{len(ends)}'
    )
  if max(len(atoms), len(bonds)) > MOST:
    raise ValueError(f'it has {len(atoms)} atoms and {len(bonds)} bonds')
  high = ends.max(initial=0)
  if high >= len(atoms) or ends.min(initial=0) < 0:
    raise ValueError(f'a bond ends at {high}, and there are {len(atoms)} atoms')
  known = ~np.isnan(labels)
  if not np.isin(labels[known], (0, 1)).all():
    raise ValueError(f'labels are {np.unique(labels[known])}, not 0 and 1')
  return Molecules(
    atoms=_codes(atoms, 'atoms'),
    bonds=_codes(bonds, 'bonds'),
    ends=ends.astype(np.uint16),
    n_atom=n_atom.astype(np.uint16),
    n_bond=n_bond.astype(np.uint16),
    labels=np.where(known, labels, UNKNOWN).astype(np.int8)[None],
  )


def _codes(features: np.ndarray, what: str) -> np.ndarray:
  with np.errstate(invalid='ignore'):  # The comparison below finds NaN.
    codes = features.astype(np.uint8)
  if not np.array_equal(codes, features):
    raise ValueError(f'features of {what} are not codes from 0 to 255')
  return codes
