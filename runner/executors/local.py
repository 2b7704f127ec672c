"""Trials on this machine, one after another."""

from collections.abc import Iterator

from runner.executors.base import Queue, RaceContext
from runner.launch import compiled, environment, exam, planned_trial
from runner.launch.examiner import Examiner
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
    env, hang = environment.variables(), context.options.hang_timeout
    common = compiled.folder(context.out, compiled.COMMON)
    with Examiner(env, hang, common) as examiner:
      if context.examined:
        _catch_up(context, queue, examiner)
      yield from self._run(context, queue, examiner)

  def _run(
    self, context: RaceContext, queue: Queue, examiner: Examiner
  ) -> Iterator[tuple[PlannedTrial, Status]]:
    plan, live = context.plan, context.live
    while queue:
      trial = queue.next()
      limits = context.limits_of(trial)
      budget = 0.0 if limits else plan.budgets[trial.workload]
      live.begin(str(trial.key), plan.suite.workloads[trial.workload], budget)
      status = planned_trial.run_trial(
        context.out,
        plan,
        trial,
        live.on_progress,
        context.options,
        limits=limits,
        examiner=examiner if context.examined else None,
        adviser=context.adviser,
      )
      yield trial, status


def _catch_up(context: RaceContext, queue: Queue, examiner: Examiner) -> None:
  """Examine the trials whose runner was stopped before it could."""
  for trial in context.plan.trials:
    status = exam.examine(
      context.out,
      context.plan,
      trial,
      context.live.on_progress,
      context.options.data_dir,
      examiner=examiner,
    )
    if status and not status.done:
      queue.put(trial, 0.0)
      context.live.queue_again(1)
