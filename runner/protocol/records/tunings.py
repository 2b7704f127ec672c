"""The record of a tuning: what was drawn, what it cost, and what is best."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from runner.protocol import storage

NAME = 'tuning.json'  # In the submission's folder of a tuning.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
  """A point that was raced.

  Attributes:
    number: Number of its trials, from 1.
    point: Hyperparameters.
    cost: Mean cost, by which points are compared.
    reached: Number of its trials that have reached the exact target.
    costs: Costs by workload, one for each seed.
  """

  number: int
  point: Mapping[str, Any]
  cost: float
  reached: int
  costs: Mapping[str, list[float]]

  @property
  def trials(self) -> int:
    """Number of its trials."""
    return sum(map(len, self.costs.values()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuning:
  """The tuning of one submission.

  Attributes:
    submission: Name of the submission.
    suite: Name of the suite.
    first: SELF before; None without one.
    trials: Number of trials.
    budgets: Steps of all trials, in step budgets of their workloads.
    hours: Charged hours of all trials.
    points: All points, best first.
  """

  submission: str
  suite: str
  first: Mapping[str, Any] | None
  trials: int
  budgets: float
  hours: float
  points: tuple[Point, ...]

  @property
  def kept(self) -> bool:
    """True if no draw was better than SELF before."""
    return self.points[0].point == self.first


def write(folder: pathlib.Path, tuning: Tuning) -> None:
  """Write a tuning into the submission's folder."""
  storage.write_json(folder / NAME, dataclasses.asdict(tuning))


def read(folder: pathlib.Path) -> Tuning:
  """Return the tuning in a submission's folder.

  Raises:
    OSError: there is none.
    LookupError, TypeError, ValueError: the file is damaged.
  """
  table = storage.read_json(folder / NAME)
  points = tuple(Point(**one) for one in table['points'])
  return Tuning(**table | {'points': points})
