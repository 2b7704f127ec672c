"""Training loop that calls the functions of an AlgoPerf submission.

One call of update_params is a step. Before an evaluation the harness calls
prepare_for_eval, and training continues from its results, as AlgoPerf requires.
The clock charges everything, also init_optimizer_state, which AlgoPerf does not
charge.
"""

import inspect
import pathlib
import time
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
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
  """An AlgoPerf submission, and how to call its functions."""

  module: types.ModuleType
  spec: Any  # The module that the submission imports as `spec`.
  workload: workload_adapter.Workload
  goal: Goal
  point: Any  # Hyperparameters.
  size: int  # Batch size.
  per_device: bool  # True for v0.5: every device has its own copy.
  takes_state: bool  # True if update_params accepts train_state.

  def first(self, start: Start, rng: Array) -> Training:
    """Return the state before the first step, or the state to resume from."""
    # Submissions donate their arguments.
    copied = jax.tree.map(jnp.copy, start.model)
    params, state = self.workload.handed(copied)
    if self.per_device:
      params, state = jax_utils.replicate((params, state))
    optimizer_state = self.module.init_optimizer_state(
      self.workload, params, state, self.point, rng
    )
    training = Training(params, state, optimizer_state, 0)
    if start.state is not None:  # A checkpoint holds only the state's data.
      training.adopt(start.state)
    return training

  def batch(self, training: Training, queue, rng: Array):
    """Return the batch that data_selection takes from the queue."""
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
    """Call update_params on a batch, and update `training`."""
    given = self._arguments(training, rng) | {'batch': batch}
    if self.takes_state:
      given['train_state'] = _train_state(self.workload, self.goal, start)
    training.put(*self.module.update_params(**given))

  def prepare(self, training: Training) -> None:
    """Call prepare_for_eval if the submission has it, and update `training`."""
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
  """Run the main file of an AlgoPerf submission, and adapt the submission.

  Args:
    path: The folder, or the file.
    task: Facts of the workload that every algorithm may use.
    hyperparameters: Values by name; empty in the self-tuning ruleset.
    goal: Target, budget and evaluations of the trial.
  """
  driver = _driver(path, task, hyperparameters, goal)

  def train(start: Start) -> Iterator[Training]:
    # A resumed trial may be evaluated before its next step.
    if start.state is not None:
      start.state.told = [_told(result) for result in start.evals]
    return trained(start)

  def trained(start: Start) -> Iterator[Training]:
    # The key is on all devices, but jax.pmap takes keys that are on none.
    words = np.asarray(jax.random.key_data(start.key))
    for_optimizer, for_steps = jax.random.split(jnp.asarray(words))
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
      params, state = import_shims.replicate(one)  # Evaluation shards batches.
    return Model(params, () if state is None else state)

  return Submission(train, model, _scalars, lost)


def _driver(path, task: Task, hyperparameters: dict, goal) -> _Driver:
  module, spec = import_shims.load(path)
  generation = folders.generation(path)
  workload = workload_adapter.Workload(spec, task, goal, generation)
  if generation == 'v0.5':  # AlgoPerf's v0.5 harness read it before the init.
    workload.default_dropout(hyperparameters.get('dropout_rate'))
  workload.second_dropout(hyperparameters.get('aux_dropout_rate'))
  wanted = inspect.signature(module.update_params).parameters
  open_ended = [one for one in wanted.values() if one.kind is one.VAR_KEYWORD]
  return _Driver(
    module=module,
    spec=spec,
    workload=workload,
    goal=goal,
    point=training_point(hyperparameters),
    size=_batch_size(module, task, goal.workload),
    per_device=generation == 'v0.5',
    takes_state='train_state' in wanted or bool(open_ended),
  )


def _batch_size(module, task: Task, name: str) -> int:
  """Return the submission's batch size for a workload, or the suite's.

  Submissions define batch sizes for AlgoPerf's published workloads. A variant
  uses the size of its family if its own is not defined. Minis, and workloads
  that AlgoPerf lacks, use the suite's batch size.
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
  """Return an evaluation as AlgoPerf has it: (step, metrics and time)."""
  times = {'accumulated_submission_time': result.seconds}
  return result.step, dict(result.metrics) | times


def _queue(batches: Iterator, driver: _Driver) -> Iterator:
  """Yield batches as submissions expect them: [device, size, ...] in v0.5."""
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
  """Return the four keys of a step: uint32 [4, 2]."""
  return jax.random.split(jax.random.fold_in(words, step), 4)


def _train_state(workload, goal: Goal, start: Start) -> Any:
  """Return the train_state that AlgoPerf passes to update_params."""
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
  """Return the logged scalars, and as '' an array ready when the step is."""
  leaf = jax.tree.leaves(training.params)[-1]
  return training.scalars | {'': jnp.copy(leaf)}
