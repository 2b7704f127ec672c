"""Score forecasts of trials on boards that did not fit them.

    python -m tests.benchmarks.foresight [BOARD ...]

Every trial is forecast when 20, 40, 60 and 80 % of its steps are made, if it
has an evaluation and has not reached its target: the best value and the step
to the target. Finished trials are all others on the workload, but those of its
submission and its twins (FAMILIES). A board is a folder of the repository's
leaderboards, one of AlgoPerf's published boards in ../shared/data, or a
results folder given as an argument.

Weights of the mixture are fitted to the other workloads of all boards, or to
the other submissions, or to our boards alone; then they are scored on what is
left out. The last table has the weights that fit everything:
`WEIGHTS` of scoring/forecast/mixture.py.
"""

import contextlib
import dataclasses
import pathlib
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import optimize

from runner.protocol import boards
from scoring.forecast import curve as curves, mixture, schedule, scores
from scoring.forecast.baselines import last_value, pow3
from scoring.forecast.curve import Case, Curve
from scoring.forecast.paths import Outlook, outlook
from scoring.load import results as read
from scoring.load.results import Results
from scoring.load.trial import BEATEN, Trial

ROOT = pathlib.Path(__file__).parents[2]
PUBLIC = ROOT.parent / 'shared/data/official_boards'
OURS = ('self', 'external')
PUBLISHED = {
  'v05_self': ('algoperf_v05', 'self'),
  'v06_external': ('algoperf_v06', 'external'),
}
POINTS = (0.2, 0.4, 0.6, 0.8)
LEVELS = (0.5, 0.8, 0.9)
BASELINES = {'last value': last_value, 'pow3': pow3}
# Submissions of one family have nearly the same curves: they share what they
# step by, or the names differ in the bits of the state only.
FAMILIES = {'baseline': 'nadamw', 'adam': 'adamw', 'ema': 'nadamw'}
SINGLE = [f'{name}' for name in mixture.FORECASTERS]


class Scored(NamedTuple):
  """One trial at one point, and what was forecast of it."""

  board: str
  workload: str
  family: str
  point: float
  situation: str
  best: float  # Outcome, in distances, cut at the target.
  share: float  # Outcome, share of the steps; 1: a miss.
  hit: bool
  outlooks: dict
  toward: np.ndarray  # E|X - y| of every member, [2, M].
  between: np.ndarray  # E|X - X'| of all pairs of members, [2, M, M].
  has: np.ndarray  # Members with a forecast, [M].


def family(submission: str) -> str:
  """Return what a submission and its twins are called."""
  name = submission.removesuffix('_8bit')
  return FAMILIES.get(name, name)


@contextlib.contextmanager
def opened(board: str) -> Iterator[Results]:
  """Yield the results of a board."""
  if board in OURS:
    with boards.opened(ROOT / 'docs/leaderboard' / board) as folder:
      yield read.read(folder)
  elif board in PUBLISHED:
    suite, ruleset = PUBLISHED[board]
    with tempfile.TemporaryDirectory() as place:
      with tarfile.open(PUBLIC / f'{board}.tar.xz') as packed:
        packed.extractall(place, filter='data')
      yield read.read(pathlib.Path(place), suite, ruleset)
  else:
    yield read.read(pathlib.Path(board))


def cases(results: Results) -> Iterator[tuple[Trial, float, Case, float, float]]:
  """Yield every trial at every point, with its best distance and hit share."""
  planned = results.plan is not None
  ended = [
    one
    for one in results.trials
    if not one.open and one.state != BEATEN and one.evals
  ]
  for name, spec in results.rules.workloads.items():
    trials = [one for one in ended if one.key.workload == name]
    if not trials:
      continue
    start = float(np.nanmedian([one.evals.values[0] for one in trials]))
    by = curves.scale(spec, start)
    lasts = [curves.steps_within(one, spec, planned) for one in trials]
    logs = [schedule.recorded(one.folder) for one in trials]
    whole = [
      finished(one, by, last, *log)
      for one, last, log in zip(trials, lasts, logs, strict=True)
    ]
    for one, last, log, end in zip(trials, lasts, logs, whole, strict=True):
      others = tuple(
        curve
        for other, curve in zip(trials, whole, strict=True)
        if family(other.key.submission) != family(one.key.submission)
      )
      for point in POINTS:
        made = so_far(one, spec, by, planned, point * last, log)
        if made is None or made.reached or one.evals.steps[-1] < point * last:
          continue
        case = curves.case(made, others, min(1, point * last / made.last))
        best, share = max(0.0, end.best), 1.0
        if end.reached:
          at = int((end.distances <= 0).argmax())
          share = min(1.0, end.shares[at] * end.last / made.last)
        yield one, point, case, best, share


def finished(one: Trial, by, last: float, steps, rates) -> Curve:
  """Return a finished trial's curve, to its target."""
  made = curves.curve(one.evals.steps, one.evals.values, last, by)
  made = dataclasses.replace(
    made, rates=schedule.foreseen(steps, rates, made.last)
  )
  if made.reached:
    at = int((made.distances <= 0).argmax())
    return made.until(made.shares[at])
  return made


def so_far(
  one: Trial, spec, by, planned: bool, step: float, log
) -> Curve | None:
  """Return a trial's curve up to a step; None without an evaluation."""
  count = int((one.evals.steps <= step).sum())
  if not count:
    return None
  part = one._replace(
    evals=type(one.evals)(*(column[:count] for column in one.evals))
  )
  last = curves.steps_within(part, spec, planned)
  made = curves.curve(part.evals.steps, part.evals.values, last, by)
  steps, rates = log
  past = steps <= step
  known = schedule.foreseen(steps[past], rates[past], made.last)
  return dataclasses.replace(made, rates=known) if made.shares.size else None


def score(board: str, trial: Trial, point, case: Case, best, share) -> Scored:
  """Return what scores need of one trial at one point."""
  found = mixture.members(case)
  count = len(mixture.MEMBERS)
  has = np.array([member in found for member in mixture.MEMBERS])
  toward, between = np.zeros((2, count)), np.zeros((2, count, count))
  for n, outcome in enumerate((best, share)):
    samples = [
      np.sort(cut(found[m])[n]) if m in found else None
      for m in mixture.MEMBERS
    ]
    for i, x in enumerate(samples):
      if x is None:
        continue
      toward[n, i] = np.abs(x - outcome).mean()
      for j, y in enumerate(samples[: i + 1]):
        if y is not None:
          between[n, i, j] = between[n, j, i] = apart(x, y)
  outlooks = dict(found)
  for name, baseline in BASELINES.items():
    outlooks[name] = outlook(case, baseline(case))
  return Scored(
    board, trial.key.workload, family(trial.key.submission), point,
    mixture.situation(case), best, share, trial.at is not None,
    {name: slim(one) for name, one in outlooks.items()}, toward, between, has,
  )  # fmt: skip


def slim(one: Outlook) -> Outlook:
  best, share = cut(one)
  return Outlook(
    best.astype(np.float32), share.astype(np.float32), one.weights, one.last
  )


def cut(one: Outlook) -> tuple[np.ndarray, np.ndarray]:
  """Return samples of both outcomes, cut where outcomes are cut."""
  return np.maximum(one.best, 0), np.minimum(one.share, 1)


def apart(x: np.ndarray, y: np.ndarray) -> float:
  """Return E|X - Y| of two sets of samples."""
  both = np.concatenate([x, y])
  order = np.argsort(both, kind='stable')
  gaps = np.diff(both[order])
  first = np.cumsum(order < len(x))[:-1] / len(x)
  second = np.cumsum(order >= len(x))[:-1] / len(y)
  return float(((first * (1 - second) + second * (1 - first)) * gaps).sum())


def fit(scored: list[Scored]) -> dict[str, np.ndarray]:
  """Return the members' weights with the least CRPS, by situation.

  The CRPS of a mixture is quadratic in the weights, so this is a program with
  one minimum.
  """
  found = {}
  for situation in sorted({one.situation for one in scored}):
    some = [one for one in scored if one.situation == situation]
    has = some[0].has.copy()
    for one in some:
      has |= one.has
    some = [one for one in some if (one.has == has).all()]
    toward = np.mean([one.toward.sum(axis=0) for one in some], axis=0)[has]
    between = np.mean([one.between.sum(axis=0) for one in some], axis=0)
    between = between[np.ix_(has, has)]
    size = len(toward)
    best = optimize.minimize(
      lambda w: w @ toward - 0.5 * w @ between @ w,
      np.full(size, 1 / size),
      jac=lambda w: toward - between @ w,
      bounds=[(0, 1)] * size,
      constraints={
        'type': 'eq', 'fun': lambda w: w.sum() - 1,
        'jac': lambda w: np.ones_like(w),
      },
      method='SLSQP',
      options={'ftol': 1e-9},
    )  # fmt: skip
    weights = np.zeros(len(has))
    weights[has] = best.x
    found[situation] = weights
  return found


def collect(board: str) -> list[Scored]:
  with opened(board) as results:
    return [score(board, *one) for one in cases(results)]


if __name__ == '__main__':
  import pickle
  for board in sys.argv[1:]:
    began = time.time()
    found = collect(board)
    print(board, len(found), time.time() - began, flush=True)
    pickle.dump(found, open(f'/tmp/fs/{board.replace("/", "_")}.pkl', 'wb'))
