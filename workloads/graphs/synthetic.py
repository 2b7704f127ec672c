"""Generated molecules, the data of `ogbg/mini`.

Artificial molecules have the batch arrays of ogbg-molpcba and its difficulties.
The molecules obey valences: chains and branches, mostly of carbon, grow on
rings of five and six atoms, aromatic or not. Atoms and bonds are small numbers.
An assay is positive if two groups of atoms have a certain distance in bonds:
messages must travel. Every world has its own assays. Positives are rare, a
quarter of the labels is missing, and overfitting is easy. Two training labels
in a hundred are wrong.

All G molecules of a split are drawn together, atom by atom. Every split has its
own random stream.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workloads import generated
from workloads.batches import Arrays

EXAMPLES = {'train': 1_024, 'validation': 1_024, 'test': 1_024}
SIZES = (12, 28)  # Minimum and maximum atoms of a molecule, without hydrogen.
ATOMS = SIZES[1]
EDGES = 64  # Two per bond: 27 bonds of a tree, and at most five close rings.

CARBON, NITROGEN, OXYGEN, FLUORINE, SULFUR, CHLORINE = range(6)
CODES = np.array([5, 6, 7, 8, 15, 16])  # Published codes: atomic number - 1.
VALENCES = np.array([4, 3, 2, 1, 2, 1])
IN_CHAIN = (0.58, 0.15, 0.16, 0.04, 0.03, 0.04)  # Shares of the elements.
IN_RING = (0.74, 0.19, 0.03, 0.0, 0.04, 0.0)
DOUBLED = np.array([0.12, 0.12, 0.55, 0.0, 0.0, 0.0])  # Share of chain bonds.
RING = 0.16  # Probability that a ring starts where possible.
FLAT = 0.7  # Share of aromatic rings.
SINGLE, DOUBLE, AROMATIC = 0, 1, 3  # Published codes of bonds.
NOTHING = -1

Assay = tuple[str, str, int]  # Two groups, and the bonds between them.
ASSAYS: tuple[Assay, ...] = (
  ('amine', 'carbonyl', 2),
  ('ether', 'branch', 2),
  ('halogen', 'stem', 2),
  ('sulfur', 'stem', 2),
  ('amine', 'halogen', 3),
  ('carbonyl', 'stem', 3),
  ('methyl', 'alkene', 3),
  ('pyridine', 'methyl', 3),
  ('saturated', 'saturated', 3),
  ('amine', 'ether', 4),
  ('carbonyl', 'saturated', 4),
  ('pyridine', 'amine', 4),
  ('amine', 'amine', 5),
  ('ether', 'halogen', 5),
  ('hydroxyl', 'stem', 5),
  ('pyridine', 'stem', 5),
)
# ASSAYS in either order of their groups.
_BOTH = {*ASSAYS, *((other, one, bonds) for one, other, bonds in ASSAYS)}
ALTERNATIVES = 6  # Assays among which a world draws one.
REACH = 5  # Largest number of bonds in ASSAYS.
TASKS = len(ASSAYS)
MISSING = np.linspace(0.15, 0.35, TASKS)  # Share of an assay's labels.
FLIPPED = 0.02  # Share of the training labels that are wrong.


class Rings(NamedTuple):
  """Rings of consecutive atoms: each [G, N]."""

  ring: np.ndarray  # Bool: the atom is in a ring.
  flat: np.ndarray  # Bool: the atom is in an aromatic ring.
  place: np.ndarray  # Position of the atom in its ring, from 0.
  closes: np.ndarray  # First atom, at the last atom; NOTHING elsewhere.


class Atoms(NamedTuple):
  """Atoms of G molecules with up to N atoms: each [G, N].

  Every atom but the first has a bond to an earlier atom, its parent.
  """

  there: np.ndarray  # Bool: the atom exists.
  element: np.ndarray
  hydrogens: np.ndarray  # Free valences.
  parent: np.ndarray
  bond: np.ndarray  # Code of the bond to the parent.


class Bonds(NamedTuple):
  """All bonds of G molecules in R rows, some of them empty: each [G, R]."""

  there: np.ndarray  # Bool: the bond exists.
  begin: np.ndarray  # Number of the first atom.
  end: np.ndarray  # Number of the second atom.
  code: np.ndarray

  def near(self) -> np.ndarray:
    """Return bool [G, N, N]: two atoms have a bond, or are the same atom."""
    near = np.repeat(np.eye(ATOMS, dtype=bool)[None], len(self.there), axis=0)
    graph, row = np.nonzero(self.there)
    begin, end = self.begin[graph, row], self.end[graph, row]
    near[graph, begin, end] = near[graph, end, begin] = True
    return near


class Molecules(NamedTuple):
  """G molecules with up to N atoms."""

  size: np.ndarray  # [G]: number of atoms.
  rings: Rings
  atoms: Atoms
  bonds: Bonds
  near: np.ndarray  # Bool [G, N, N]: Return value of `Bonds.near`.
  sp2: np.ndarray  # Bool [G, N]: the atom has a double or aromatic bond.


@generated.kept
def source(split: str, world: int = 0) -> Arrays:
  """Return padded graphs as in graphs.py, with 'targets' and 'labelled'."""
  rng = generated.stream(2, list(EXAMPLES).index(split), world=world)
  molecules = _molecules(rng, EXAMPLES[split])
  features = _features(rng, molecules)
  edges = _edges(rng, molecules.bonds, molecules.sp2)
  targets = _assays(_groups(molecules), molecules.near, _assays_of(world))
  if split == 'train':
    targets ^= rng.random(targets.shape) < FLIPPED
  labelled = rng.random(targets.shape) >= MISSING
  return Arrays(
    {
      'nodes': features,
      **edges,
      'n_node': molecules.size.astype(np.int32),
      'targets': (targets & labelled).astype(np.float32),
      'labelled': labelled.astype(np.float32),
    }
  )


def _molecules(rng: np.random.Generator, count: int) -> Molecules:
  size = rng.integers(*SIZES, count, endpoint=True)
  rings = _rings(rng, size)
  atoms = _atoms(rng, size, rings)
  bonds = _bonds(atoms, rings)
  sp2 = _unsaturated(atoms, bonds) | (rings.flat & atoms.there)
  return Molecules(size, rings, atoms, bonds, bonds.near(), sp2)


def _rings(rng: np.random.Generator, size: np.ndarray) -> Rings:
  """Draw rings at random atoms, if a ring fits within the size [G]."""
  count = len(size)
  ring = Rings(*(np.zeros((count, ATOMS), t) for t in (bool, bool, int, int)))
  ring.closes[:] = NOTHING
  length, place = np.zeros(count, int), np.zeros(count, int)
  flat = np.zeros(count, bool)
  for n in range(ATOMS):
    inside = (place > 0) & (place < length)
    draw = rng.choice([5, 6], count, p=[0.3, 0.7])
    begins = ~inside & (rng.random(count) < RING) & (n + draw <= size)
    place = np.where(inside, place, 0)
    length = np.where(begins, draw, length)
    flat = np.where(begins, rng.random(count) < FLAT, flat)
    ring.ring[:, n] = within = inside | begins
    ring.flat[:, n] = within & flat
    ring.place[:, n] = place
    last = within & (place == length - 1)
    ring.closes[last, n] = n - place[last]
    place += within
  return ring


def _atoms(rng: np.random.Generator, size: np.ndarray, rings: Rings) -> Atoms:
  """Bind every atom to an earlier atom with a free valence."""
  count = len(size)
  every = np.arange(count)
  there = np.arange(ATOMS) < size[:, None]
  element, free, parent, bond = (
    np.zeros((count, ATOMS), int) for _ in range(4)
  )
  for n in range(ATOMS):
    ring, flat, place = (r[:, n] for r in (rings.ring, rings.flat, rings.place))
    before = free[:, :n]
    kind = np.where(
      ring, _drawn(rng, IN_RING, count), _drawn(rng, IN_CHAIN, count)
    )
    # The first two atoms of a ring are carbon: chains can grow on the ring.
    kind = np.where(ring & (place < 2), CARBON, kind)
    bound = np.where(ring & (place > 0), n - 1, _parents(rng, before))
    double = ~ring & ~rings.ring[every, bound] & (free[every, bound] > 1)
    double &= rng.random(count) < DOUBLED[kind]
    # An atom that would leave no free valence becomes carbon.
    rest = before.sum(axis=1) + VALENCES[kind] - 2 * (1 + double)
    kind = np.where(~ring & (rest < 1), CARBON, kind)
    double &= rest >= 1
    # Valences for the two ring bonds (1.5 each if aromatic), then the parent.
    inner = ring * np.where(flat, np.minimum(3, VALENCES[kind]), 2)
    outer = (1 + double) * (place == 0) * (n > 0)
    element[:, n], parent[:, n] = kind, bound
    free[:, n] = VALENCES[kind] - inner - outer
    free[every, bound] -= outer * there[:, n]
    bond[:, n] = np.where(flat & (place > 0), AROMATIC, DOUBLE * double)
  return Atoms(there, element, free * there, parent, bond)


def _drawn(rng: np.random.Generator, shares, count: int) -> np.ndarray:
  return rng.choice(len(shares), count, p=shares)


def _parents(rng: np.random.Generator, free: np.ndarray) -> np.ndarray:
  """Draw the number [G] of an atom with a free valence, from `free` [G, n].

  Late atoms are more likely, which gives long molecules with few branches.
  """
  if not free.shape[1]:
    return np.zeros(len(free), int)
  late = np.linspace(0.5, 1.5, free.shape[1])
  return ((late + rng.random(free.shape)) * (free > 0)).argmax(axis=1)


def _bonds(atoms: Atoms, rings: Rings) -> Bonds:
  """Return the bonds to parents and those that close rings, without gaps."""
  numbers = np.broadcast_to(np.arange(ATOMS), atoms.there.shape)
  closing = rings.closes != NOTHING
  bonds = [
    np.concatenate(pair, axis=1)
    for pair in (
      (atoms.there & (numbers > 0), closing),
      (atoms.parent, rings.closes),
      (numbers, numbers),
      (atoms.bond, np.where(rings.flat, AROMATIC, SINGLE)),
    )
  ]
  order = np.argsort(~bonds[0], axis=1, kind='stable')[:, : EDGES // 2]
  return Bonds(*(np.take_along_axis(rows, order, axis=1) for rows in bonds))


def _unsaturated(atoms: Atoms, bonds: Bonds) -> np.ndarray:
  """Return bool [G, N]: the atom has a double bond."""
  found = np.zeros(atoms.there.shape, bool)
  graph, row = np.nonzero(bonds.there & (bonds.code == DOUBLE))
  found[graph, bonds.begin[graph, row]] = True
  found[graph, bonds.end[graph, row]] = True
  return found


def _features(rng, molecules: Molecules) -> np.ndarray:
  """Return 'nodes' [G, N, 9]: OGB's integer features, in OGB's order."""
  _, rings, atoms, _, near, sp2 = molecules
  noise = rng.random(atoms.there.shape)
  degree = near.sum(axis=2) - 1
  stereo = (atoms.element == CARBON) & ~sp2 & (degree > 2)
  charged = (atoms.element == NITROGEN) & (noise < 0.05)
  columns = (
    CODES[atoms.element],
    np.where(stereo & (noise < 0.4), 1 + (noise < 0.2), 0),  # Chirality.
    degree,
    5 + charged,
    atoms.hydrogens,
    np.zeros(atoms.there.shape),  # Radical electrons.
    2 - sp2,  # Hybridization: 1 for sp2, 2 for sp3.
    rings.flat,
    rings.ring,
  )
  features = np.stack(columns, axis=-1) * atoms.there[..., None]
  return features.astype(np.float32)


def _edges(rng, bonds: Bonds, sp2: np.ndarray) -> dict[str, np.ndarray]:
  """Return 'edges' [G, E, 3] and their ends: every bond in both directions."""
  begin, end = bonds.begin * bonds.there, bonds.end * bonds.there
  cis = rng.integers(0, 3, begin.shape) * (bonds.code == DOUBLE)
  every = np.arange(len(begin))[:, None]
  conjugated = sp2[every, begin] & sp2[every, end]
  features = np.stack([bonds.code, cis, conjugated], axis=-1)
  features *= bonds.there[..., None]

  def both(one, other):
    return np.stack([one, other], axis=2).reshape(len(one), -1)

  return {
    'edges': np.repeat(features, 2, axis=1).astype(np.float32),
    'senders': both(begin, end).astype(np.int32),
    'receivers': both(end, begin).astype(np.int32),
    'n_edge': (2 * bonds.there.sum(axis=1)).astype(np.int32),
  }


def _groups(molecules: Molecules) -> dict[str, np.ndarray]:
  """Return the atoms of every group: each bool [G, N]."""
  _, rings, atoms, _, near, sp2 = molecules
  element, degree = atoms.element, near.sum(axis=2) - 1
  chain = ~rings.ring
  carbon, oxygen = element == CARBON, element == OXYGEN
  groups = {
    'pyridine': rings.flat & (element == NITROGEN),
    'amine': ~sp2 & (element == NITROGEN),
    'carbonyl': oxygen & sp2 & chain,
    'hydroxyl': oxygen & (atoms.hydrogens == 1),
    'ether': oxygen & ~sp2 & (atoms.hydrogens == 0),
    'halogen': (element == FLUORINE) | (element == CHLORINE),
    'sulfur': element == SULFUR,
    'methyl': carbon & (degree == 1) & ~sp2,
    'branch': carbon & chain & ~sp2 & (degree > 2),
    'alkene': carbon & chain & sp2,
    'stem': carbon & rings.flat & (degree == 3),
    'saturated': carbon & rings.ring & ~rings.flat & (degree == 2),
  }
  return {name: where & atoms.there for name, where in groups.items()}


def _assays(
  groups: dict[str, np.ndarray], near: np.ndarray, assays: Sequence[Assay]
) -> np.ndarray:
  """Return the true results of all assays: bool [G, assays]."""
  step = near.astype(np.float32)
  within = [np.eye(ATOMS, dtype=bool) & near, near]  # [G, N, N] each.
  for _ in range(REACH - 1):
    within.append(within[-1].astype(np.float32) @ step > 0)

  def found(one, other, bonds):
    apart = within[bonds] & ~within[bonds - 1]
    pairs = groups[one][:, :, None] & groups[other][:, None]
    return (apart & pairs).any(axis=(1, 2))

  return np.stack([found(*assay) for assay in assays], axis=1)


@functools.cache
def _assays_of(world: int) -> tuple[Assay, ...]:
  """Return the assays of a world.

  Each one stands for one of ASSAYS: it has the same distance, and about as many
  molecules are positive.
  """
  if not world:
    return ASSAYS
  rng = generated.stream(3, world=world)
  molecules = _molecules(rng, EXAMPLES['train'])
  groups, near = _groups(molecules), molecules.near
  pairs = [*itertools.combinations_with_replacement(groups, 2)]
  known = [(*pair, bonds) for bonds in range(2, REACH + 1) for pair in pairs]
  shares = _assays(groups, near, [*ASSAYS, *known]).mean(axis=0)
  logs = np.log(shares + 1 / len(near))
  wanted, offered = logs[: len(ASSAYS)], logs[len(ASSAYS) :]
  found: list[Assay] = []
  for assay, level in zip(ASSAYS, wanted, strict=True):
    rest = [
      (abs(offered[n] - level), other)
      for n, other in enumerate(known)
      if other[2] == assay[2] and other not in found and other not in _BOTH
    ]
    close = sorted(rest)[:ALTERNATIVES]
    found.append(close[rng.integers(len(close))][1])
  return tuple(found)
