"""Races: all pending trials of a plan, with a display of progress."""

import collections
import dataclasses
import math
import pathlib
from collections.abc import Sequence

from runner.executors import progress
from runner.executors.base import Executor, Limits, Queue, RaceContext
from runner.executors.local import LocalExecutor
from runner.launch import adviser, planned_trial, prepare
from runner.launch.adviser import Adviser
from runner.launch.attempt import TrialOptions
from runner.protocol import results_folder
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records.advice import Request
from runner.protocol.trial_file import StepLimits


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
  """Repetition of trials after machine failures.

  Attributes:
    attempts: Maximum attempts at each trial in one run.
    pause: Seconds before the second attempt; each later pause is four times as
      long as the one before.
  """

  attempts: int = 3
  pause: float = 10.0


def run(
  out: pathlib.Path,
  plan: Plan,
  options: TrialOptions,
  *,
  limits: Limits | None = None,
  retry: RetryPolicy | None = None,
  executor: Executor | None = None,
  mixed: bool = False,
  grows: bool = False,
  end: float = math.inf,
) -> Plan:
  """Run or resume every pending trial; return the folder's whole plan.

  Trials that the machine failed are queued again, behind the others.

  Args:
    out: The results folder.
    plan: The plan to run.
    options: Options of all trials.
    limits: Stops and evaluations by steps, instead of charged seconds.
    retry: Attempts and pauses after machine failures; None: the default.
    executor: Executor that runs the trials; None: this machine.
    mixed: Whether trials of different kinds of machines may be together.
    grows: Whether the plan may add studies to the folder.
    end: Time of `time.monotonic` from which on no trial starts.

  Raises:
    ResultsError: the folder cannot take these results.
  """
  retry = retry or RetryPolicy()
  executor = executor or LocalExecutor()
  with results_folder.opened(out, plan, mixed=mixed, grows=grows) as whole:
    trials = _runnable(out, whole, seconds=limits is None)
    tries: collections.Counter[str] = collections.Counter()
    with (
      adviser.opened(out, options.stop) as advising,
      progress.Progress(len(trials)) as live,
    ):
      queue = Queue(_ordered(whole, trials, advising), end)
      context = RaceContext(
        out=out,
        plan=whole,
        options=options,
        live=live,
        limits=limits,
        adviser=advising,
      )
      for trial, status in executor.run(context, queue):
        live.end(str(trial.key), status)
        tries[trial.id] += 1
        if status.retryable and tries[trial.id] < retry.attempts:
          queue.put(trial, retry.pause * 4 ** (tries[trial.id] - 1))
          live.queue_again(1)
  return whole


def _runnable(
  out: pathlib.Path, plan: Plan, *, seconds: bool
) -> list[PlannedTrial]:
  """Return the pending trials, but for those that have begun otherwise.

  Args:
    out: The results folder.
    plan: Its plan.
    seconds: Whether trials stop by seconds; else by steps.
  """
  left = planned_trial.pending(out, plan)
  others = {
    trial.id
    for trial in left
    if prepare.begun_otherwise(trial.folder(out), seconds=seconds)
  }
  if others:
    began, how = ('untimed', 'with') if seconds else ('timed', 'without')
    print(
      f'{len(others)} trials have begun {began} and are left out: finish them '
      f'with a run {how} --untimed.'
    )
  return [trial for trial in left if trial.id not in others]


def _ordered(
  plan: Plan, trials: Sequence[PlannedTrial], advising: Adviser
) -> Sequence[PlannedTrial]:
  """Return trials in an order in which early ones stop many later ones.

  Strong submissions come first, as slow ones have no credit beside them, and
  held-out variants after their base workloads. Otherwise the order is the
  plan's.
  """
  if advising.policy not in ('exact', 'safe'):
    return trials
  known = advising.now(Request()).order
  names = tuple(dict.fromkeys((*known, *plan.sources)))
  workloads = tuple(plan.suite.held_out_last)
  return sorted(
    trials,
    key=lambda trial: (
      names.index(trial.submission),
      workloads.index(trial.workload),
    ),
  )


def by_steps(
  plan: Plan, trial: PlannedTrial, factor: float = 1.0
) -> StepLimits:
  """Return limits by the step budget, independent of the machine's speed.

  Args:
    plan: The plan.
    trial: One of its trials.
    factor: Multiplies the steps, and not the steps between evaluations.
  """
  spec = plan.suite.workloads[trial.workload]
  period = max(1, spec.steps // spec.expected_evaluations)
  return StepLimits(steps=max(1, round(factor * spec.steps)), eval_steps=period)
