"""Source of ogbg-molpcba's molecules, in batches that fit pools.

Training fills shards as AlgoPerf does (Dahl et al. 2023, arXiv:2306.07179): a
molecule without room in the current shard starts the next one. The remaining
rows of a shard have no graph: no node, and no known label. AlgoPerf's shards
belong to devices: eight devices with 64 graphs each. Here a shard always has 64
rows, and batches depend neither on the number of devices nor on that of hosts.
An epoch contains every molecule once; its last shard may be smaller.

The order differs from AlgoPerf, which shuffles 32,768 molecules at a time: here
every epoch is a permutation of all molecules. The number of shards of an epoch
depends on its order. The shards of earlier epochs are counted once.
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

SHARD = 64  # Rows of a shard: graphs that share room.
NONE = -1  # Molecule number of an empty row.
Rows = dict[str, np.ndarray]


class Epoch(NamedTuple):
  """Order of an epoch's N molecules, cut into S shards."""

  order: np.ndarray  # [N] int32
  bounds: np.ndarray  # [S + 1]: shard s is order[bounds[s] : bounds[s + 1]].


@dataclasses.dataclass(frozen=True, eq=False)
class Compounds:
  """A source of molecules, with two edges per bond."""

  molecules: Molecules
  largest: Size  # Rows per graph in a batch; the number of edges is even.
  usual: Size  # Rows of a pool per graph of a batch.

  ahead: ClassVar[int] = 2

  def __len__(self) -> int:
    return len(self.molecules.labels)

  def __getitem__(self, indices) -> Rows:  # pyrefly: ignore
    """Return all of the given molecules, without a limit on room."""
    return self._rows(np.asarray(indices))

  def draw(self, seed: int, first: int, count: int) -> Rows:
    """See workload.Drawn; positions count rows, including empty ones.

    A batch starts with the shard of its first position. If `count` is no
    multiple of SHARD, shards have `count` rows instead.
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
    """First atom and first bond of every molecule, each [N]."""
    counts = self.molecules.n_atom, self.molecules.n_bond
    atom, bond = (np.cumsum(n, dtype=np.int64) - n for n in counts)
    return atom, bond


def source(
  workload: str, split: str, data_dir: str | None, largest: Size, usual: Size
) -> Compounds:
  """Return a split of the prepared molecules.

  Args:
    workload: Name of the workload.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    largest: Rows per graph in a batch.
    usual: Rows of a pool per graph of a batch.

  Raises:
    ValueError: The data are missing, have changed since their preparation, or
      contain a molecule that is larger than `largest`.
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
      f'{workload} takes up to {largest.nodes} and {largest.edges // 2}. '
      'Prepare the published dataset.'
    )
  return Compounds(molecules, largest, usual)


def bounds(
  n_node: np.ndarray, n_edge: np.ndarray, shard: int, room: Size
) -> np.ndarray:
  """Cut a sequence of graphs into shards.

  Args:
    n_node: Nodes of every graph, [N]; each graph fits into `room`.
    n_edge: Edges of every graph, [N].
    shard: Maximum graphs of a shard.
    room: Nodes and edges of a shard.

  Returns:
    The first graph of every shard, and N: [S + 1].
  """
  count = len(n_node)
  ends = np.minimum(np.arange(count) + shard, count)
  for sizes, rows in zip((n_node, n_edge), room, strict=True):
    sums = np.cumsum(sizes, dtype=np.int64)
    fits = np.searchsorted(sums, sums - sizes + rows, side='right')
    ends = np.minimum(ends, fits)  # End of a shard that starts at this graph.
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
  """Return the number of shards of an epoch."""
  return len(_epoch(of, shard, seed, number).bounds) - 1


def _places(
  starts: np.ndarray, counts: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
  """Return rows of the flat arrays, and their rows in a batch.

  Args:
    starts: First row of every graph in the flat arrays, [B].
    counts: Rows of every graph, [B].
    width: Rows per graph in the batch.
  """
  sizes = counts.astype(np.int64)
  graph = np.repeat(np.arange(len(sizes)), sizes)
  within = np.arange(len(graph)) - (np.cumsum(sizes) - sizes)[graph]
  return starts[graph] + within, width * graph + within
