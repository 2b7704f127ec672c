"""Compounds of ogbg-molpcba, as they were prepared, in batches that fit pools.

Training puts them into shards as AlgoPerf does (Dahl et al. 2023,
arXiv:2306.07179): one after another while the shard has room for it, and what
has none any more begins the next one. Rows of a batch that are left over hold
no graph: no node, and no known label. AlgoPerf's shards are those of devices,
64 graphs on eight of them; here they always are, so that batches do not depend
on the machine, and a host's share is a part of the whole. No molecule is lost
or comes twice in an epoch, whose last shard has what is left of it.

The order is another one: AlgoPerf's shuffles 32,768 at a time, here every epoch
is a permutation of all of them. How many shards an epoch has depends on it, so
those of earlier epochs are counted, once.
"""

import dataclasses
import functools
import itertools
from typing import ClassVar, NamedTuple

import numpy as np

from workloads import data
from workloads.batches import stream
from workloads.data.manifest import DataError
from workloads.graphs import atoms, graphs
from workloads.graphs.atoms import EDGE_FEATURES, NODE_FEATURES, Molecules
from workloads.graphs.graphs import Size

SHARD = 64  # Graphs that share room with no others.
NONE = -1  # In place of a molecule's number.
Rows = dict[str, np.ndarray]


class Epoch(NamedTuple):
  """The order of an epoch's molecules, cut into shards."""

  order: np.ndarray  # [N] int32
  bounds: np.ndarray  # [S + 1]: shard s has those from bounds[s] on.


@dataclasses.dataclass(frozen=True, eq=False)
class Compounds:
  """A source of molecules, each bond as two edges."""

  molecules: Molecules
  largest: Size  # Rows for a graph in a batch; of edges, an even number.
  usual: Size  # Of a pool, for each graph of a batch.

  ahead: ClassVar[int] = 2

  def __len__(self) -> int:
    return len(self.molecules.labels)

  def __getitem__(self, indices) -> Rows:  # pyrefly: ignore
    """All of them, whatever room they need."""
    return self._rows(np.asarray(indices))

  def draw(self, seed: int, first: int, count: int) -> Rows:
    """As workload.Drawn; positions are those of rows, filled or not.

    A batch begins with the shard that its first position is in. One whose size
    is no multiple of a shard's is a shard by itself, and so are its neighbours.
    """
    shard = count if count % SHARD else SHARD
    number, left, epoch = first // shard, count // shard, 0
    while number >= (size := _size(self, shard, seed, epoch)):
      number, epoch = number - size, epoch + 1
    drawn = []
    while left:
      order, cuts = _epoch(self, shard, seed, epoch)
      for start, end in itertools.pairwise(cuts[number : number + left + 1]):
        drawn.append(np.full(shard, NONE))
        drawn[-1][: end - start] = order[start:end]
        left -= 1
      number, epoch = 0, epoch + 1
    return self._rows(np.concatenate(drawn))

  def _rows(self, numbers: np.ndarray) -> Rows:
    of, there = self.molecules, numbers != NONE
    count, pairs = len(numbers), self.largest.edges // 2
    n_atom, n_bond = of.n_atom[numbers] * there, of.n_bond[numbers] * there
    atom_starts, bond_starts = self._starts
    atom, node = _places(atom_starts[numbers], n_atom, self.largest.nodes)
    bond, pair = _places(bond_starts[numbers], n_bond, pairs)
    nodes = np.zeros((count * self.largest.nodes, NODE_FEATURES), np.float32)
    nodes[node] = of.atoms[atom]
    edges = np.zeros((count * pairs, 2, EDGE_FEATURES), np.float32)
    edges[pair] = of.bonds[bond][:, None]
    senders, receivers = np.zeros((2, count * pairs, 2), np.int32)
    senders[pair] = ends = of.ends[bond]
    receivers[pair] = ends[:, ::-1]
    labels = np.where(there[:, None], of.labels[numbers], atoms.UNKNOWN)
    return {
      'nodes': nodes.reshape(count, -1, NODE_FEATURES),
      'edges': edges.reshape(count, -1, EDGE_FEATURES),
      'senders': senders.reshape(count, -1),
      'receivers': receivers.reshape(count, -1),
      'n_node': n_atom.astype(np.int32),
      'n_edge': 2 * n_bond.astype(np.int32),
      'targets': (labels == 1).astype(np.float32),
      'labelled': (labels != atoms.UNKNOWN).astype(np.float32),
    }

  @functools.cached_property
  def _starts(self) -> tuple[np.ndarray, np.ndarray]:
    """Where the atoms and the bonds of every molecule start, each [N]."""
    counts = self.molecules.n_atom, self.molecules.n_bond
    atom, bond = (np.cumsum(n, dtype=np.int64) - n for n in counts)
    return atom, bond


def source(
  workload: str, split: str, data_dir: str | None, largest: Size, usual: Size
) -> Compounds:
  """A split of the prepared molecules.

  Args:
    workload: Whose data.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    largest: Rows for a graph in a batch.
    usual: Of a pool, for each graph of a batch.

  Raises:
    ValueError: they are not there, or not as they were prepared, or one is
      larger than a batch's rows.
  """
  [place] = data.find(workload, data_dir).values()
  molecules = atoms.load(place, split)
  beyond = (molecules.n_atom > largest.nodes) | (
    molecules.n_bond > largest.edges // 2
  )
  if beyond.any():
    number = int(beyond.argmax())
    raise DataError(
      f'{atoms.path(place, split)}: molecule {number} has '
      f'{molecules.n_atom[number]} atoms and {molecules.n_bond[number]} bonds; '
      f'{workload} takes up to {largest.nodes} and {largest.edges // 2}.'
    )
  return Compounds(molecules, largest, usual)


def bounds(
  n_node: np.ndarray, n_edge: np.ndarray, shard: int, room: Size
) -> np.ndarray:
  """Cuts a row of graphs into shards: the first graph of each, and the end.

  Args:
    n_node: Of every graph, [N]; each has room.
    n_edge: The same.
    shard: Graphs in one at most.
    room: For their nodes and edges.
  """
  count = len(n_node)
  ends = np.minimum(np.arange(count) + shard, count)
  for sizes, rows in zip((n_node, n_edge), room, strict=True):
    sums = np.cumsum(sizes, dtype=np.int64)
    fits = np.searchsorted(sums, sums - sizes + rows, side='right')
    ends = np.minimum(ends, fits)  # Of a shard that begins at this graph.
  found, ends = [0], ends.tolist()
  while found[-1] < count:
    found.append(ends[found[-1]])
  return np.array(found)


@functools.lru_cache(maxsize=2)
def _epoch(of: Compounds, shard: int, seed: int, number: int) -> Epoch:
  count = len(of)
  order = stream(count, seed, number * count, count).astype(np.int32)
  n_node = of.molecules.n_atom[order].astype(int)
  n_edge = 2 * of.molecules.n_bond[order].astype(int)
  room = graphs.room(shard, of.usual, of.largest)
  return Epoch(order, bounds(n_node, n_edge, shard, room))


@functools.lru_cache(maxsize=1024)
def _size(of: Compounds, shard: int, seed: int, number: int) -> int:
  """Shards of an epoch."""
  return len(_epoch(of, shard, seed, number).bounds) - 1


def _places(
  starts: np.ndarray, counts: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
  """Rows of flat arrays, and the rows of a batch where they belong.

  Args:
    starts: Of every graph in the flat arrays, [B].
    counts: How many rows it has.
    width: Rows of the batch for each graph.
  """
  sizes = counts.astype(np.int64)
  graph = np.repeat(np.arange(len(sizes)), sizes)
  within = np.arange(len(graph)) - (np.cumsum(sizes) - sizes)[graph]
  return starts[graph] + within, width * graph + within
