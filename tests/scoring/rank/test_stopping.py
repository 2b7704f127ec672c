"""Trials without a chance are stopped in a replay, and false stops counted."""

import dataclasses
import math

import numpy as np
import pytest

from runner.protocol import layout
from scoring.load.evals import Evals, first_hit
from scoring.rank import replay, stopping
from scoring.rank.stopping import Policy, Stops
from tests.support import made_boards

STEPS = np.arange(5.0, 101.0, 5.0)
NAMES = 'abcdefgh'
LADDER = (0.0, 0.5)


def race(tmp_path, values, ladder=(0.0,), rates=True):
  """Return results with these losses by submission; the target is 0.5."""
  suite = made_boards.rules('w', ladder=ladder)
  results = made_boards.results(
    suite, {(name, 'w', 0, 1): math.inf for name in values}
  )
  every = np.arange(1, 101)
  trials = []
  for trial in results.trials:
    folder = tmp_path / trial.key.submission
    folder.mkdir()
    if rates:
      decay = (1 + np.cos(np.pi * every / 100)) / 2
      rows = [f'{n},{rate}' for n, rate in zip(every, decay, strict=True)]
      (folder / layout.SCALARS).write_text(
        '\n'.join(['global_step,learning_rate', *rows])
      )
    evals = Evals(
      STEPS, 10 * STEPS, np.array(values[trial.key.submission]), 0 * STEPS
    )
    hits = tuple(first_hit(evals, rung) for rung in suite.rungs('w'))
    made = trial._replace(
      folder=folder, evals=evals, hits=hits, seconds=1000.0, budget=1000.0
    )
    trials.append(replay.stopped_at_target(made))
  return dataclasses.replace(results, trials=trials)


def falling(end, start=0.9):
  return start + (end - start) * (STEPS - 5) / 95


def test_a_trial_that_repeats_misses_is_stopped(tmp_path):
  values = {name: falling(0.85) for name in NAMES[:-1]}
  values[NAMES[-1]] = falling(0.86)
  results = race(tmp_path, values)
  kept, stops = stopping.stop(results, results.trials)
  assert stops.stopped > 0
  assert stops.false == 0
  last = kept[-1]
  assert 500 <= last.seconds < 1000  # Not before half of the steps.
  assert last.hits == (None,)
  saved = sum(trial.seconds for trial in results.trials) - sum(
    trial.seconds for trial in kept
  )
  assert stops.saved == pytest.approx(saved)


def test_an_unknown_schedule_is_never_stopped(tmp_path):
  results = race(tmp_path, {name: falling(0.85) for name in NAMES}, rates=False)
  kept, stops = stopping.stop(results, results.trials)
  assert kept == results.trials
  assert stops == Stops(0, 0, 0, 0.0)
  assert stops.rate == (0.0, 1.0)
  _, dared = stopping.stop(results, results.trials, Policy(unknown=True))
  assert dared.stopped > 0


def test_a_trial_on_its_way_is_not_stopped(tmp_path):
  results = race(tmp_path, {name: falling(0.48) for name in NAMES})
  kept, stops = stopping.stop(results, results.trials)
  assert stops.stopped == 0
  assert kept == results.trials


def test_a_false_stop_is_counted(tmp_path):
  """Nothing announces a drop that no other trial had."""
  sudden = np.where(STEPS < 95, falling(0.85), 0.4)
  values = {name: falling(0.85) for name in NAMES[:-1]}
  values[NAMES[-1]] = sudden
  results = race(tmp_path, values)
  assert results.trials[-1].at is not None
  kept, stops = stopping.stop(results, results.trials)
  assert kept[-1].at is None
  assert stops.false == 1
  low, high = stops.rate
  assert 0 < low < 1 / stops.known < high


def test_an_easier_target_of_the_ladder_keeps_a_trial(tmp_path):
  """No hope for 0.5, but 0.7 is half of the way, and near."""
  values = {name: falling(0.68) for name in NAMES}
  (tmp_path / 'one').mkdir()
  (tmp_path / 'two').mkdir()
  alone = race(tmp_path / 'one', values)
  ladder = race(tmp_path / 'two', values, LADDER)
  _, stops = stopping.stop(alone, alone.trials)
  assert stops.stopped > 0
  kept, stops = stopping.stop(ladder, ladder.trials)
  assert stops.false == 0
  assert [one.hits for one in kept] == [one.hits for one in ladder.trials]


@pytest.mark.parametrize(
  ('false', 'known', 'low', 'high'),
  [
    (0, 29, 0.0, 1 - 0.05 ** (1 / 29)),  # In closed form.
    (29, 29, 0.05 ** (1 / 29), 1.0),
    (1, 10, 0.00512, 0.39416),  # 1.0 - 0.95 ** 0.1; R: binom.test.
  ],
)
def test_the_interval_is_that_of_clopper_and_pearson(false, known, low, high):
  found = Stops(known, known, false, 0.0).rate
  assert found == pytest.approx((low, high), abs=1e-5)


def test_a_replay_has_the_policy_beside_exact_pruning(tmp_path):
  results = race(tmp_path, {name: falling(0.85) for name in NAMES})
  exact = replay.replay(results)
  safe = replay.replay(results, policy='safe')
  assert exact.stops is None
  assert safe.stops.stopped > 0
  last = safe.cheaper[-1]
  assert last.what == 'safe stopping'
  assert last.amount < exact.cheaper[-1].amount
  assert (last.moved, last.largest) == (0, 0.0)
  assert replay.table(safe)['stops']['stopped'] == safe.stops.stopped
