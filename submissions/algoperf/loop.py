"""Drives a submission to AlgoPerf as a loop like any other.

One call of update_params is a step. Where the harness wants to look, the view
calls prepare_for_eval, and training goes on from what that returns: so wants
AlgoPerf. Everything from here on is charged, init_optimizer_state included,
which AlgoPerf gives for free.
"""

import inspect
import pathlib
import time
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import jax_utils

from submissions.algoperf import (
  folders,
  import_shims,
  published,
  workload_adapter,
)
from submissions.algoperf.goal import Goal
from submissions.algoperf.training import (
  Logger,
  Training,
  hyperparameters as training_point,
  lost,
)
from submissions.submission import Start, Submission, Task
from workloads.workload import Array, Model


class _Driver(NamedTuple):
  """A submission, and how it wants to be called."""

  module: types.ModuleType
  spec: Any  # The module that it knows by this name.
  workload: workload_adapter.Workload
  goal: Goal
  point: Any  # Its hyperparameters.
  size: int  # Of its batches.
  per_device: bool  # As in v0.5.
  takes_state: bool  # Whether update_params has an argument train_state.

  def first(self, start: Start, rng: Array) -> Training:
    """The state before any step, or that of a trial to go on with."""
    copied = jax.tree.map(jnp.copy, start.model)  # They donate what they get.
    params, state = self.workload.handed(copied)
    if self.per_device:
      params, state = jax_utils.replicate((params, state))
    optimizer_state = self.module.init_optimizer_state(
      self.workload, params, state, self.point, rng
    )
    training = Training(params, state, optimizer_state, 0)
    if start.state is not None:  # Made above: what it has beside data.
      training.adopt(start.state)
    return training

  def batch(self, training: Training, queue, rng: Array):
    return self.module.data_selection(
      self.workload,
      queue,
      training.optimizer_state,
      training.params,
      training.model_state,
      self.point,
      training.step,
      rng,
    )

  def step(self, training: Training, batch, start: Start, rng: Array) -> None:
    given = self._arguments(training, rng) | {'batch': batch}
    if self.takes_state:
      given['train_state'] = _train_state(self.workload, self.goal, start)
    training.put(*self.module.update_params(**given))

  def prepare(self, training: Training) -> None:
    if prepare := vars(self.module).get('prepare_for_eval'):
      training.put(*prepare(**self._arguments(training, training.key)))

  def _arguments(self, training: Training, rng: Array | None) -> dict[str, Any]:
    return {
      'workload': self.workload,
      'current_param_container': training.params,
      'current_params_types': self.workload.model_params_types,
      'model_state': training.model_state,
      'hyperparameters': self.point,
      'loss_type': self.workload.loss_type,
      'optimizer_state': training.optimizer_state,
      'eval_results': training.told,
      'global_step': training.step,
      'rng': rng,
    }


def build(
  path: pathlib.Path, task: Task, hyperparameters: dict, goal: Goal
) -> Submission:
  """The submission in a folder or file; runs the file."""
  driver = _driver(path, task, hyperparameters, goal)

  def train(start: Start) -> Iterator[Training]:
    if start.state is not None:  # It may be evaluated before it goes on.
      start.state.told = [_told(result) for result in start.evals]
    return trained(start)

  def trained(start: Start) -> Iterator[Training]:
    for_optimizer, for_steps = jax.random.split(jax.random.key_data(start.key))
    logger = Logger()
    driver.workload.attach_metrics_logger(logger)
    training = driver.first(start, for_optimizer)
    queue = _queue(start.batches(driver.size), driver)
    while True:
      training.told += map(_told, start.evals[len(training.told) :])
      select, update, training.key, _ = _keys(for_steps, training.step)
      batch = driver.batch(training, queue, select)
      try:
        driver.step(training, batch, start, update)
      except driver.spec.TrainingCompleteError:
        training.step += 1
        yield training
        return
      training.step += 1
      training.scalars = logger.take()
      yield training

  def model(training: Training) -> Model:
    driver.prepare(training)
    params, state = training.params, training.model_state
    if driver.per_device:
      one = jax_utils.unreplicate((params, state))
      params, state = import_shims.replicate(one)  # As evaluation wants it.
    return Model(params, () if state is None else state)

  return Submission(train, model, _scalars, lost)


def _driver(path, task: Task, hyperparameters: dict, goal) -> _Driver:
  module, spec = import_shims.load(path)
  generation = folders.generation(path)
  workload = workload_adapter.Workload(spec, task, goal, generation)
  if generation == 'v0.5':  # Whose harness read it before it made the model.
    workload.default_dropout(hyperparameters.get('dropout_rate'))
  workload.second_dropout(hyperparameters.get('aux_dropout_rate'))
  wanted = inspect.signature(module.update_params).parameters
  open_ended = [one for one in wanted.values() if one.kind is one.VAR_KEYWORD]
  return _Driver(
    module,
    spec,
    workload,
    goal,
    training_point(hyperparameters),
    _batch_size(module, task, goal.workload),
    generation == 'v0.5',
    'train_state' in wanted or bool(open_ended),
  )


def _batch_size(module, task: Task, name: str) -> int:
  """What the submission wants for the workload, or its family's published one.

  Its sizes are for published workloads: those of a mini, and of what AlgoPerf
  does not have, are the suite's.
  """
  family, _, variant = name.partition('/')
  known = [published.name(name)]
  if not variant.startswith('mini'):
    known.append(family)
  for one in known:
    try:
      return int(module.get_batch_size(one))
    except ValueError:
      continue
  return task.batch_size


def _told(result) -> tuple[int, dict[str, float]]:
  """An evaluation: the step and, with the metrics, when it was."""
  times = {'accumulated_submission_time': result.seconds}
  return result.step, dict(result.metrics) | times


def _queue(batches: Iterator, driver: _Driver) -> Iterator:
  count = jax.local_device_count()
  for ours in batches:
    batch = driver.workload.batch(ours)
    if driver.per_device:
      batch = jax.tree.map(
        lambda x: x.reshape(count, len(x) // count, *x.shape[1:]), batch
      )
    yield batch


@jax.jit
def _keys(words: Array, step: int) -> Array:
  """The four keys of a step, each of two words."""
  return jax.random.split(jax.random.fold_in(words, step), 4)


def _train_state(workload, goal: Goal, start: Start) -> Any:
  last = start.evals[-1].metrics if start.evals else {}
  spent, now = goal.accounts(), time.monotonic()
  charged = start.elapsed()
  last_look = now - charged + start.evals[-1].seconds if start.evals else 0.0
  return types.MappingProxyType(
    {
      'validation_goal_reached': workload.has_reached_validation_target(last),
      'test_goal_reached': workload.has_reached_test_target(last),
      'is_time_remaining': charged < goal.seconds,
      'last_eval_time': last_look,
      'training_complete': False,
      'accumulated_submission_time': charged,
      'accumulated_eval_time': spent['evaluate'],
      'accumulated_logging_time': spent['record'] + spent['checkpoint'],
      'last_step_end_time': now,
    }
  )


def _scalars(training: Training) -> dict[str, Array]:
  """What was logged; without a name, something that is ready when a step is."""
  leaf = jax.tree.leaves(training.params)[-1]
  return training.scalars | {'': jnp.copy(leaf)}
