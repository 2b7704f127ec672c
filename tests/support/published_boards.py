"""Scores of published boards, and the algorithms they share with others."""

import itertools
import pathlib
import tomllib
from typing import Any, NamedTuple

import numpy as np

from tests.support import correlations

PATH = pathlib.Path(__file__).parents[1] / 'benchmarks/published_scores.toml'


class Published(NamedTuple):
  """A published board, with what it says about algorithms."""

  name: str
  entries: list[dict[str, Any]]

  def known(self, measure: str) -> dict[str, list[float]]:
    """Return each algorithm's scores, best first, by steps or by seconds.

    Args:
      measure: 'steps' gives scores by steps, where they are known. All others
        give scores by seconds.
    """
    by_steps = measure == 'steps' and all('steps' in e for e in self.entries)
    found: dict[str, list[float]] = {}
    for entry in self.entries:
      if name := entry.get('algorithm'):
        value = entry['steps' if by_steps else 'seconds']
        found.setdefault(name, []).append(value)
    return {name: sorted(values)[::-1] for name, values in found.items()}


class Twins(NamedTuple):
  """Algorithms that a board of mini and a published one share."""

  algorithms: list[str]
  ours: list[list[str]]  # Submissions by algorithm, the one that counts first.
  published: list[list[float]]  # Published scores by algorithm, best first.

  @property
  def first(self) -> tuple[list[str], np.ndarray]:
    """Our submission and the best published score of each algorithm."""
    best = np.array([values[0] for values in self.published])
    return [names[0] for names in self.ours], best


def swapped(scores: list[list[float]]) -> np.ndarray:
  """Return rho of two choices of entries that differ where they can.

  Args:
    scores: Scores of every algorithm's entries. Those with one entry are the
      same in both choices, so rho is rather too high.
  """
  pairs = [
    list(itertools.permutations(values, 2)) if len(values) > 1 else [(v, v)]
    for values in scores
    for v in values[:1]
  ]
  if all(len(pair) == 1 for pair in pairs):
    return np.array([])
  return np.array(
    [
      correlations.spearman(*np.array(chosen).T)
      for chosen in itertools.product(*pairs)
    ]
  )


def read() -> dict[str, Any]:
  """Return the facts of PATH: noise, twins and boards."""
  facts = tomllib.loads(PATH.read_text())
  boards = [Published(one['name'], one['entries']) for one in facts['boards']]
  return facts | {'boards': boards}
