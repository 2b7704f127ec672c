"""Measures programs that the points of a submission share.

    python -m tests.benchmarks.points [programs|steps [SUBMISSION ...]]

`programs`: how many programs nine points of each submission need for a step, if
constants are arguments (`submissions/shared_programs.py`). Only lowered.

`steps`: such a step against one with constants in it, in turns: time of a step
and of its compilation.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp

import submissions
import workloads
from runner.launch import environment
from runner.protocol.suites import suite as rules
from runner.tools.tuning import draws
from submissions import shared_programs
from submissions.submission import Start, Task
from workloads.workload import Batch

SUITE = rules.load('mini_tuning')
LOWERED = 'imagenet_vit/mini'
DRAWS = 8
TRIED = (
  'criteo1tb/mini',
  'fastmri/mini',
  'imagenet_resnet/mini',
  'imagenet_vit/mini',
  'librispeech_deepspeech/mini',
  'ogbg/mini',
)
PAIRS, SKIPPED = 40, 5


def main(part: str, names: list[str]) -> None:
  """Print one table."""
  if part == 'programs':
    print('| submission | points | programs |\n|---|---|---|')
    for name in names or submissions.names():
      points, found = programs(name)
      print(f'| {name} | {points} | {found} |', flush=True)
    return
  print(
    '| submission | workload | a step, of the usual one | compilation, of the '
    'usual one |\n|---|---|---|---|'
  )
  for name in names or ('nadamw',):
    for workload in TRIED:
      step, compiling = steps(name, workload)
      print(f'| {name} | {workload} | {step} | {compiling:.2f} |', flush=True)


class _Seen(Exception):
  """A step was about to be compiled."""


def stepping(
  name: str, workload: str, point: dict[str, Any]
) -> tuple[Callable, tuple]:
  """Return the function of a step, and its first arguments.

  Args:
    name: Name of a submission made by `from_optax` or `from_steps`.
    workload: A workload of SUITE.
    point: Hyperparameters.
  """
  spec, problem = SUITE.workloads[workload], workloads.get(workload)
  task = Task(problem, spec.steps, spec.batch_size, 1000)
  submission = submissions.make(submissions.find(name).path, task, point)
  key, seen = jax.random.key(0), []

  def noted(function, donate_argnums, sharding):
    del donate_argnums, sharding

    def call(*args):
      seen.append((function, args))
      raise _Seen

    return call

  def batches(size, stack=1) -> Iterator[Batch]:
    del stack
    yield problem.fake_batch(key, size)

  start = Start(jax.jit(problem.init)(key), key, batches, share_programs=True)
  with mock.patch.object(shared_programs, 'jit', noted):
    try:
      next(submission.train(start))
    except _Seen:
      return seen[0]
  raise ValueError(f'{name} compiles its steps itself.')


def programs(name: str) -> tuple[int, int]:
  """Return the numbers of a submission's points and of their programs."""
  points = draws.first(SUITE, submissions.find(name), DRAWS)
  texts = set()
  for point in points:
    step, args = stepping(name, LOWERED, point)
    shared = shared_programs.shared(step, args)
    texts.add(shared.call.lower(shared.constants, *args).as_text())
  return len(points), len(texts)


def steps(name: str, workload: str) -> tuple[str, float]:
  """Return ratios of a step (median and quartiles) and of its compilation."""
  point = submissions.find(name).self_point or {}
  step, args = stepping(name, workload, point)
  began = time.perf_counter()
  usual = jax.jit(step, donate_argnums=0).lower(*args).compile()
  between = time.perf_counter()
  shared = shared_programs.shared(step, args, donate_argnums=(0,))
  passed = shared.call.lower(shared.constants, *args).compile()
  compiling = (time.perf_counter() - between) / (between - began)
  first, *rest = args
  one, other = (jax.tree.map(jnp.copy, first) for _ in range(2))
  ratios = []
  for _ in range(PAIRS + SKIPPED):
    begins = time.perf_counter()
    one = jax.block_until_ready(usual(one, *rest))[0]
    middle = time.perf_counter()
    other = jax.block_until_ready(passed(shared.constants, other, *rest))[0]
    ratios.append((time.perf_counter() - middle) / (middle - begins))
  low, median, high = statistics.quantiles(ratios[SKIPPED:], n=4)
  return f'{median:.3f} ({low:.3f}, {high:.3f})', compiling


if __name__ == '__main__':
  # Flags of trials; XLA reads them when its backend starts.
  os.environ['XLA_FLAGS'] = environment.XLA_FLAGS
  main((sys.argv[1:] or ['steps'])[0], sys.argv[2:])
