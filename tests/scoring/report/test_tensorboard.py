"""Event files, read by TensorBoard's own reader."""

import pytest
from tensorboard.backend.event_processing import event_accumulator

from scoring.load import plan, results
from scoring.report import tensorboard
from tests.support import made_results as made

STARTED = 1_795_462_488  # 2026-11-23T19:34:48Z, when made trials start.


def made_trial(folder):
  [trial] = made.write_plan(folder, [('x', 'criteo1tb/mini', 0, 1)])
  return made.write_trial(
    folder, trial, [(1.0, 0.7), (4.0, 0.6), (8.0, 0.4)], 'reached'
  )


def scalars(folder, name):
  found = event_accumulator.EventAccumulator(str(folder))
  found.Reload()
  return found.Scalars(name)


def test_evaluations_are_events_at_their_charged_seconds(tmp_path):
  trial = made_trial(tmp_path / 'results')
  out = tmp_path / 'events'
  assert tensorboard.write(results.read(tmp_path / 'results'), out) == 1
  found = scalars(
    out / trial.relative_to(tmp_path / 'results'), 'validation/loss'
  )
  assert [e.value for e in found] == pytest.approx([0.7, 0.6, 0.4])
  times = [e.wall_time for e in found]
  assert times == pytest.approx([STARTED + s for s in (1.0, 4.0, 8.0)])
  steps = [e.step for e in found]
  assert steps == sorted(set(steps))


def test_training_steps_are_events_as_well(tmp_path):
  trial = made_trial(tmp_path / 'results')
  (trial / 'measurements.csv').write_text(
    'global_step,accumulated_submission_time,loss,grad_norm\n'
    '2,0.5,1.25,3.0\n4,0.75,1.0,nan\nsoon,1.0,1.0,1.0\n6,1.0,0.5,'
  )
  out = tmp_path / 'events'
  tensorboard.write(results.read(tmp_path / 'results'), out)
  place = out / trial.relative_to(tmp_path / 'results')
  losses = scalars(place, 'loss')
  # A line that is not complete is still being written; 'soon' is no step.
  assert [(e.step, e.value) for e in losses] == [(2, 1.25), (4, 1.0)]
  assert [e.step for e in scalars(place, 'grad_norm')] == [2, 4]


def test_events_are_not_mixed_with_older_ones(tmp_path):
  made_trial(tmp_path / 'results')
  found = results.read(tmp_path / 'results')
  tensorboard.write(found, tmp_path / 'events')
  with pytest.raises(plan.ReadError, match='exists already'):
    tensorboard.write(found, tmp_path / 'events')
