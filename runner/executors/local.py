"""Trials on this machine, one after another."""

from collections.abc import Iterator

from runner.executors.base import Queue, RaceContext
from runner.launch import attempt
from runner.protocol.layout import Status
from runner.protocol.plan import PlannedTrial


class LocalExecutor:
  """Executor on this machine; each trial has the machine to itself."""

  def run(
    self, context: RaceContext, queue: Queue
  ) -> Iterator[tuple[PlannedTrial, Status]]:
    """Yield each trial of the queue with its status after its attempt.

    Args:
      context: The race.
      queue: Trials to run; the caller may add trials meanwhile.
    """
    plan, live = context.plan, context.live
    while queue:
      trial = queue.next()
      limits = context.limits_of(trial)
      budget = 0.0 if limits else plan.budgets[trial.workload]
      live.begin(str(trial.key), plan.suite.workloads[trial.workload], budget)
      status = attempt.run_trial(
        context.out,
        plan,
        trial,
        live.on_progress,
        context.options,
        limits=limits,
      )
      yield trial, status
