"""Score forecasts of trials on boards that did not fit them.

    python -m tests.benchmarks.foresight [RESULTS ...]

Every trial is forecast when 20, 40, 60 and 80 % of its steps are made, if it
has an evaluation and has not reached its target: the best value by the end of
its budget, and the step to the target. The finished trials are all others on
the workload, but those of its submission and its twins (FAMILIES). Every third
forecast is made once more without finished trials. Boards are those of the
repository, AlgoPerf's published ones in ../shared/data, and results folders
given as arguments. It takes 15 minutes.

Weights of the mixture are fitted without the workload that they are scored on
(with all its variants, on all boards), then without the submission, then on
our boards alone. The last table has the weights that fit everything: `WEIGHTS`
of scoring/forecast/mixture.py.
"""

import contextlib
import dataclasses
import itertools
import pathlib
import platform
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import scipy
from scipy import optimize

from runner.protocol import boards
from runner.protocol.suites.workload_spec import WorkloadSpec
from scoring.forecast import curve as curves, mixture, schedule, scores
from scoring.forecast.curve import Case, Curve, Scale
from scoring.forecast.paths import Outlook, outlook, pool
from scoring.load import results as read
from scoring.load.results import Results
from scoring.load.trial import BEATEN, Trial
from scoring.rank import pruning, replay, stopping

ROOT = pathlib.Path(__file__).parents[2]
PUBLIC = ROOT.parent / 'shared/data/official_boards'
OURS = ('self', 'external')
PUBLISHED = {
  'v05_self': ('algoperf_v05', 'self'),
  'v06_external': ('algoperf_v06', 'external'),
}
POINTS = (0.2, 0.4, 0.6, 0.8)
LEVELS = (0.5, 0.8, 0.9)
ALONE = 3  # Every third forecast is made without finished trials, too.
BINS = (0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 1.01)  # Of the chance.
TAKEN: list[float] = []  # Milliseconds of each forecast of the mixture.
POLICIES = {
  'exact': stopping.Policy(chance=0),
  '`safe`': stopping.SAFE,
  'also if the schedule is unknown': stopping.Policy(unknown=True),
  'also from 25 % of the steps': stopping.Policy(unknown=True, earliest=0.25),
  'also below a chance of 5 %': stopping.Policy(
    unknown=True, earliest=0.25, chance=0.05
  ),
}
# Submissions of one family differ in the bits of their state, or in what they
# evaluate, and have nearly the same curves.
FAMILIES = {'baseline': 'nadamw', 'adam': 'adamw', 'ema': 'nadamw'}


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


def cases(
  results: Results,
) -> Iterator[tuple[Trial, float, Case, float, float]]:
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
      finished(one, by, last, log)
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


def finished(one: Trial, by: Scale, last: float, log: schedule.Rates) -> Curve:
  """Return a finished trial's curve, to its target."""
  made = curves.curve(one.evals.steps, one.evals.values, last, by)
  made = dataclasses.replace(made, rates=schedule.foreseen(log, made.last))
  if made.reached:
    at = int((made.distances <= 0).argmax())
    return made.until(made.shares[at])
  return made


def so_far(
  one: Trial,
  spec: WorkloadSpec,
  by: Scale,
  planned: bool,
  step: float,
  log: schedule.Rates,
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
  known = schedule.foreseen(log.until(step), made.last)
  return dataclasses.replace(made, rates=known) if made.shares.size else None


def score(
  board: str, trial: Trial, point: float, case: Case, best: float, share: float
) -> Scored:
  """Return what scores need of one trial at one point."""
  found = mixture.members(case)
  count = len(mixture.MEMBERS)
  has = np.array([member in found for member in mixture.MEMBERS])
  toward, between = np.zeros((2, count)), np.zeros((2, count, count))
  for n, outcome in enumerate((best, share)):
    samples = [
      np.sort(cut(found[m])[n]) if m in found else None for m in mixture.MEMBERS
    ]
    for i, x in enumerate(samples):
      if x is None:
        continue
      toward[n, i] = np.abs(x - outcome).mean()
      for j, y in enumerate(samples[: i + 1]):
        if y is not None:
          between[n, i, j] = between[n, j, i] = apart(x, y)
  outlooks = dict(found)
  for name, baseline in mixture.BASELINES.items():
    outlooks[name] = outlook(case, baseline(case))
  return Scored(
    board, trial.key.workload, family(trial.key.submission), point,
    mixture.situation(case), best, share, share < 1,
    {name: slim(one) for name, one in outlooks.items()}, toward, between, has,
  )  # fmt: skip


def slim(one: Outlook) -> Outlook:
  """Return a forecast in less memory, cut where outcomes are cut."""
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


def fit(scored: Iterable[Scored]) -> dict[str, np.ndarray]:
  """Return the members' weights with the least CRPS, by situation.

  The CRPS of a mixture is quadratic in the weights, so there is one minimum.
  All boards weigh the same.
  """
  groups: dict[str, list[Scored]] = {}
  for one in scored:
    groups.setdefault(one.situation, []).append(one)
  return {name: _fitted(some) for name, some in sorted(groups.items())}


def _fitted(some: list[Scored]) -> np.ndarray:
  has = np.any([one.has for one in some], axis=0)
  some = [one for one in some if (one.has == has).all()]
  names = sorted({one.board for one in some})
  toward, between = (
    np.mean(
      [
        np.mean([pick(one) for one in some if one.board == name], axis=0)
        for name in names
      ],
      axis=0,
    )
    for pick in (
      lambda one: one.toward.sum(axis=0)[has],
      lambda one: one.between.sum(axis=0)[np.ix_(has, has)],
    )
  )
  size = len(toward)
  found = optimize.minimize(
    lambda w: w @ toward - 0.5 * w @ between @ w,
    np.full(size, 1 / size),
    jac=lambda w: toward - between @ w,
    bounds=[(0, 1)] * size,
    constraints={
      'type': 'eq',
      'fun': lambda w: w.sum() - 1,
      'jac': np.ones_like,
    },
    method='SLSQP',
    options={'ftol': 1e-10, 'maxiter': 1000},
  )
  weights = np.zeros(len(has))
  weights[has] = np.where(found.x < 0.005, 0, found.x)
  return weights / weights.sum()


def mixed(one: Scored, weights: dict[str, np.ndarray]) -> Outlook:
  """Return the mixture of one trial's forecasts."""
  share = weights[one.situation] * one.has
  share /= share.sum()
  used = share.nonzero()[0]
  return pool([one.outlooks[mixture.MEMBERS[n]] for n in used], share[used])


def left_out(
  scored: list[Scored], group: Callable[[Scored], str]
) -> list[tuple[Scored, Outlook]]:
  """Return mixtures whose weights were fitted without the trial's group."""
  found = []
  for name in sorted({group(one) for one in scored}):
    weights = fit(one for one in scored if group(one) != name)
    found += [
      (one, mixed(one, weights)) for one in scored if group(one) == name
    ]
  return found


def row(name: str, found: list[tuple[Scored, Outlook]]) -> str:
  """Return a line of a table: the scores of one forecaster."""
  best = [scores.crps(o.best, o.weights, one.best) for one, o in found]
  share = [scores.crps(o.share, o.weights, one.share) for one, o in found]
  brier = [(reached(o) - one.hit) ** 2 for one, o in found]
  cover = [
    np.mean([covered(one, o, level) for one, o in found]) for level in LEVELS
  ]
  return ' | '.join(
    [f'| {name}', str(len(found)), f'{np.mean(best):.4f}']
    + [f'{np.mean(share):.4f}', f'{np.mean(brier):.3f}']
    + [f'{100 * one:.0f} %' for one in cover]
  ) + ' |'  # fmt: skip


def covered(one: Scored, found: Outlook, level: float) -> float:
  """Return how much of an outcome is in the central interval."""
  outcome = float(np.float32(one.best))
  return scores.covered(
    *scores.level(found.best, found.weights, outcome), level
  )


def reached(found: Outlook) -> float:
  """Return the chance to reach the target; samples are cut at 1."""
  return float(found.weights[found.share < 1].sum())


HEAD = (
  '| forecaster | forecasts | CRPS best | CRPS step | Brier | in 50 % | '
  'in 80 % | in 90 % |\n|---|---|---|---|---|---|---|---|'
)


def tables(scored: list[Scored]) -> None:
  """Print all tables."""
  ways = {
    'mixture, workload left out': left_out(
      scored, lambda one: one.workload.split('/')[0]
    ),
    'mixture, submission left out': left_out(scored, lambda one: one.family),
  }
  ours = fit(one for one in scored if one.board in OURS)
  ways['mixture, fitted to our boards'] = [
    (one, mixed(one, ours)) for one in scored if one.board in PUBLISHED
  ]
  for board in dict.fromkeys(one.board for one in scored):
    for alone in (False, True):
      some = [
        one
        for one in scored
        if one.board == board and ('alone' in one.situation) == alone
      ]
      _table(f'{board}{", without finished trials" * alone}', some, ways)
  beside = [
    (one, found)
    for one, found in ways.pop('mixture, workload left out')
    if 'alone' not in one.situation
  ]
  known = [one for one, _ in beside if ('annealing', 1.0) in one.outlooks]
  _table('Schedule known, all boards', known, {'mixture': beside})
  for point in POINTS:
    some = [one for one, _ in beside if one.point == point]
    _table(f'{point:.0%} of the steps, all boards', some, {'mixture': beside})
  _chances(beside)
  _weights(fit(scored))


def _table(
  title: str,
  some: list[Scored],
  ways: dict[str, list[tuple[Scored, Outlook]]],
) -> None:
  """Print the scores of forecasters on the same forecasts."""
  print(f'\n{title}\n\n{HEAD}')
  names = [*mixture.BASELINES, *((name, 1.0) for name in mixture.FORECASTERS)]
  for name in names:
    mine = [(one, one.outlooks[name]) for one in some if name in one.outlooks]
    if mine:
      print(row(name if isinstance(name, str) else name[0], mine))
  ids = {id(one) for one in some}
  for way, found in ways.items():
    mine = [pair for pair in found if id(pair[0]) in ids]
    if mine:
      print(row(way, mine))


def _chances(found: list[tuple[Scored, Outlook]]) -> None:
  """Print how often targets were reached, by the forecast chance."""
  print('\n| chance | forecasts | mean | reached |\n|---|---|---|---|')
  chances = np.array([reached(outlook) for _, outlook in found])
  hits = np.array([one.hit for one, _ in found])
  for low, high in itertools.pairwise(BINS):
    some = (chances >= low) & (chances < high)
    if some.any():
      print(
        f'| {low:.0%} to {min(high, 1):.0%} | {some.sum()} | '
        f'{chances[some].mean():.1%} | {hits[some].sum()} = '
        f'{hits[some].mean():.1%} |'
      )


def _weights(found: dict[str, np.ndarray]) -> None:
  print('\nWEIGHTS = {')
  for name, weights in found.items():
    print(f'  {name!r}: {{')
    for member, weight in zip(mixture.MEMBERS, weights, strict=True):
      if weight:
        print(f'    {member}: {weight:.2f},')
    print('  },')
  print('}')


def policies(board: str) -> None:
  """Print what policies of stopping save, and how often they are wrong."""
  with opened(board) as results:
    whole = replay.replay(results)
    seconds = sum(one.seconds for one in results.trials)
    ended = [replay.stopped_at_target(one) for one in results.trials]
    for name, policy in POLICIES.items():
      kept, stops = stopping.stop(results, ended, policy)
      kept, _ = pruning.prune(results, kept)
      made = replay.compare(name, [kept], results, whole.scores)
      low, high = stops.rate
      print(
        f'| {board} | {name} | {made.amount / whole.amount:.1%} | '
        f'{stops.stopped} | {stops.saved / seconds:.1%} | '
        f'{stops.false} of {stops.known} | {low:.1%} to {high:.1%} | '
        f'{made.moved} | {made.largest:.4f} |',
        flush=True,
      )


def collect(board: str) -> list[Scored]:
  """Return all forecasts of a board."""
  found = []
  with opened(board) as results:
    for n, (trial, point, case, best, share) in enumerate(cases(results)):
      found.append(score(board, trial, point, case, best, share))
      began = time.perf_counter()
      mixture.forecast(case)
      TAKEN.append(1000 * (time.perf_counter() - began))
      if n % ALONE == 0:
        alone = dataclasses.replace(case, finished=())
        found.append(score(board, trial, point, alone, best, share))
  return found


def main(extra: list[str]) -> None:
  """Print all tables."""
  print(
    f'Python {platform.python_version()}, numpy {np.__version__}, '
    f'scipy {scipy.__version__}, {platform.processor() or platform.machine()}'
  )
  names = (*OURS, *PUBLISHED, *extra)
  print(
    '\n| board | stopping | hours | stopped | hours saved | false stops | '
    '90 % interval | ranks moved | score moved |\n'
    '|---|---|---|---|---|---|---|---|---|'
  )
  for board in names:
    policies(board)
  scored = []
  for board in names:
    began = time.perf_counter()
    scored += collect(board)
    print(f'{board}: {time.perf_counter() - began:.0f} s', flush=True)
  print('Milliseconds of a forecast of the mixture, 10, 50, 90, 99 %:')
  print(np.percentile(TAKEN, [10, 50, 90, 99]).round(1))
  tables(scored)


if __name__ == '__main__':
  main(sys.argv[1:])
