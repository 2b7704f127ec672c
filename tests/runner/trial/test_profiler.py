"""Traces of some steps, on request."""

import jax.numpy as jnp
import pytest

from runner.trial.clock import Clock
from runner.trial.profiler import Profile
from scoring import verify
from scoring.load import results
from tests.support import races


def traced(folder):
  return [p for p in folder.glob('plugins/profile/*/*.xplane.pb')]


def profile(folder, wanted, steps):
  clock = Clock()
  made = Profile(folder, wanted, clock)
  with clock.account('train'):
    for step in steps:
      (jnp.ones(8) * step).block_until_ready()
      made(step)
    made.stop(steps[-1])
  return made, clock


def test_so_many_steps_behind_those_that_compile(tmp_path):
  made, clock = profile(tmp_path, 4, [2, 4, 6, 8, 10, 12])
  assert made.steps == 4
  [trace] = traced(tmp_path)
  assert trace.stat().st_size > 100
  assert clock.accounts()['record'] > 0.0


def test_a_trial_that_is_over_before_has_what_there_was(tmp_path):
  made, _ = profile(tmp_path, 100, [1, 2, 3, 4, 5])
  assert made.steps == 3 and traced(tmp_path)


@pytest.mark.parametrize('wanted, steps', [(0, [1, 2, 3]), (5, [1])])
def test_nothing_is_traced_unless_asked_and_steady(tmp_path, wanted, steps):
  made, _ = profile(tmp_path, wanted, steps)
  assert made.steps == 0 and not traced(tmp_path)


def test_a_traced_trial_is_not_to_be_ranked(tmp_path):
  out = tmp_path / 'out'
  done = races.run(
    tmp_path,
    'run',
    suite=races.suite(tmp_path),
    submissions=races.mine(tmp_path, 'mine', steps=40),
    out=out,
    profile=8,
  )
  assert done.returncode == 0, done.stderr
  assert traced(races.folder(out, 'mine'))
  doubts = [one.text for one in verify.verify(results.read(out)) if one.doubt]
  assert [text for text in doubts if text.startswith('8 steps')]
