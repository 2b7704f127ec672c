"""Compute validation losses of submissions, seed by seed, without a race."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax

import submissions
import workloads
from runner.protocol.suites import suite as rules
from runner.protocol.suites.suite import WorkloadSpec
from runner.trial import evaluate
from submissions.submission import Start, Submission, Task
from workloads import batches


def row(workload: str) -> WorkloadSpec:
  """Return a workload of the suite mini."""
  suite = rules.load('mini')
  return (suite.workloads | suite.unscored)[workload]


def entered(name: str, **changes: Any) -> Callable[[Task], Submission]:
  """Return a function that makes a submission at its SELF with some changes."""
  entry = submissions.find(name)
  point = entry.self_point | changes
  return lambda task: submissions.make(entry.path, task, point)


def losses(
  build: Callable[[Task], Submission],
  workload: str,
  seeds: Sequence[int],
  *,
  steps: int,
  at: Sequence[int] | None = None,
  batch_size: int | None = None,
) -> list[list[float]]:
  """Return the validation losses of each seed; inf if not finite.

  Args:
    build: Function that makes the submission.
    workload: A workload of the suite mini.
    seeds: Seeds of initial parameters, data and dropout. All seeds share one
      compilation.
    steps: The number of steps that the submission is told.
    at: Steps after which to evaluate, rising; default: only after `steps`.
    batch_size: Batch size; default: the workload's.

  Returns:
    For each seed, the loss at each evaluation.
  """
  given, problem = row(workload), workloads.get(workload)
  size, looks = batch_size or given.batch_size, list(at or [steps])
  train, held = (problem.source(s, None) for s in ('train', 'validation'))
  task = Task(problem, steps, size, len(train))
  submission = build(task)

  def feed(seed):
    def draw(wanted, stack=1):
      del stack
      drawn = 0
      while True:
        yield batches.train_batch(train, seed, drawn, wanted)
        drawn += wanted

    return draw

  def one(seed):
    key, found = jax.random.key(seed), []
    loop = submission.train(Start(problem.init(key), key, feed(seed)))
    for done, state in enumerate(loop, start=1):
      if done in looks:
        model = submission.model(state)
        stats = evaluate.evaluate(problem, model, held, given.eval_batch_size)
        found.append(stats['loss'])
      if done == looks[-1]:
        break
    return [x if math.isfinite(x) else math.inf for x in found]

  return [one(seed) for seed in seeds]
