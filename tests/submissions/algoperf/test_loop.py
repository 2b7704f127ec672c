"""Submissions written for AlgoPerf train as loops of ours."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from runner.trial import devices
from runner.trial.loop import Result
from submissions.algoperf import import_shims, loop as loops, missing
from submissions.submission import Task
from tests.support.tiny import tiny
from tests.support.written import (
  IDLE,
  MARKS,
  REST,
  TWIN,
  V05,
  V06,
  started,
  write,
)

pytestmark = MARKS


@pytest.mark.parametrize(('path', 'exact'), [(V06, True), (V05, False)])
def test_it_trains_as_its_native_twin_does(path, exact):
  """To the bit, but where v0.5 divides after the gradient and not before."""
  submission, loop, _ = started(path)
  twin, expected, _ = started(TWIN)
  for _ in range(8):
    found, wanted = next(loop), next(expected)
  logged = submission.scalars(found)
  assert '' in logged and 'loss' not in logged  # Seldom logged.
  model, native = submission.model(found), twin.model(wanted)
  for a, b in zip(jax.tree.leaves(model), jax.tree.leaves(native), strict=True):
    if exact:
      np.testing.assert_array_equal(a, b)
    else:
      np.testing.assert_allclose(a, b, atol=2e-6)


def test_keys_are_committed_to_no_device():
  """The harness puts its key on all devices; jax.pmap refuses such a key."""
  submission, _, start = started(V05)
  start = start._replace(key=devices.replicate(start.key))
  assert start.key.committed
  assert not next(submission.train(start)).key.committed


def test_hyperparameters_are_read_by_name(tmp_path):
  text = REST + (
    'def update_params(hyperparameters, optimizer_state, model_state,\n'
    '                  current_param_container, **rest):\n'
    '  global SEEN\n'
    '  SEEN = hyperparameters\n'
    '  return optimizer_state, current_param_container, model_state\n'
  )
  folder = write(tmp_path / 'one', text, [{'a': 1, 'b': 'x'}])
  _, loop, _ = started(folder)
  next(loop)
  point = sys.modules[f'{import_shims.OWN}.submission'].SEEN
  assert (point.a, point.b, point.get('a'), point.get('c', 3)) == (1, 'x', 1, 3)
  assert point._asdict() == {'a': 1, 'b': 'x'}


def test_train_state_comes_where_it_is_asked_for(tmp_path):
  text = REST + (
    'SEEN = []\n'
    'def update_params(workload, current_param_container,\n'
    '  current_params_types, model_state, hyperparameters, batch, loss_type,\n'
    '  optimizer_state, eval_results, global_step, rng, train_state):\n'
    '  SEEN.append((dict(train_state), list(eval_results), global_step, rng))\n'
    '  return optimizer_state, current_param_container, model_state\n'
  )
  _, loop, start = started(write(tmp_path / 'one', text))
  next(loop)

  result = Result(1, 2.0, {'validation/loss': 0.4, 'test/loss': 0.7})
  start.evals.append(result)
  next(loop)
  (first, none, zero, key), (second, results, one, other) = sys.modules[
    f'{import_shims.OWN}.submission'
  ].SEEN
  assert set(first) == {
    'validation_goal_reached',
    'test_goal_reached',
    'is_time_remaining',
    'last_eval_time',
    'training_complete',
    'accumulated_submission_time',
    'accumulated_eval_time',
    'accumulated_logging_time',
    'last_step_end_time',
  }
  assert not first['validation_goal_reached'] and first['is_time_remaining']
  assert second['validation_goal_reached'] and not second['test_goal_reached']
  assert second['accumulated_eval_time'] == 1.0
  assert second['accumulated_logging_time'] == 5.0
  told = result.metrics | {'accumulated_submission_time': 2.0}
  assert (none, results) == ([], [(1, told)])
  assert (zero, one) == (0, 1)
  assert key.shape == (2,) and key.dtype == jnp.uint32
  assert not np.array_equal(key, other)


def test_a_submission_may_call_its_training_complete():
  submission, loop, start = started(V06)
  next(loop)

  start.evals.append(Result(1, 0.0, {'validation/loss': 0.1}))
  last = next(loop)
  assert last.step == 2
  assert list(loop) == []
  assert submission.model(last).params


def test_prepare_for_eval_replaces_what_is_trained(tmp_path):
  text = IDLE + (
    'import jax\n'
    'def prepare_for_eval(workload, current_param_container,\n'
    '  current_params_types, model_state, hyperparameters, loss_type,\n'
    '  optimizer_state, eval_results, global_step, rng):\n'
    '  twice = jax.tree.map(lambda x: 2 * x, current_param_container)\n'
    '  return {"looks": 1}, twice, model_state\n'
  )
  submission, loop, start = started(write(tmp_path / 'one', text))
  state = next(loop)
  shown = submission.model(state)
  again = next(loop)
  for a, b, c in zip(
    *map(jax.tree.leaves, (shown.params, again.params, start.model.params)),
    strict=True,
  ):
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a, 2 * np.asarray(c))
  assert again.optimizer_state == {'looks': 1}


def test_initial_parameters_may_be_donated():
  """The harness keeps the model that it started from."""
  _, loop, start = started(V06)
  next(loop)
  jax.block_until_ready(start.model)
  assert not any(x.is_deleted() for x in jax.tree.leaves(start.model))


def test_batch_sizes_are_the_submissions_own_for_published_workloads():
  class Module:
    @staticmethod
    def get_batch_size(name):
      if name not in ('criteo1tb', 'wmt_glu'):
        raise ValueError(name)
      return {'criteo1tb': 1024, 'wmt_glu': 64}[name]

  task = Task(tiny('digits'), 40, 8, 100)
  assert loops._batch_size(Module, task, 'criteo1tb') == 1024
  assert loops._batch_size(Module, task, 'criteo1tb/layernorm') == 1024
  assert loops._batch_size(Module, task, 'wmt/glu') == 64
  assert loops._batch_size(Module, task, 'criteo1tb/mini') == 8
  assert loops._batch_size(Module, task, 'digits') == 8


def test_imports_by_where_a_folder_once_lay(tmp_path):
  text = (
    'from submissions.of_a_team.external.one.inner import VALUE\n'
    'import reference_algorithms.one.inner as other\n' + IDLE
  )
  folder = write(tmp_path / 'one', text)
  (folder / 'inner.py').write_text('VALUE = 3\n')
  module, _ = import_shims.load(folder)
  assert module.VALUE == 3 and module.other.VALUE == 3
  assert not missing.find(folder)


def test_states_that_no_checkpoint_can_hold_are_named(tmp_path):
  submission, loop, _ = started(V06)
  state = next(loop)
  assert submission.lost(state) == ''
  text = IDLE.replace('return {}', 'return (object(), len, "a text")')
  submission, loop, _ = started(write(tmp_path / 'one', text))
  assert submission.lost(next(loop)) == 'optimizer_state[0] is a object'


def test_functions_in_a_state_are_those_of_the_loop_that_goes_on():
  submission, loop, start = started(V06)
  for _ in range(2):
    state = next(loop)
  leaves, structure = jax.tree.flatten(state)
  assert all(isinstance(x, jax.Array | int) for x in leaves)
  copies = [jnp.copy(x) if isinstance(x, jax.Array) else x for x in leaves]
  again = submission.train(
    start._replace(state=jax.tree.unflatten(structure, copies))
  )
  assert callable(next(again).optimizer_state[1])
  assert optax.tree.norm(submission.model(state).params) > 0


def test_a_state_that_is_shown_again_has_its_key_and_its_evaluations(tmp_path):
  """A SIGTERM during an evaluation leads to the same."""
  text = IDLE + (
    'def prepare_for_eval(current_param_container, model_state, rng,\n'
    '                     optimizer_state, eval_results, **rest):\n'
    '  seen = {"rng": rng, "told": len(eval_results)}\n'
    '  return seen, current_param_container, model_state\n'
  )
  submission, loop, start = started(write(tmp_path / 'one', text))
  state = next(loop)
  key = state.key
  leaves, tree = jax.tree.flatten(state)
  start.evals.append(Result(1, 2.0, {'validation/loss': 0.4}))
  again = start._replace(state=jax.tree.unflatten(tree, leaves))
  submission.train(again)  # Not begun: the evaluation comes first.
  submission.model(again.state)
  assert again.state.optimizer_state['told'] == 1
  np.testing.assert_array_equal(again.state.optimizer_state['rng'], key)
