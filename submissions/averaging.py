"""Averages of parameters, to be evaluated while training goes on without them.

Batch-norm statistics collected where the gradient is taken describe activations
that averaged parameters do not have. A model evaluated with them can be useless
though its parameters are good.
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
  """Keeps an average of the parameters: 4 bytes for each.

  In 16 bits it would stand still, as what is added is less than the last bit.

  Args:
    inner: Trains, as without it.
    weight: Of the parameters after the t-th step, in the average with all
      before; t is counted from one.
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
  """The parameters to evaluate: `eval_params` of `averaged`."""
  return optax.tree.cast_like(state.mean, params)


class Followed(NamedTuple):
  """The state of a submission made by `follow_statistics`."""

  inner: PyTree
  statistics: PyTree  # The model state at the parameters to evaluate.


def follow_statistics(
  task: Task, submission: Submission, every: int = 3
) -> Submission:
  """Collects the model state at the parameters that are evaluated.

  A forward pass there, on the batch just trained on, in every third step: what
  AlgoPerf's second schedule-free entry does. Where the model has no state the
  submission is returned as it is, at no cost.

  Args:
    task: As handed to `build`.
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
      if (inner.done - stride) % every < stride:  # The first step is one.
        params = submission.model(inner).params
        statistics = collect(params, statistics, seen[0], start.key, inner.done)
      yield Followed(inner, statistics)

  return Submission(
    train,
    lambda state: submission.model(state.inner)._replace(
      state=state.statistics
    ),
    lambda state: submission.scalars(state.inner),
  )
