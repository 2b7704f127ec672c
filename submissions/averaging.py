"""Averages of parameters that are evaluated but not trained.

Batch-norm statistics of training describe the activations of the trained
parameters. Averaged parameters have other activations, and with the statistics
of training their metrics can be useless.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions.submission import Start, Submission, Task
from workloads.workload import Array, Batch, Model, PyTree


class Averaged(NamedTuple):
  """The state of `averaged`."""

  inner: PyTree
  mean: PyTree
  count: Array


def averaged(
  inner: optax.GradientTransformation, weight: Callable[[Array], Array]
) -> optax.GradientTransformationExtraArgs:
  """Return a transformation that also keeps an average of the parameters.

  State: 4 bytes a parameter. An average of 16 bits would never change, because
  each step adds less than its last bit.

  Args:
    inner: The transformation that trains.
    weight: Maps t, counted from one, to the weight that the parameters after
      step t get in the average.
  """
  inner = optax.with_extra_args_support(inner)

  def init(params):
    mean = jax.tree.map(
      lambda x: x.astype(jnp.promote_types(x.dtype, jnp.float32)), params
    )
    return Averaged(inner.init(params), mean, jnp.zeros((), jnp.int32))

  def update(updates, state, params: PyTree = None, **extra):
    updates, below = inner.update(updates, state.inner, params, **extra)
    count = state.count + 1
    new, w = optax.apply_updates(params, updates), weight(count)
    mean = jax.tree.map(lambda m, x: m + w * (x - m), state.mean, new)
    mean = optax.tree.cast_like(mean, state.mean)
    return updates, Averaged(below, mean, count)

  return optax.GradientTransformationExtraArgs(init, update)


def average(state: Averaged, params: PyTree) -> PyTree:
  """Return the averaged parameters; pass it to from_optax as eval_params."""
  return optax.tree.cast_like(state.mean, params)


class Followed(NamedTuple):
  """The state of a submission made by `follow_statistics`."""

  inner: PyTree
  statistics: PyTree  # The model state at the parameters to evaluate.


def follow_statistics(
  task: Task, submission: Submission, every: int = 3
) -> Submission:
  """Collect the model state at the parameters that are evaluated.

  In every third step, the model makes a forward pass with the evaluated
  parameters on the latest batch, as in AlgoPerf's second schedule-free entry. A
  submission whose model has no state is returned unchanged, at no cost.

  Args:
    task: The task passed to `build`.
    submission: Made by `from_optax` or `from_steps`, with averaged parameters.
    every: Steps from one forward pass to the next.
  """
  if not jax.tree.leaves(task.shapes.state):
    return submission
  stride = task.per_dispatch

  @jax.jit
  def collect(params, statistics, batch, key, done):
    if stride > 1:
      batch = jax.tree.map(lambda x: x[-1], batch)
    model, key = Model(params, statistics), jax.random.fold_in(key, done)
    return task.workload.forward(model, batch, key, 0.0)[1]

  def train(start: Start) -> Iterator[Followed]:
    before, statistics = start.state or (None, start.model.state)
    seen: list[Batch] = []

    def batches(size: int, stack: int = 1) -> Iterator[Batch]:
      for batch in start.batches(size, stack):
        seen[:] = [batch]
        yield batch

    watched = start._replace(batches=batches, state=before)
    for inner in submission.train(watched):
      if (inner.done - stride) % every < stride:  # Includes the first step.
        params = submission.model(inner).params
        statistics = collect(params, statistics, seen[0], start.key, inner.done)
      yield Followed(inner, statistics)

  return Submission(
    train,
    lambda state: submission.model(state.inner)._replace(
      state=state.statistics
    ),
    lambda state: submission.scalars(state.inner),
    schedule=submission.schedule,
  )
