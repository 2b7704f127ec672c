"""Outcomes of trials, as the parent of a trial's process writes them.

A trial's process usually writes its outcome itself. The parent writes it if the
process was killed or lost, and adds what only the parent can measure.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
from collections.abc import Mapping
from typing import Any

from runner.launch import child_process, isolation, remote_hosts
from runner.launch.examiner import Exam
from runner.protocol import layout, storage
from runner.protocol.records import events
from runner.protocol.records.events import End, Seen

# Outcomes that need no excerpt of the log.
WELL = ('reached', 'budget', 'ended', 'beaten', 'hopeless')
LOG = 'trial.log'
TAIL = 20  # Lines of the log that are kept with an outcome.
LAST_WORDS = 1 << 16  # Bytes at the end of the log that are read for a reason.
BY_OTHERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def lost(folder: pathlib.Path, reason: str) -> None:
  """Write the end of an attempt whose process was lost, if it is missing.

  The caller must hold the trial's lock.
  """
  status = layout.status(folder)
  if status.attempts and status.outcome is None:
    _end(folder, status.last, 'preempted', reason, True)


def unneeded(folder: pathlib.Path, why: str) -> None:
  """Write the outcome of a trial that need not even begin.

  Args:
    folder: Folder of the trial.
    why: What has decided that it cannot change any score.
  """
  seen = Seen(wall_seconds=0.0, code=0)
  layout.event(folder, events.START, 0, **layout.whereabouts())
  layout.event(folder, events.EXIT, 0, **seen.to_json())
  reason = f'It cannot change any score and was not begun: {why}.'
  _end(folder, 0, 'beaten', reason, False)


def close(
  folder: pathlib.Path,
  attempt: int,
  left: child_process.Exit,
  seen: Seen,
  killed: bool,
  printed: str,
  fault: remote_hosts.Fault | None = None,
  hopeless: Mapping[str, Any] | None = None,
  timed: bool = True,
) -> None:
  """Write the exit of a process, and its outcome if the process did not.

  Args:
    folder: Folder of the trial.
    attempt: Number of the attempt.
    left: End of the process.
    seen: Measurements of the parent.
    killed: Whether the system killed a process for memory meanwhile.
    printed: Text that the attempt printed.
    fault: Outcome known from elsewhere, such as from remote hosts.
    hopeless: Facts of the forecast that the trial would not reach its target.
    timed: Whether the trial stops by seconds, which others may take from it.
  """
  found = [e for e in layout.attempts(folder) if e.attempt == attempt]
  last = found[-1] if found else None
  if hopeless is not None and found:
    layout.event(folder, events.HOPELESS, attempt, **hopeless)
  if left.stopped and not left.again:  # Overrides the process's own outcome.
    fault = remote_hosts.Fault(*death(left, killed, printed))
    last = None
  if fault and fault.always:
    last = None
  if isinstance(last, End):
    _close_ended(
      folder,
      last,
      left=left,
      seen=seen,
      printed=printed,
      fault=fault,
      stopped=_stopped(last, hopeless),
      timed=timed,
    )
    return
  seen = dataclasses.replace(seen, code=left.code, log=_tail(printed))
  layout.event(folder, events.EXIT, attempt, **seen.to_json())
  if not found:
    # The process ended before it wrote its start.
    layout.event(folder, events.START, attempt, **layout.whereabouts())
  how = fault[:3] if fault else death(left, killed, printed)
  _end(folder, attempt, *how)


def _close_ended(
  folder: pathlib.Path,
  last: End,
  left: child_process.Exit,
  seen: Seen,
  printed: str,
  fault: remote_hosts.Fault | None,
  stopped: str,
  timed: bool,
) -> None:
  """Write the exit of a process that has written its outcome itself."""
  wall = seen.wall_seconds
  # Ends that the harness has written here were tested: they have both numbers.
  residual = wall - (last.own_seconds or 0.0) - (last.suspended_seconds or 0.0)
  well = last.outcome in WELL
  seen = dataclasses.replace(
    seen,
    code=left.code,
    residual_seconds=residual,
    log=None if well else _tail(printed),
  )
  layout.event(folder, events.EXIT, last.attempt, **seen.to_json())
  if invalid := _invalid(last, residual, wall, missed=timed and bool(stopped)):
    _void(folder, last, invalid)
  elif stopped:
    _end(folder, last.attempt, 'hopeless', stopped, False, last=last)
  elif fault and last.outcome in layout.OPEN:
    outcome, reason, again, _ = fault  # The cause of what it met.
    _end(folder, last.attempt, outcome, reason, again, last=last)


def _stopped(last: End, hopeless: Mapping[str, Any] | None) -> str:
  """Return why a trial was stopped that has left at its runner's wish, or ''.

  It may have come to another end before it heard of that.
  """
  if hopeless is None or last.outcome != 'preempted':
    return ''
  found = events.hopeless(last.attempt, hopeless)
  if found.audited:
    return ''
  chances = ' and '.join(f'{chance:.2%}' for chance in found.chances)
  return (
    f'At step {found.step} its forecast chance to reach {found.target:.6g} was '
    f'{chances} at the last evaluations.'
  )


def judge(folder: pathlib.Path, attempt: int, exam: Exam) -> None:
  """Record what the second evaluation of an attempt's model has found.

  An attempt whose model does not agree becomes invalid.

  Args:
    folder: Folder of the trial.
    attempt: Number of the attempt.
    exam: Result of the second evaluation.
  """
  facts = exam._asdict() | {'metrics': dict(exam.metrics)}
  layout.event(folder, events.EXAM, attempt, **facts)
  if exam.agrees is False:
    ends = [
      end
      for end in events.of(End, layout.attempts(folder))
      if end.attempt == attempt
    ]
    _void(folder, ends[-1], exam.why)


def _void(folder: pathlib.Path, last: End, reason: str) -> None:
  """Make an attempt invalid: the next one starts over."""
  # A trial that went on from its checkpoint would inherit its clock.
  checkpoint = folder / layout.CHECKPOINT
  with storage.storing(checkpoint), contextlib.suppress(FileNotFoundError):
    shutil.rmtree(checkpoint)
  # The model stays as evidence, unless the trial has made that impossible.
  with contextlib.suppress(storage.StorageError):
    storage.put_aside(folder / layout.REACHED, last.attempt + 1)
  _end(folder, last.attempt, 'invalid', reason, True, last=last)


def _invalid(last: End, residual: float, wall: float, *, missed: bool) -> str:
  """Reason why an attempt is invalid, or ''.

  Args:
    last: The event of its end.
    residual: Seconds on no account.
    wall: Seconds from its start to its end.
    missed: Whether it was stopped as a miss.
  """
  if layout.off_account(residual, wall):
    return (
      f'Clock mismatch: {residual:.2f} of {wall:.2f} s are on no account of '
      f"the trial's clock (limit {layout.RESIDUAL:.0%})."
    )
  share = layout.held_up(last.load)
  missed |= last.outcome == 'budget'
  if missed and share > layout.HELD_UP:
    return (
      f'The trial missed the target while other programs used {share:.0%} of '
      f'the processor time that it wanted (limit {layout.HELD_UP:.0%}). Stop '
      'other programs on this machine, then run the command again.'
    )
  return ''


def death(
  left: child_process.Exit, killed: bool, printed: str
) -> tuple[str, str, bool]:
  """Explain the end of a process that did not write its outcome.

  Args:
    left: End of the process.
    killed: Whether the system killed a process for memory meanwhile.
    printed: Text that the attempt printed.

  Returns:
    Outcome, reason, and whether another attempt may succeed.
  """
  if left.stopped:
    reason = (
      f'{left.stopped} The process was stopped; its stacks are in trial.log.'
    )
    return 'crashed', reason, left.again
  if killed and left.code == -signal.SIGKILL:
    reason = 'The system ran out of memory and killed the process.'
    return 'oom', reason, True
  tail = ' '.join(_tail(printed))[-300:]
  how = f'Exit code {left.code}: {tail}'
  if left.code < 0:
    how = f'The process was ended by {_signal(-left.code)}.'
  if -left.code in BY_OTHERS:
    return 'preempted', how, True
  if left.code == os.EX_IOERR:
    return 'preempted', tail, True
  if said := isolation.out_of_memory(printed):
    return 'oom', f'The process ran out of memory: {said[:300]}', False
  return 'crashed', how, left.code < 0


def printed_since(folder: pathlib.Path, start: int) -> str:
  """Return the end of the text that one attempt has printed.

  Args:
    folder: Folder of the trial.
    start: Size of the log before the attempt, in bytes.
  """
  if not (folder / LOG).is_file():  # Opening a pipe would block.
    return ''
  try:
    with (folder / LOG).open('rb') as log:
      end = log.seek(0, os.SEEK_END)
      start = start if start <= end else 0  # The log was cut.
      log.seek(max(start, end - LAST_WORDS))
      return log.read().decode(errors='replace')
  except OSError:
    return ''


def _signal(number: int) -> str:
  """Return the name of a signal; real-time signals have only a number."""
  try:
    return signal.Signals(number).name
  except ValueError:
    return f'signal {number}'


def _tail(log: str) -> list[str]:
  return log.strip().splitlines()[-TAIL:]


def _end(
  folder: pathlib.Path,
  attempt: int,
  outcome: str,
  reason: str,
  again: bool,
  *,
  last: End | None = None,
) -> None:
  """Write the end of an attempt for its trial.

  Args:
    folder: Folder of the trial.
    attempt: Number of the attempt.
    outcome: Outcome.
    reason: Its reason.
    again: Whether another attempt may succeed.
    last: The end that the trial itself has written, whose other fields stay.
  """
  rest = {'time': layout.now(), 'step': 0, 'seconds': 0.0, 'accounts': {}}
  rest |= {'attempt': attempt} if last is None else last.line
  rest |= {'event': events.END, 'outcome': outcome, 'reason': reason}
  rest |= {'again': again}
  storage.append_line(folder / layout.ATTEMPTS, rest)


def memory_kills() -> int:
  """Return how many processes the system has killed for memory since boot."""
  try:
    lines = (
      pathlib.Path('/proc/vmstat').read_text(encoding='utf-8').splitlines()
    )
  except OSError:
    return 0
  return sum(int(x.split()[1]) for x in lines if x.startswith('oom_kill '))
