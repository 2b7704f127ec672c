"""Metrics become distances to the target, and back."""

import dataclasses
import math

import numpy as np
import pytest

from runner.protocol.suites.workload_spec import WorkloadSpec
from scoring.forecast import curve as curves
from scoring.forecast.curve import FARTHEST, Scale
from scoring.load.evals import Evals
from tests.support import made_boards

SPEC = WorkloadSpec(
  workload='digits', metric='error_rate', better='lower', target=0.1,
  steps=100, batch_size=1, eval_batch_size=1, train_examples=1,
)  # fmt: skip


@pytest.mark.parametrize(
  'by',
  [
    Scale('lower', 0.1, 0.9, 0.0),
    Scale('higher', 0.8, 0.1, 1.0),
    Scale('higher', 30.0, 0.0, 100.0),
    Scale('lower', 0.0, 5.0, -math.inf),
    Scale('higher', 3.0, -5.0),
    Scale('higher', 1.0, 0.1, 1.0),
  ],
)
def test_the_target_is_0_and_the_start_1(by):
  values = np.array([by.start, by.target, (by.start + by.target) / 2])
  found = by.distance(values)
  assert found[:2] == pytest.approx([1, 0], abs=1e-12)
  assert 0 < found[2] < 1
  assert by.value(found) == pytest.approx(values, abs=1e-9)


def test_distances_are_those_of_the_logarithm_of_the_error():
  by = Scale('lower', 0.01, 1.0, 0.0)
  assert by.distance([0.1, 0.001]) == pytest.approx([0.5, -0.5])


def test_a_perfect_value_and_a_diverged_one_have_a_distance():
  by = Scale('lower', 0.1, 0.9, 0.0)
  perfect, diverged, nothing = by.distance([0.0, 1e300, math.nan])
  assert -5 < perfect < 0
  assert diverged == FARTHEST
  assert math.isnan(nothing)


def test_a_start_beyond_the_target_leaves_no_way():
  by = Scale('lower', 0.5, 0.4, 0.0)
  assert np.isfinite(by.distance([0.3, 0.5, 0.7])).all()


def test_a_workload_says_what_is_best():
  higher = dataclasses.replace(SPEC, metric='bleu', better='higher')
  assert curves.scale(SPEC, 0.9) == Scale('lower', 0.1, 0.9, 0.0)
  assert curves.scale(higher, 0.0).best == 100
  assert curves.scale(dataclasses.replace(SPEC, start=0.7), 0.9).start == 0.7


def test_evaluations_without_a_number_are_left_out():
  by = Scale('lower', 0.1, 0.9, 0.0)
  found = curves.curve([1, 50, 70], [0.9, math.nan, 0.1], 100, by)
  assert found.shares.tolist() == [0.01, 0.7]
  assert found.reached
  assert not found.until(0.5).reached


def test_seconds_become_steps_at_the_speed_so_far():
  """20 steps took 10 s of 12, 2 of which compiled."""
  evals = Evals(*np.array([[10, 20], [7, 12], [0.5, 0.4], [2, 2]], float))
  key = made_boards.results(
    made_boards.rules('digits'), {('a', 'digits', 0, 1): 1.0}
  ).trials[0]
  trial = key._replace(evals=evals, budget=30.0)
  assert curves.steps_within(trial, SPEC, planned=False) == 60
  longer = trial._replace(budget=1000.0)
  assert curves.steps_within(longer, SPEC, planned=True) == SPEC.steps
  assert curves.steps_within(longer, SPEC, planned=False) == 2000


def test_evaluations_ahead_go_to_the_end():
  by = Scale('lower', 0.1, 0.9, 0.0)
  seen = curves.curve([10, 20, 30], [0.9, 0.8, 0.7], 100, by)
  assert curves.case(seen).ahead == pytest.approx(np.arange(4, 11) / 10)
  done = curves.curve([10, 100], [0.9, 0.8], 100, by)
  assert not curves.case(done).ahead.size
