"""Trials that a forecast has stopped, and how often such forecasts are wrong.

One in ten of these trials ran to its end all the same. A stopped trial is a
miss of the target that the forecast was about, and of all harder ones. A board
with an easier target leaves it open.
"""

from collections.abc import Sequence
from typing import NamedTuple

from runner.protocol import layout
from runner.protocol.suites.suite import Suite
from scoring.load.trial import HOPELESS, UNCLEAR, Trial

COVERAGE = 0.9  # Of the interval of the rate of false stops.


class Stops(NamedTuple):
  """Trials that a policy stops, and what became of them as they were run."""

  stopped: int  # Trials that were stopped.
  known: int  # Of these, the trials that were run to an outcome.
  false: int  # Of these, the trials that reached a target later.
  saved: float  # Charged seconds, or steps.

  @property
  def rate(self) -> tuple[float, float]:
    """Interval of the rate of false stops (Clopper and Pearson 1934)."""
    from scipy import stats  # noqa: PLC0415  Slow to import.

    if not self.known:
      return 0.0, 1.0
    tail = (1 - COVERAGE) / 2
    missed = self.known - self.false
    low = stats.beta.ppf(tail, self.false, missed + 1) if self.false else 0.0
    high = stats.beta.ppf(1 - tail, self.false + 1, missed) if missed else 1.0
    return float(low), float(high)


def audited(trials: Sequence[Trial]) -> Stops:
  """Return what forecasts stopped in a race, and what audits of them found."""
  said = [trial for trial in trials if trial.hopeless is not None]
  known = [
    trial
    for trial in said
    if trial.hopeless
    and trial.hopeless.audited
    and not trial.open
    and trial.state in layout.SCORED
  ]
  return Stops(
    stopped=sum(trial.state == HOPELESS for trial in said),
    known=len(known),
    false=sum(map(reached_later, known)),
    saved=0.0,  # Nobody knows how long they would have run.
  )


def reached_later(trial: Trial) -> bool:
  """Test whether a trial reached a target after it was called hopeless."""
  assert trial.hopeless is not None
  steps = [trial.evals.steps[at] for at in trial.hits if at is not None]
  return any(step > trial.hopeless.step for step in steps)


def checked(rules: Suite, found: list[Trial]) -> tuple[list[Trial], list[str]]:
  """Open stopped trials that nothing was forecast about; return remarks."""
  kept = [
    _opened(trial) if _unknown(rules, trial) else trial for trial in found
  ]
  return kept, remarks(kept)


def remarks(trials: Sequence[Trial]) -> list[str]:
  """Return what forecasts have stopped, and how often that was wrong."""
  stops = audited(trials)
  if not stops.stopped and not stops.known:
    return []
  low, high = stops.rate
  return [
    f'{stops.stopped} trials were stopped by a forecast that they would not '
    'reach their target (outcome `hopeless`), and count as misses. Of '
    f'{stops.known} such trials that ran to their ends, drawn before the race, '
    f'{stops.false} reached a target later: {COVERAGE:.0%} interval of the '
    f'rate of false stops {low:.1%} to {high:.1%}.'
  ]


def _unknown(rules: Suite, trial: Trial) -> bool:
  """Test whether a stopped trial may reach a target of this board."""
  if trial.state != HOPELESS or trial.open:
    return False
  if trial.hopeless is None:
    return True
  rungs = rules.rungs(trial.key.workload)
  left = [
    rung
    for rung, at in zip(rungs, trial.hits, strict=True)
    if at is None and rung.target is not None
  ]
  # A target that its own target meets is easier, or the same.
  return any(
    rung.target != trial.hopeless.target and rung.reached(trial.hopeless.target)
    for rung in left
  )


def _opened(trial: Trial) -> Trial:
  reason = (
    'It was stopped by a forecast, which says nothing about a target of this '
    'board. To run it again, remove its folder.'
  )
  return trial.opened(UNCLEAR, reason)
