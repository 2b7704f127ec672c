"""Generated click logs, the data of `criteo1tb/mini`.

A seeded world of artificial users and advertisements, drawn in numpy within a
second, has the batch arrays of the Criteo logs and their difficulties. The
values of 26 categorical fields follow power laws: most values are rare, and a
model that memorizes them in its first epoch overfits in the second. The fields
are correlated through the user. A click depends on single values, on pairs of
values (a factorization machine: Rendle 2010, "Factorization Machines") and
nonlinearly on 13 counts.

All splits come from one world, each with its own random stream.
"""

import functools
from typing import NamedTuple

import numpy as np

from workloads import generated
from workloads.batches import Arrays

# Square roots of the numbers of values in Criteo's 26 columns, of which the
# largest has 40 million.
CARDINALITIES = (
  *(6315, 198, 131, 86, 142, 2, 84, 39, 8, 6207, 1719, 635, 3),
  *(47, 109, 12, 2, 31, 4, 6323, 5064, 6298, 765, 114, 10, 6),
)
VOCAB = sum(CARDINALITIES)  # 34,354: no two fields share a value.
FIELDS = len(CARDINALITIES)
COUNTS = 13
EXAMPLES = {'train': 294_912, 'validation': 24_576, 'test': 24_576}

USER_FACTORS = 6  # Hidden numbers of a user, which affect all features.
PAIR_FACTORS = 4  # Rank of the interaction between values.
HIDDEN = 8  # Hidden units of the network on the counts.
POWER = 1.05  # A value of rank r has a frequency of about r**-POWER.
CORRELATION = 0.5  # Share of a field's variance that the user explains.
BIAS = -1.6  # About one example in four is a click.
CHUNK = 2_048  # Examples drawn together; more would not fit the CPU cache.


class World(NamedTuple):
  """Arrays that all examples share. F = 26 fields, C = 13 counts."""

  field_mix: np.ndarray  # [F, USER_FACTORS], rows of unit length.
  count_mix: np.ndarray  # [C, USER_FACTORS], rows of unit length.
  count_level: np.ndarray  # [C]: mean logarithm of a count.
  value: np.ndarray  # [VOCAB]: effect of a single value on the log odds.
  pair: np.ndarray  # [VOCAB, PAIR_FACTORS]: effect of pairs of values.
  hidden: np.ndarray  # [C, HIDDEN]
  output: np.ndarray  # [HIDDEN]


@generated.kept
def source(split: str) -> Arrays:
  """Draw 'inputs' [N, 39] (13 dense, 26 ids) and 'targets' [N], float32."""
  world = _world(np.random.default_rng(0))
  rng = np.random.default_rng([1, list(EXAMPLES).index(split)])
  size = EXAMPLES[split]
  inputs = np.empty((size, COUNTS + FIELDS), np.float32)
  targets = np.empty(size, np.float32)
  for start in range(0, size, CHUNK):
    part = slice(start, min(start + CHUNK, size))
    inputs[part], targets[part] = _draw(rng, world, part.stop - start)
  return Arrays({'inputs': inputs, 'targets': targets})


def _world(rng: np.random.Generator) -> World:
  normal = functools.partial(rng.standard_normal, dtype=np.float32)
  return World(
    field_mix=_unit_rows(normal((FIELDS, USER_FACTORS))),
    count_mix=_unit_rows(normal((COUNTS, USER_FACTORS))),
    count_level=2 * normal(COUNTS),
    value=0.45 * normal(VOCAB),
    pair=0.25 * normal((VOCAB, PAIR_FACTORS)),
    hidden=normal((COUNTS, HIDDEN)) / 4,
    output=0.5 * normal(HIDDEN),
  )


def _draw(
  rng: np.random.Generator, world: World, size: int
) -> tuple[np.ndarray, np.ndarray]:
  """Draw inputs [size, 39] and clicks [size]."""
  # Trials that find the data in files do without.
  from scipy import special  # noqa: PLC0415

  normal = functools.partial(rng.standard_normal, dtype=np.float32)
  user = normal((size, USER_FACTORS))
  tastes = np.sqrt(CORRELATION) * (user @ world.field_mix.T)
  tastes += np.sqrt(1 - CORRELATION) * normal((size, FIELDS))
  ids = _values(special.ndtr(tastes))  # [size, F]
  logs = user @ world.count_mix.T + normal((size, COUNTS)) + world.count_level
  dense = np.log1p(np.floor(np.exp(logs)))  # [size, C]
  score = _score(world, dense, ids)
  clicks = rng.random(size, np.float32) < special.expit(score)
  return np.concatenate([dense, ids], axis=1), clicks


def _values(quantiles: np.ndarray) -> np.ndarray:
  """Return the ids [N, F] at quantiles [N, F] of each field's power law.

  Inverts the distribution function of the density r**-POWER on
  [1, cardinality + 1), and rounds down.
  """
  sizes = np.array(CARDINALITIES)
  offsets = np.cumsum(sizes) - sizes
  tail = (sizes + 1.0).astype(np.float32) ** (1 - POWER) - 1
  ranks = (1 + quantiles * tail) ** (1 / (1 - POWER))
  return np.clip(ranks.astype(np.int32), 1, sizes) - 1 + offsets


def _score(world: World, dense: np.ndarray, ids: np.ndarray) -> np.ndarray:
  """Return the log odds [N] of a click."""
  pair = world.pair[ids]  # [N, F, PAIR_FACTORS]
  total = np.einsum('nfk->nk', pair)  # Several times faster than pair.sum(1).
  squares = np.einsum('nfk,nfk->n', pair, pair)
  pairs = (np.einsum('nk,nk->n', total, total) - squares) / 2
  counts = np.tanh(dense @ world.hidden) @ world.output
  return BIAS + world.value[ids].sum(axis=1) + pairs + counts


def _unit_rows(matrix: np.ndarray) -> np.ndarray:
  return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
