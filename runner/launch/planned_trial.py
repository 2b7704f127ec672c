"""Planned trials on this machine: which ones run, and how each of them ends.

Trials run one at a time: each has the machine to itself, so that their seconds
can be compared. A failed trial leaves its folder as it is, and the next trial
begins. The same command later runs missing trials and resumes stopped ones.
"""

import dataclasses
import pathlib

from runner.launch import exam, examiner as examiners, outcomes, prepare
from runner.launch.adviser import Adviser, Follower
from runner.launch.attempt import TrialOptions, run_attempt
from runner.launch.examiner import Examiner
from runner.protocol import layout, plan_file, results_folder
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records import ledger
from runner.protocol.records.advice import Advice, Request
from runner.protocol.records.progress import OnProgress
from runner.protocol.trial_file import StepLimits

ORPHAN = 30.0  # Seconds until a trial without its runner has ended.


def pending(out: pathlib.Path, plan: Plan) -> list[PlannedTrial]:
  """Return the planned trials without an outcome that scores."""
  return [
    trial
    for trial in plan.trials
    if not results_folder.status(trial.folder(out)).done
  ]


def run_trial(
  out: pathlib.Path,
  plan: Plan,
  trial: PlannedTrial,
  on_progress: OnProgress,
  options: TrialOptions,
  *,
  limits: StepLimits | None = None,
  examiner: Examiner | None = None,
  adviser: Adviser | None = None,
) -> Status:
  """Run or resume one trial in a child process, and wait for its end.

  Nothing happens if the trial is done, or if another process runs it.

  Args:
    out: The results folder.
    plan: Its plan.
    trial: One of the plan's trials.
    on_progress: Called with every progress event.
    options: Options of all trials.
    limits: Stops and evaluations by steps, instead of charged seconds.
    examiner: Evaluates the model again that has reached its target; None: what
      the trial says is believed.
    adviser: Says when the trial need not go on; None: it always goes on.
  """
  folder = prepared(out, plan, trial, options, limits)
  with results_folder.held(folder, ORPHAN) as lock:
    status = results_folder.status(folder)
    if lock is None:
      host = status.host if status.outcome is None else ''
      place = f' on {host}' if host else ''
      reason = f'Another process runs this trial{place}.'
      return dataclasses.replace(
        status, outcome=None, reason=reason, retryable=True
      )
    if status.done or status.outcome == results_folder.DAMAGED:
      return status
    outcomes.lost(folder, 'Its process ended without writing its outcome.')
    # The plan's own row: what is in the folder the trial can change.
    spec = plan.suite.workloads[trial.workload]
    advised = _advised(folder, trial, options, adviser)
    if advised is not None and advised.limit <= 0 and not status.attempts:
      outcomes.unneeded(folder, advised.why)
      status = layout.status(folder)
      ledger.add(out, folder, status.outcome)
      return status
    common = examiners.NOTHING
    if examiner is not None:
      common = examiner.compiled(spec, options.data_dir, on_progress)
    status = run_attempt(
      out,
      folder,
      on_progress,
      options,
      keep=[lock],
      common=common,
      advised=advised,
      follower=_follower(plan, trial, options, adviser, advised),
    )
    # Scoring goes by rows, whatever the outcome says.
    reached = status.outcome == 'reached' or (
      status.done and exam.met(folder, spec)
    )
    if examiner is not None and reached:
      status = exam.judged(
        folder, spec, on_progress, options.data_dir, examiner
      )
    ledger.add(out, folder, status.outcome)
    return status


def _advised(
  folder: pathlib.Path,
  trial: PlannedTrial,
  options: TrialOptions,
  adviser: Adviser | None,
) -> Advice | None:
  """Return advice on a trial that begins; None if nothing may stop it.

  Trials by steps that are not raced, such as those of `tune`, always go on.
  """
  raced = prepare.by_seconds(folder) != options.untimed
  if adviser is None or options.stop == 'none' or not raced:
    return None
  return adviser.now(Request(trial=trial.id))


def _follower(
  plan: Plan,
  trial: PlannedTrial,
  options: TrialOptions,
  adviser: Adviser | None,
  advised: Advice | None,
) -> Follower | None:
  """Return who asks about a trial while it runs; None if nobody does."""
  forecasts = options.stop in ('exact', 'safe')
  if adviser is None or advised is None or not forecasts:
    return None
  audited = plan_file.audited(plan.suite.seed, trial.key)
  return Follower(adviser, trial.id, audited=audited)


def prepared(
  out: pathlib.Path,
  plan: Plan,
  trial: PlannedTrial,
  options: TrialOptions,
  limits: StepLimits | None = None,
) -> pathlib.Path:
  """Prepare and return the folder of a trial.

  Args:
    out: The results folder.
    plan: Its plan.
    trial: One of the plan's trials.
    options: Options of all trials.
    limits: Stops and evaluations by steps, instead of charged seconds.
  """
  return prepare.prepare(
    out,
    plan,
    trial,
    limits=limits,
    data_dir=options.data_dir,
    shard_state=options.shard_state,
    timed=not options.untimed,
  )
