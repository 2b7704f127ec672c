"""What a trial writes down beside its training, and finds again."""

import errno
import os
import types

import jax.numpy as jnp
import pytest

from runner.protocol import layout, storage
from runner.trial.clock import Clock
from runner.trial.loop import Ending, Result
from runner.trial.monitor import Scalar
from runner.trial.recorder import Recorder
from runner.trial.state_tree import Flattener
from workloads.workload import Model

MODEL = Model({'w': jnp.ones(3)})


def record(journal, step):
  """An evaluation after so many steps, and a scalar of the step before."""
  journal.record(
    Result(step, float(step), {'validation/loss': 1 / step}),
    Flattener()({'w': jnp.full(3, step), 'momentum': jnp.zeros(3)}),
    types.SimpleNamespace(steps=step, examples=10 * step),
    [Scalar(step - 1, step - 0.5, {'loss': 2.0})],
    MODEL,
  )


def steps(folder, name=layout.EVALS):
  return [int(row['global_step']) for row in storage.read_rows(folder / name)]


def test_a_resumed_trial_finds_its_state_and_its_evaluations(tmp_path):
  first = Recorder(tmp_path, Clock())
  for step in (10, 20, 30):
    record(first, step)
  first.settle()
  assert steps(tmp_path) == [10, 20, 30]
  second = Recorder(tmp_path, Clock())
  found = second.restore()
  assert found.facts['examples'] == 300
  assert found.arrays["['w']"].tolist() == [30, 30, 30]
  assert second.results() == [
    Result(n, float(n), {'validation/loss': 1 / n}) for n in (10, 20, 30)
  ]
  record(second, 40)
  second.end(Ending('ended', ''))
  assert steps(tmp_path) == [10, 20, 30, 40]
  assert steps(tmp_path, layout.SCALARS) == [9, 19, 29, 39]


def test_what_came_after_a_damaged_checkpoint_is_put_aside(tmp_path):
  """Its rows once stayed, and hid those that the resumed trial wrote."""
  first = Recorder(tmp_path, Clock())
  for step in (10, 20, 30):
    record(first, step)
  first.settle()
  newest = tmp_path / 'checkpoint' / '30.checkpoint'
  newest.write_bytes(newest.read_bytes()[:-1])
  second = Recorder(tmp_path, Clock())
  assert second.restore().facts['steps'] == 20
  assert steps(tmp_path) == [10, 20]
  assert steps(tmp_path, 'eval_measurements_before_1.csv') == [10, 20, 30]
  assert not newest.exists()
  record(second, 25)
  second.end(Ending('ended', ''))
  assert steps(tmp_path) == [10, 20, 25]
  events = list(storage.read_lines(tmp_path / layout.ATTEMPTS))
  assert [e['file'] for e in events if e['event'] == 'damaged'] == [newest.name]
  assert events[-1]['files'] == layout.row_hashes(tmp_path)


def test_a_disk_that_fills_up_meanwhile_is_told_at_the_next_record(
  tmp_path, monkeypatch
):
  journal = Recorder(tmp_path, Clock())
  record(journal, 10)
  journal.settle()

  def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  monkeypatch.setattr(os, 'fsync', full)
  record(journal, 20)  # Training goes on while a thread tries to write.
  with pytest.raises(storage.StorageError, match='No space left'):
    record(journal, 30)
  monkeypatch.undo()
  assert steps(tmp_path) == [10]
  assert Recorder(tmp_path, Clock()).restore().facts['steps'] == 10


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_a_submission_meets_first_is_not_its_fault(
  tmp_path, number
):
  journal = Recorder(tmp_path, Clock())
  assert journal.failure(OSError(number, 'x')).outcome == 'preempted'
  assert journal.failure(FileNotFoundError('x')).outcome == 'crashed'
  assert journal.failure(MemoryError('x')).outcome == 'oom'
