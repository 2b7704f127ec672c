"""Generated click logs, the data of `criteo1tb/mini`.

A seeded world of artificial users and advertisements, drawn in numpy within a
second, has the batch arrays of the Criteo logs and their difficulties. The
values of 26 categorical fields follow power laws: most values are rare, and a
model that memorizes them in its first epoch overfits in the second. The fields
are correlated through the user. A click depends on single values, on pairs of
values (a factorization machine: Rendle 2010, "Factorization Machines") and
nonlinearly on 13 counts.

All splits come from one world, each with its own random stream. Other worlds
(workloads/worlds.py) have as many clicks, and log odds of the same spread.
"""

import functools
from typing import Any, NamedTuple

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
# Share of clicks, and standard deviation of the log odds, in world 0.
CLICKS, SPREAD = 0.293, 3.08
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
  bias: float = BIAS


@generated.kept
def source(split: str, world: int = 0) -> Arrays:
  """Draw 'inputs' [N, 39] (13 dense, 26 ids) and 'targets' [N], float32."""
  truth = _world(generated.stream(0, world=world))
  if world:
    truth = _alike(truth, generated.stream(2, world=world))
  rng = generated.stream(1, list(EXAMPLES).index(split), world=world)
  size = EXAMPLES[split]
  inputs = np.empty((size, COUNTS + FIELDS), np.float32)
  targets = np.empty(size, np.float32)
  for start in range(0, size, CHUNK):
    part = slice(start, min(start + CHUNK, size))
    inputs[part], targets[part] = _draw(rng, truth, part.stop - start)
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


def _alike(world: World, rng: np.random.Generator) -> World:
  """Return a world with CLICKS and SPREAD: as hard as world 0.

  The frequent values of small fields would else decide how rare clicks are.

  Args:
    world: The world.
    rng: Stream of the examples on which both are measured.
  """
  from scipy import optimize, special  # noqa: PLC0415

  logs = _score(world, *_features(rng, world, 8 * CHUNK)).astype(float)
  share = SPREAD / logs.std()
  logs = share * (logs - world.bias)
  bias: Any = optimize.brentq(
    lambda bias: special.expit(bias + logs).mean() - CLICKS, -50, 50
  )
  return world._replace(
    value=np.float32(share) * world.value,
    pair=np.float32(share**0.5) * world.pair,
    output=np.float32(share) * world.output,
    bias=float(bias),
  )


def _draw(
  rng: np.random.Generator, world: World, size: int
) -> tuple[np.ndarray, np.ndarray]:
  """Draw inputs [size, 39] and clicks [size]."""
  # Trials that find the data in files do without.
  from scipy import special  # noqa: PLC0415

  dense, ids = _features(rng, world, size)
  score = _score(world, dense, ids)
  clicks = rng.random(size, np.float32) < special.expit(score)
  return np.concatenate([dense, ids], axis=1), clicks


def _features(
  rng: np.random.Generator, world: World, size: int
) -> tuple[np.ndarray, np.ndarray]:
  """Draw the logarithms of counts [size, C], and ids [size, F]."""
  from scipy import special  # noqa: PLC0415

  normal = functools.partial(rng.standard_normal, dtype=np.float32)
  user = normal((size, USER_FACTORS))
  tastes = np.sqrt(CORRELATION) * (user @ world.field_mix.T)
  tastes += np.sqrt(1 - CORRELATION) * normal((size, FIELDS))
  ids = _values(special.ndtr(tastes))  # [size, F]
  logs = user @ world.count_mix.T + normal((size, COUNTS)) + world.count_level
  return np.log1p(np.floor(np.exp(logs))), ids


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
  return world.bias + world.value[ids].sum(axis=1) + pairs + counts


def _unit_rows(matrix: np.ndarray) -> np.ndarray:
  return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
