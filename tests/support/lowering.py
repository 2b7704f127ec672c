"""Lower trainings for platforms that are not here, from shapes alone.

`lowered` covers all programs of a trial: initial model, initial state, one
dispatch, the model to evaluate, and its evaluation. Nothing is compiled or run.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

import submissions
from submissions.submission import Progress, Start, Submission, Task
from workloads.workload import PyTree, Workload

PLATFORMS = ('cuda', 'tpu')
SHOWN = 160  # Letters of a failure.


def made(name: str, workload: Workload, size: int) -> Submission:
  """Return a submission at its own point, for batches of `size` examples."""
  entry = submissions.find(name)
  task = Task(workload, steps=100, batch_size=size, train_examples=100 * size)
  return submissions.make(entry.path, task, entry.self_point)


def failures(
  name: str, workload: Workload, size: int, whole: bool = True
) -> dict[str, str]:
  """Return why a training does not lower, by platform; '' where it does.

  Args:
    name: Name of a submission.
    workload: The workload.
    size: Examples in a batch.
    whole: Includes the workload's own programs: initial model and evaluation.
  """
  try:
    traced = _traced(made(name, workload, size), workload, size, whole)
  except Exception as error:  # Of the submission, of any type.
    return dict.fromkeys(PLATFORMS, _said(error))
  found = {}
  for platform in PLATFORMS:
    try:
      traced.lower(lowering_platforms=(platform,))
      found[platform] = ''
    except Exception as error:
      found[platform] = _said(error)
  return found


def _traced(
  submission: Submission, workload: Workload, size: int, whole: bool
) -> Any:
  key = jax.random.key(0)

  def batches(size: int, stack: int = 1) -> Iterator:
    shapes = _batch_shapes(workload, size)
    lead = (stack,) if stack > 1 else ()
    while True:  # Zeros, since random numbers take long to lower.
      yield {k: jnp.zeros(lead + x.shape, x.dtype) for k, x in shapes.items()}

  def trial(model, key):
    model = workload.init(key) if whole else model
    state = next(submission.train(Start(model, key, batches)))
    found = submission.model(state)
    batch = next(batches(size))
    stats = workload.eval_stats(found, batch) if whole else ()
    return submission.scalars(state), found, stats

  return jax.jit(trial).trace(jax.eval_shape(workload.init, key), key)


def _batch_shapes(workload: Workload, size: int) -> dict[str, Any]:
  return jax.eval_shape(
    lambda key: dict(workload.fake_batch(key, size)), jax.random.key(0)
  )


def step_bytes(name: str, workload: Workload, size: int) -> dict[str, int]:
  """Return XLA's plan of one step's memory: bytes by kind.

  The step is compiled for this machine's platform, and never run.

  Args:
    name: Name of a submission made by `from_optax` or `from_steps`.
    workload: The workload.
    size: Examples in a batch.
  """
  submission, key = made(name, workload, size), jax.random.key(0)

  batch = _batch_shapes(workload, size)

  def first(key, batch):
    start = Start(workload.init(key), key, lambda *_: iter([batch]))
    return next(submission.train(start)).state

  def step(state: PyTree, batch: PyTree, key) -> PyTree:
    before = Progress(state, {}, 0)
    start = Start(None, key, lambda *_: iter([batch]), state=before)
    after = next(submission.train(start))
    return after.state, after.scalars

  state = jax.eval_shape(first, key, batch)
  plan = jax.jit(step, donate_argnums=0).lower(state, batch, key).compile()
  found: Any = plan.memory_analysis()
  kept = found.argument_size_in_bytes
  made_ = found.output_size_in_bytes - found.alias_size_in_bytes
  return {
    'arguments': kept,
    'temporary': found.temp_size_in_bytes,
    'all': kept + made_ + found.temp_size_in_bytes,
  }


def _said(error: Exception) -> str:
  text = ' '.join(f'{type(error).__name__}: {error}'.split())
  return text[:SHOWN]
