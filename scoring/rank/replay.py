"""Compute from logs what a cheaper race would have cost and changed.

Ways to save: a share of the budget, fewer studies, and exact pruning, which
stops a trial as soon as its outcome cannot change a score; the policy `safe`
also stops trials that will hardly reach their target. Nothing runs again. Logs
are cut off where the cheaper race would have stopped, and scored by the same
code.
"""

import dataclasses
import itertools
import math
import random
from typing import Any, NamedTuple

import numpy as np

from runner.protocol.layout import SCORED
from scoring.load.hopeless import COVERAGE, Stops
from scoring.load.limits import REASONS
from scoring.load.results import Results
from scoring.load.trial import Trial
from scoring.rank import board as boards, score
from scoring.rank.pruning import prune
from scoring.rank.stopping import stop

POLICIES = ('exact', 'safe')

CHOICES = 100  # Most choices of fewer studies that are scored.
SEED = 0  # Seed of the choices, where they are drawn.
SHARES = (0.25, 0.5, 0.75, 0.9, 1.0)  # Shares of the budget.


class Cheaper(NamedTuple):
  """One cheaper race, compared with the race that was run."""

  what: str
  amount: float  # Of all trials, in the unit of the replay.
  scores: dict[str, float]
  moved: int  # Largest number of submissions with another rank.
  largest: float  # Largest change of any score.
  same: float  # Share of the choices of studies that keep the ranking.


class Replay(NamedTuple):
  """One race and its cheaper versions."""

  unit: str  # Of all amounts: 'hours', charged ones, or 'steps'.
  amount: float  # Of all trials as run.
  scores: dict[str, float]
  cheaper: list[Cheaper]
  pruned: dict[str, float]  # Amounts that pruning saves, by reason.
  stops: Stops | None = None  # What the policy `safe` stops; None: not tried.


def replay(
  results: Results, integral: str = 'exact', policy: str = 'exact'
) -> Replay:
  """Try every way to save on these results.

  Args:
    results: The results of a race.
    integral: How the area under the profiles is computed.
    policy: One of POLICIES; 'safe' also stops trials without a chance.
  """
  scores = _scores(results, integral)
  stopped = [stopped_at_target(trial) for trial in results.trials]
  cheaper = [
    compare('stop at the target', [stopped], results, scores, integral)
  ]
  if results.budgets:
    cheaper += [
      compare(
        f'{share:.0%} of the budget',
        [[_within(t, share, results) for t in stopped]],
        results,
        scores,
        integral,
      )
      for share in SHARES
    ]
  studies = sorted({trial.key.study for trial in results.trials})
  for count in range(1, len(studies)):
    if choices := _fewer(stopped, studies, count):
      what = f'{count} of {len(studies)} studies'
      cheaper.append(compare(what, choices, results, scores, integral))
  kept, saved = prune(results, stopped)
  cheaper.append(compare('exact pruning', [kept], results, scores, integral))
  stops = None
  if policy == 'safe':
    # Exact pruning decides on what is left.
    hopeful, stops = stop(results, stopped)
    kept, _ = prune(results, hopeful)
    cheaper.append(compare('safe stopping', [kept], results, scores, integral))
  return Replay(
    unit='steps' if results.effort == 'steps' else 'hours',
    amount=_amount(results.trials, results),
    scores=scores,
    cheaper=cheaper,
    pruned={k: x / _unit_size(results) for k, x in saved.items()},
    stops=stops and stops._replace(saved=stops.saved / _unit_size(results)),
  )


def _fewer(
  trials: list[Trial], studies: list[int], count: int
) -> list[list[Trial]]:
  """Return trials for each choice of `count` studies that covers every cell.

  Submissions may have different numbers of studies. Of more than CHOICES
  choices, as many are drawn.
  """
  cells = {trial.key[:2] for trial in trials}
  if math.comb(len(studies), count) <= CHOICES:
    picks = list(itertools.combinations(studies, count))
  else:
    rng = random.Random(SEED)
    drawn = (rng.sample(studies, count) for _ in range(CHOICES))
    picks = sorted({tuple(sorted(pick)) for pick in drawn})
  choices = [
    [trial for trial in trials if trial.key.study in kept] for kept in picks
  ]
  return [some for some in choices if {t.key[:2] for t in some} == cells]


def table(found: Replay) -> dict[str, Any]:
  """Return the replay as a table for JSON."""
  stops = found.stops

  def named(table: dict[str, Any], amount: str = 'amount') -> dict[str, Any]:
    return {found.unit if k == amount else k: x for k, x in table.items()}

  return named(found._asdict()) | {
    'cheaper': [named(one._asdict()) for one in found.cheaper],
    'stops': stops and named(stops._asdict(), 'saved') | {'rate': stops.rate},
  }


def show(found: Replay, console) -> None:
  """Print what every way to save costs and changes."""
  import rich.table  # noqa: PLC0415  Needed by this command only.

  lines = rich.table.Table(box=None, pad_edge=False, header_style='dim')
  lines.add_column('race')
  for head in (
    found.unit, 'saved', 'ranks moved', 'score moved', 'same ranking'
  ):  # fmt: skip
    lines.add_column(head, justify='right')
  lines.add_row('as run', _shown(found.amount, found.unit), '', '', '', '')
  for one in found.cheaper:
    saved = 1 - one.amount / found.amount if found.amount else 0.0
    lines.add_row(
      one.what,
      _shown(one.amount, found.unit),
      f'{saved:.1%}',
      str(one.moved),
      f'{one.largest:.4f}',
      f'{one.same:.0%}',
    )
  console.print(lines)
  for reason, amount in found.pruned.items():
    said = f'{_shown(amount, found.unit)} {found.unit}'
    console.print(f'Pruned as {REASONS[reason]}: {said}.')
  if found.stops:
    console.print(_told(found.stops, found.unit))
  console.print(
    f'For fewer studies, {found.unit} are the mean, and rank and score moves '
    'the largest, over all choices of studies that cover every cell, or '
    f'{CHOICES} drawn ones.'
  )


def _shown(amount: float, unit: str) -> str:
  return f'{amount:.1f}' if unit == 'hours' else f'{amount:,.0f}'


def _told(stops: Stops, unit: str) -> str:
  """Return what a policy stopped, and how often that was wrong."""
  low, high = stops.rate
  return (
    f'Stopped without a chance: {stops.stopped} trials, '
    f'{_shown(stops.saved, unit)} {unit}. {stops.false} of the {stops.known} '
    f'with a known outcome reached a target later ({COVERAGE:.0%} interval of '
    f'the rate: {low:.1%} to {high:.1%}). No trial is stopped whose schedule '
    'is not recorded.'
  )


def _scores(results: Results, integral: str) -> dict[str, float]:
  scored = boards.make(results, integral)
  return {s.submission: s.score for s in scored.standings}


def compare(
  what: str,
  choices: list[list[Trial]],
  results: Results,
  scores: dict[str, float],
  integral: str = 'exact',
) -> Cheaper:
  """Compare a cheaper race with the race that was run.

  Args:
    what: Name of the cheaper race.
    choices: The trials that are left, for every choice of studies.
    results: The race that was run.
    scores: Its scores.
    integral: How the area under the profiles is computed.
  """
  found = [
    _scores(dataclasses.replace(results, trials=trials), integral)
    for trials in choices
  ]
  names = list(scores)
  before = _order(scores, names)
  moves = [(_order(other, names) != before).sum() for other in found]
  return Cheaper(
    what=what,
    amount=float(np.mean([_amount(trials, results) for trials in choices])),
    scores={
      name: float(np.mean([other[name] for other in found])) for name in names
    },
    moved=int(max(moves)),
    largest=max(abs(other[n] - scores[n]) for other in found for n in names),
    same=float(np.mean([move == 0 for move in moves])),
  )


def _order(scores: dict[str, float], names: list[str]) -> np.ndarray:
  values = np.array([scores[name] for name in names])
  return score.ranks(values, np.full(len(names), True))


def _amount(trials: list[Trial], results: Results) -> float:
  return sum(trial.seconds for trial in trials) / _unit_size(results)


def _unit_size(results: Results) -> float:
  """Return how many seconds or steps the unit of a replay has."""
  return 1.0 if results.effort == 'steps' else 3600.0


def stopped_at_target(trial: Trial) -> Trial:
  """Cut a trial off at its hit; AlgoPerf's trials ran on to a test target."""
  return trial if trial.at is None else trial.until(trial.hit)


def _within(trial: Trial, share: float, results: Results) -> Trial:
  budget = share * results.budgets.get(trial.key.workload, math.inf)
  return trial.until(budget) if trial.state in SCORED else trial
