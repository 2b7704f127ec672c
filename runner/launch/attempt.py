"""Planned trials on this machine, each in a child process.

Trials run one at a time: each has the machine to itself, so that their seconds
can be compared. A failed trial leaves its folder as it is, and the next trial
begins. The same command later runs missing trials and resumes stopped ones.
"""

import dataclasses
import math
import pathlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from runner.launch import (
  child_process,
  compiled,
  environment,
  exam,
  examiner as examiners,
  isolation,
  leftovers,
  outcomes,
  prepare,
  remote_hosts,
  reports,
  tampering,
  trial_log,
)
from runner.launch.adviser import Adviser, Follower
from runner.launch.examiner import Common, Examiner
from runner.machine import gpu_monitor, settings
from runner.protocol import layout, plan_file, results_folder, storage
from runner.protocol.attempt_spec import AttemptSpec
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records import ledger
from runner.protocol.records.advice import Advice, Request
from runner.protocol.records.events import Seen
from runner.protocol.records.progress import OnProgress
from runner.protocol.trial_file import StepLimits

# Wall time may be many times the budget, because free seconds come on top:
# evaluations of Criteo 1TB took four fifths of the wall time of published runs.
WALL_FACTOR, WALL_SECONDS = 20.0, 3600.0
ORPHAN = 30.0  # Seconds until a trial without its runner has ended.


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialOptions:
  """Options of all trials of a race; each has the name of its flag.

  Attributes:
    data_dir: Folder of the datasets; None: the default one.
    hang_timeout: Seconds without progress after which a trial counts as
      hanging.
    network: Whether trials may use the network.
    memory_gib: Most GiB that a trial's process may allocate; None: no limit.
    profile: Number of steps of every trial to trace.
    shard_state: Whether devices share an optimizer's state.
    extra_hosts: Commands that reach each further host of a trial.
    stop: What may stop a trial early, one of advice.POLICIES.
    untimed: Whether seconds do not count, so that a machine may be busy.
  """

  data_dir: str | None = None
  hang_timeout: float = child_process.Timeouts().hang
  network: bool = False
  memory_gib: float | None = None
  profile: int = 0
  shard_state: bool = False
  extra_hosts: tuple[str, ...] = ()
  stop: str = 'none'
  untimed: bool = False

  @property
  def hosts(self) -> int:
    """Number of hosts of a trial."""
    return 1 + len(self.extra_hosts)


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


def run_attempt(
  out: pathlib.Path,
  folder: pathlib.Path,
  on_progress: OnProgress,
  options: TrialOptions,
  *,
  keep: Sequence[int] = (),
  common: Common = examiners.NOTHING,
  advised: Advice | None = None,
  follower: Follower | None = None,
) -> Status:
  """Run an attempt in a trial's folder that this process has locked.

  The attempt runs even if the trial is done.

  Args:
    out: The results folder.
    folder: Folder of the trial.
    on_progress: Called with every progress event.
    options: Options of all trials.
    keep: File descriptors that the child process inherits, such as the lock's.
    common: What all trials of the workload have in common.
    advised: When the trial need not go on; None: it always goes on.
    follower: Asks about the trial while it runs; None: nobody asks.
  """
  budget = prepare.spec(folder / layout.TRIAL).budget
  longest = WALL_FACTOR * budget.seconds + WALL_SECONDS
  timeouts = child_process.Timeouts(options.hang_timeout, longest)
  network = isolation.network(options.network or bool(options.extra_hosts))
  before = layout.status(folder).attempts
  written = tampering.written(folder)
  # Its folder tells its name: files in there are the trial's to change.
  submission = folder.relative_to(out).parts[0]
  made = leftovers.prepared(folder, submission)
  reported = reports.Reports()
  killed_before = outcomes.memory_kills()
  settings.say_left_out()
  isolation.say_unrestricted()
  isolation.ready_cards()
  compiled.bytecode()
  used_before, began = child_process.processor_seconds(), time.time()
  spec = AttemptSpec(
    folder=str(folder),
    results=str(out.absolute()),
    common=common.folder,
    generated=common.generated,
    started=time.monotonic(),
    memory_gib=options.memory_gib,
    profile=options.profile,
    **_limits(advised, options),
  )
  with (
    # A trial may leave files in its temporary folder that cannot be deleted.
    tempfile.TemporaryDirectory(
      prefix='timetrial-', ignore_cleanup_errors=True
    ) as private,
    _log(folder) as log,
    gpu_monitor.watched() as cards,
  ):
    printed_before = log.tell()
    own = environment.variables() | environment.CACHE
    own |= {'TMPDIR': private, isolation.SAID: network.said}
    own[isolation.MOUNTS] = isolation.mounts()
    own[compiled.PLACE] = str(compiled.folder(out, submission))
    with remote_hosts.started(
      options.extra_hosts,
      spec,
      own,
      secret=f'{environment.SECRET.pattern}|{settings.ALIKE}',
    ) as others:
      logs = trial_log.Watch([folder / outcomes.LOG, *others.logs])

      def lost() -> str:
        return others.lost() or logs.full()

      left = child_process.run(
        [*network.command, *remote_hosts.command(others.leader)],
        log,
        reported.hear(follower.hear(on_progress) if follower else on_progress),
        timeouts,
        own | dict(others.env),
        keep=keep,
        lost=lost,
        leave=follower.leave if follower else lambda: False,
      )
      fault = others.fault()
  if full := logs.full():
    fault = remote_hosts.Fault('crashed', full, False)
  spoilt = _spoilt(folder, submission, made)
  fault = (
    tampering.mended(folder, before, written)
    or spoilt
    or reported.fault(folder, before)
    or fault
  )
  killed = outcomes.memory_kills() > killed_before
  printed = outcomes.printed_since(folder, printed_before)
  used = child_process.processor_seconds() - used_before
  seen = Seen(
    wall_seconds=left.ended - spec.started,
    processor_seconds=used,
    cards=cards.summary() or None,
  )
  outcomes.close(
    folder,
    before,
    left=left,
    seen=seen,
    killed=killed,
    printed=printed,
    fault=fault,
    hopeless=follower.hopeless if follower else None,
    timed=budget.steps is None,
  )
  status = layout.status(folder)
  if status.outcome == 'invalid':  # Also the seconds of what it compiled.
    compiled.discard(out, submission, began)
  return status


def _limits(advised: Advice | None, options: TrialOptions) -> dict[str, Any]:
  """Return the fields of AttemptSpec that end a trial early."""
  if advised is None or math.isinf(advised.limit):
    return {}
  if options.untimed:
    return {'beaten_steps': math.ceil(advised.limit), 'why': advised.why}
  return {'beaten': advised.limit, 'why': advised.why}


def _spoilt(
  folder: pathlib.Path, submission: str, made: Mapping[str, bytes]
) -> remote_hosts.Fault | None:
  """Undo what a trial has done to what was prepared; return its fault."""
  links = leftovers.cut_links(folder)
  changed = leftovers.restore(folder, submission, made)
  if not links and not changed:
    return None
  what = f'{changed[0]} was changed' if changed else f'{links[0]} is a link'
  reason = (
    f'{what} in its folder, which is as it was again. Trials may add files '
    'there, and neither links nor other sources.'
  )
  return remote_hosts.Fault('crashed', reason, again=False, always=True)


def _log(folder: pathlib.Path):
  path = folder / outcomes.LOG
  results_folder.clear(path)
  with storage.storing(path):
    return path.open('ab')
