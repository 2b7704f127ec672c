"""Statistics of the point that is evaluated, where another one is trained.

Batch-norm statistics collected where the gradient is taken describe activations
that averaged parameters do not have. A model evaluated with them can be useless
though its parameters are good.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax

from submissions.submission import Start, Submission, Task
from workloads.workload import Batch, Model, PyTree


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
