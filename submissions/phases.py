"""Training in phases with different batches and one optimizer."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import optax

from submissions import schedules
from submissions.submission import Progress, Start, Submission, Task
from workloads.workload import Batch


class Phase(NamedTuple):
  """Phase of training: steps with batches of one shape."""

  steps: int
  batch_size: int
  prepare: Callable[[Batch], Batch] = lambda batch: batch  # Applied to batches.


def plan(
  task: Task, shares: Sequence[float], factors: Sequence[int]
) -> list[Phase]:
  """Return phases that see given shares of the examples.

  Args:
    task: The task passed to `build`.
    shares: Share of the examples that each phase sees.
    factors: Batch size of each phase, relative to the task's.

  Raises:
    ValueError: the shares do not sum to one, or there are not as many factors.
  """
  if len(shares) != len(factors) or abs(sum(shares) - 1) > 1e-3:
    raise ValueError(
      f'shares is {list(shares)} and factors is {list(factors)}. There must be '
      'as many of both, and the shares must sum to 1. Change SELF or SPACE.'
    )
  return [
    Phase(max(1, round(s * task.steps / f)), f * task.batch_size)
    for s, f in zip(shares, factors, strict=True)
  ]


def in_turn(
  task: Task, submission: Submission, phases: Sequence[Phase]
) -> Submission:
  """Return a submission that trains the phases one after the other.

  Args:
    task: The task passed to `build`.
    submission: Made by `from_optax` or `from_steps`, with steps=None.
    phases: The phases in order; training ends after the last phase.
  """
  ends = list(itertools.accumulate(phase.steps for phase in phases))

  def train(start: Start) -> Iterator[Progress]:
    last = start.state
    for phase, end in zip(phases, ends, strict=True):

      def batches(size, stack=1, phase=phase):
        del size
        return map(phase.prepare, start.batches(phase.batch_size, stack))

      left = end - (last.done if last else 0)
      loop = submission.train(start._replace(state=last, batches=batches))
      for last in itertools.islice(loop, max(0, -(-left // task.per_dispatch))):
        yield last

  return submission._replace(train=train)


def scaled(
  peak: float,
  warmup: float,
  phases: Sequence[Phase],
  power: float,
) -> optax.Schedule:
  """Return a learning rate that is constant in every phase but the last.

  A phase's rate is proportional to a power of its batch size. The last phase
  decays linearly to zero.

  Args:
    peak: Rate of the first phase.
    warmup: Share of all steps that rises to the peak.
    phases: The phases in order.
    power: Exponent of the batch size relative to the first phase's.
  """
  steps = [phase.steps for phase in phases]
  rates = [
    peak * (phase.batch_size / phases[0].batch_size) ** power
    for phase in phases
  ]
  parts: list[optax.Schedule] = [optax.constant_schedule(r) for r in rates]
  parts[0] = schedules.warmup_constant(
    peak, warmup * sum(steps) / steps[0], steps[0]
  )
  last, rise = parts[-1], optax.linear_schedule(1.0, 0.0, steps[-1])
  parts[-1] = lambda step: last(step) * rise(step)
  ends = list(itertools.accumulate(steps))
  return optax.join_schedules(parts, ends[:-1])
