"""Everything that the report tells beside the scores."""

from typing import NamedTuple

from scoring import details, readings, sensitivity, uncertainty
from scoring.board import Board
from scoring.details import Details
from scoring.read import Results
from scoring.readings import Difference, Speedup
from scoring.sensitivity import Sensitivity
from scoring.tree import Problem, relative
from scoring.trials import Key
from scoring.uncertainty import Spread


class Analysis(NamedTuple):
  """Of one board."""

  spread: Spread | None  # None where there is nothing to resample.
  without: dict[str, dict[str, float]]  # Scores without one workload each.
  differences: list[Difference]  # From the documented rules.
  measures: dict[str, dict[str, float]]  # Scores by measure of effort.
  reference: str  # Whom speedups compare with.
  speedups: list[Speedup]
  details: dict[Key, Details]
  problems: list[Problem]  # With those of the details.
  sensitivity: list[Sensitivity]


def make(
  results: Results,
  board: Board,
  unit: str = 'studies',
  draws: int = uncertainty.DRAWS,
  seed: int = uncertainty.SEED,
  against: str | None = None,
) -> Analysis:
  """Of a scored board.

  Args:
    results: What it was made from.
    board: Scored.
    unit: What is resampled, of uncertainty.UNITS.
    draws: How often.
    seed: Of the draws.
    against: The submission that speedups compare with.
  """
  spread = uncertainty.bootstrap(board, unit, draws, seed)
  reference = readings.reference(board, against)
  known = {
    trial.key: details.read(trial, results.entries.get(trial.key))
    for trial in results.trials
  }
  return Analysis(
    spread,
    uncertainty.without(board),
    readings.differences(results, board),
    readings.measures(results, board),
    reference,
    readings.speedups(results, board, reference),
    known,
    _problems(results, known),
    sensitivity.measure(results, known),
  )


def _problems(results: Results, known: dict[Key, Details]) -> list[Problem]:
  found = [
    Problem(relative(results.folder, trial.folder), reason)
    for trial in results.trials
    for reason in known[trial.key].damage
  ]
  return sorted(results.problems + found)
