"""Compute everything that the report shows beside the scores."""

from typing import NamedTuple

from runner.protocol.plan import TrialKey
from scoring.load import details
from scoring.load.details import Details
from scoring.load.results import Results
from scoring.load.tree import FolderIssue, relative
from scoring.rank import alternatives, bootstrap, lr_sensitivity as sensitivity
from scoring.rank.alternatives import Difference, Speedup
from scoring.rank.board import Board
from scoring.rank.bootstrap import Spread
from scoring.rank.lr_sensitivity import Sensitivity


class Analysis(NamedTuple):
  """Facts about one board beside its scores."""

  spread: Spread | None  # Resampled scores, None if nothing to resample.
  without: dict[str, dict[str, float]]  # Scores without one workload each.
  differences: list[Difference]  # Scores that the documented rules change.
  measures: dict[str, dict[str, float]]  # Scores by measure of effort.
  reference: str  # Submission that speedups compare with.
  speedups: list[Speedup]
  details: dict[TrialKey, Details]
  problems: list[FolderIssue]  # Issues of the results and of the details.
  sensitivity: list[Sensitivity]


def make(
  results: Results,
  board: Board,
  unit: str = 'studies',
  draws: int = bootstrap.DRAWS,
  seed: int = bootstrap.SEED,
  against: str | None = None,
) -> Analysis:
  """Return the analysis of a scored board.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    unit: The unit to resample, one of bootstrap.UNITS.
    draws: Number of draws.
    seed: Seed of the draws.
    against: The submission that speedups compare with; None: the default of
      alternatives.reference.
  """
  spread = bootstrap.bootstrap(board, unit, draws, seed)
  reference = alternatives.reference(board, against)
  known = {
    trial.key: details.read(trial, results.planned.get(trial.key))
    for trial in results.trials
  }
  return Analysis(
    spread=spread,
    without=bootstrap.without(board),
    differences=alternatives.differences(results, board),
    measures=alternatives.measures(results, board),
    reference=reference,
    speedups=alternatives.speedups(results, board, reference),
    details=known,
    problems=_problems(results, known),
    sensitivity=sensitivity.measure(results, known),
  )


def _problems(
  results: Results, known: dict[TrialKey, Details]
) -> list[FolderIssue]:
  found = [
    FolderIssue(relative(results.folder, trial.folder), reason)
    for trial in results.trials
    for reason in known[trial.key].damage
  ]
  return sorted(results.problems + found)
