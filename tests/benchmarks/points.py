"""Measures what numbers of a point as arguments of the step would cost.

    python -m tests.benchmarks.points

A submission closes over the numbers of its point, so its step is compiled anew
at every point. Here `build` runs inside the compiled step instead, with numbers
as its arguments. Which submissions can be built from numbers that are not known
yet, and how much slower is such a step?
"""

import functools
import statistics
import sys
import time

import jax
import numpy as np

import submissions
import workloads
from runner.trial import task as tasks
from submissions.submission import Start
from tests.benchmarks import losses
from workloads import batches

TRIED = ('digits', 'ogbg/mini', 'imagenet_vit/mini')
STEPS, ROUNDS = 20, 9


def main():
  """Print which submissions can be built, and a table of steps."""
  for name in submissions.names():
    known = numbers_of(name)
    needed = [one for one in known if refusal(name, one)]
    print(f'{name}: {len(known)} numbers, known: {needed}', flush=True)
  print('| workload | a step, of constants (quartiles) | parameters |')
  print('|---|---|---|')
  for name in TRIED:
    print(f'| {name} | {" | ".join(compared(name, "nadamw"))} |', flush=True)


def numbers_of(submission):
  """Return the names of a submission's numbers that may be arguments."""
  point = submissions.find(submission).self_point or {}
  return [n for n, x in point.items() if isinstance(x, float) and x]


@functools.cache
def prepared(workload):
  """Return the task, the first model and the batches of a workload."""
  row = losses.row(workload)
  made = workloads.get(row.workload, row.quirks, row.world)
  source = made.source('train', None)
  task = tasks.for_submission(
    tasks.TrialTask(workload=made, sources={'train': source}, spec=row)
  )
  size, stack = row.batch_size, row.steps_per_dispatch

  def batch(n):
    rows = [
      batches.train_batch(source, 0, (n * stack + k) * size, size)
      for k in range(stack)
    ]
    if stack == 1:
      return rows[0]
    return {name: np.stack([r[name] for r in rows]) for name in rows[0]}

  model = jax.jit(made.init)(jax.random.key(0))
  return task, model, [batch(n) for n in range(STEPS)]


def stepping(task, submission, names):
  """Return a function of one step, and the numbers that are its arguments.

  Args:
    task: The task.
    submission: Name of the submission.
    names: Names of these numbers.
  """
  entry = submissions.find(submission)
  point = entry.self_point or {}
  numbers = {n: point[n] for n in names}
  rest = {n: x for n, x in point.items() if n not in numbers}

  def step(numbers, model, state, batch):
    submission = submissions.make(entry.path, task, rest | numbers)
    key = jax.random.key(1)
    start = Start(model, key, lambda size, stack=1: iter([batch]), state=state)
    return next(submission.train(start))

  return step, numbers


def refusal(submission, name):
  """Return why a submission cannot be built without a number, or ''."""
  try:
    task, model, made = prepared('digits')
    step, numbers = stepping(task, submission, [name])
    jax.eval_shape(step, numbers, model, None, made[0])
  except Exception as error:  # Whatever a submission raises.
    return f'{type(error).__name__}: {str(error).splitlines()[0][:90]}'
  return ''


def compared(workload, submission):
  """Return the ratio of times of a step, and whether parameters are equal.

  Args:
    workload: Name of the workload.
    submission: Name of the submission.
  """
  names = [n for n in numbers_of(submission) if not refusal(submission, n)]
  task, model, made = prepared(workload)
  step, numbers = stepping(task, submission, names)
  first = jax.jit(step)(numbers, model, None, made[0])

  def go(numbers, model, inner, batch):
    progress = step(numbers, model, first._replace(state=inner), batch)
    return progress.state

  fixed = jax.jit(
    lambda model, inner, batch: go(numbers, model, inner, batch),
    donate_argnums=1,
  )
  passed = jax.jit(go, donate_argnums=2)
  own = {n: np.float32(x) for n, x in numbers.items()}

  def run(way):
    state = jax.tree.map(lambda x: x.copy(), first.state)
    jax.block_until_ready(state)
    began = time.perf_counter()
    for batch in made[1:]:
      if way == 'passed':
        state = passed(own, model, state, batch)
      else:
        state = fixed(model, state, batch)
    jax.block_until_ready(state)
    return time.perf_counter() - began, state

  ends = [run(way)[1] for way in ('passed', 'fixed')]
  times = [(run('passed')[0], run('fixed')[0]) for _ in range(ROUNDS)]
  low, middle, high = statistics.quantiles([a / b for a, b in times], n=4)
  same = all(map(np.array_equal, *map(parameters, ends)))
  return f'{middle:.3f} ({low:.3f}, {high:.3f})', 'same' if same else 'other'


def parameters(state):
  """Return the arrays of a state's model on the host."""
  return jax.device_get(jax.tree.leaves(state.model.params))


if __name__ == '__main__':
  sys.exit(main())
