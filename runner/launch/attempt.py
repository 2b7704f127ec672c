"""One attempt at a trial, in a child process on this machine."""

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
from runner.launch.adviser import Follower
from runner.launch.examiner import Common
from runner.machine import gpu_monitor, settings
from runner.protocol import layout, results_folder, storage
from runner.protocol.attempt_spec import AttemptSpec
from runner.protocol.layout import Status
from runner.protocol.records.advice import Advice
from runner.protocol.records.events import Seen
from runner.protocol.records.progress import OnProgress

# Wall time may be many times the budget, because free seconds come on top:
# evaluations of Criteo 1TB took four fifths of the wall time of published runs.
WALL_FACTOR, WALL_SECONDS = 20.0, 3600.0


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
  if before:
    leftovers.discard(folder, submission)
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
