"""Training in phases that differ in what a batch is, with one optimizer."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import optax

from submissions import schedules
from submissions.submission import Progress, Start, Submission, Task
from workloads.workload import Batch


class Phase(NamedTuple):
  """Some steps with batches of one shape, for which the step is compiled."""

  steps: int
  batch_size: int
  prepare: Callable[[Batch], Batch] = lambda batch: batch


def plan(
  task: Task, shares: Sequence[float], factors: Sequence[int]
) -> list[Phase]:
  """Phases that see these shares of the examples, in batches so much larger.

  Raises:
    ValueError: the shares do not sum to one, or there are not as many factors.
  """
  if len(shares) != len(factors) or abs(sum(shares) - 1) > 1e-3:
    raise ValueError(
      f'shares {list(shares)} and factors {list(factors)}: there must be as '
      'many of both, and the shares must sum to 1.'
    )
  return [
    Phase(max(1, round(s * task.steps / f)), f * task.batch_size)
    for s, f in zip(shares, factors, strict=True)
  ]


def in_turn(
  task: Task, submission: Submission, phases: Sequence[Phase]
) -> Submission:
  """Trains each phase from where the one before has ended.

  Args:
    task: As handed to `build`.
    submission: Made by `from_optax` or `from_steps`, without an end.
    phases: One after the other; the last one ends the training.
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
  """Constant in a phase, in proportion to a power of its batch; then linear.

  The last phase decays to zero.

  Args:
    peak: The rate of the first phase.
    warmup: Share of all steps that rise to it.
    phases: One after the other.
    power: Of the batch size relative to the first phase's.
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
