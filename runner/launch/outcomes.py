"""How the process of a trial ended, as the one that started it sees it.

A process that can says itself how its trial ended. What it cannot say, as it
was killed or lost, is said here, and so is what only its parent can measure.
"""

import contextlib
import os
import pathlib
import shutil
import signal
from typing import Any

from runner.launch import child_process, isolation, remote_hosts
from runner.protocol import layout, storage

# Outcomes that need no explanation.
WELL = ('reached', 'budget', 'ended', 'beaten')
LOG = 'trial.log'
TAIL = 20  # Its lines that are kept beside an outcome.
LAST_WORDS = 1 << 16  # Its bytes in which a reason is sought.
BY_OTHERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def lost(folder: pathlib.Path, reason: str) -> None:
  """Writes the end that a lost process has not; for who holds the trial."""
  status = layout.status(folder)
  if status.attempts and status.outcome is None:
    _end(folder, {'attempt': status.last}, 'preempted', reason, True)


def close(
  folder: pathlib.Path,
  attempt: int,
  left: child_process.Exit,
  seen: dict[str, Any],
  killed: bool,
  printed: str,
  fault: remote_hosts.Fault | None = None,
) -> None:
  """Writes down how the process left, and what only its parent can see."""
  events = [
    event
    for event in storage.read_lines(folder / layout.ATTEMPTS)
    if event['attempt'] == attempt  # Not what those before it have said.
  ]
  last = events[-1] if events else {}
  if left.stopped and not left.again:  # Whatever it has said meanwhile.
    fault = remote_hosts.Fault(*death(left, killed, printed))
    last = {}
  if fault and fault.always:
    last = {}
  if last.get('event') == 'end':
    wall = seen['wall_seconds']
    residual = wall - last['own_seconds'] - last['suspended_seconds']
    seen |= {'code': left.code, 'residual_seconds': residual}
    if last['outcome'] not in WELL:
      seen['log'] = _tail(printed)
    layout.event(folder, 'exit', attempt, **seen)
    if invalid := _invalid(last, residual, wall):
      # Whoever went on from it would inherit its clock.
      checkpoint = folder / layout.CHECKPOINT
      with storage.storing(checkpoint), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(checkpoint)
      _end(folder, last, 'invalid', invalid, True)
    elif fault and last['outcome'] in layout.OPEN:
      _end(folder, last, *fault[:3])  # The cause of what it met.
    return
  seen |= {'code': left.code, 'log': _tail(printed)}
  layout.event(folder, 'exit', attempt, **seen)
  if not events:
    # It never came so far.
    layout.event(folder, 'start', attempt, **layout.whereabouts())
  how = fault[:3] if fault else death(left, killed, printed)
  _end(folder, {'attempt': attempt}, *how)


def _invalid(last: dict[str, Any], residual: float, wall: float) -> str:
  """Reason why an attempt is invalid, or ''.

  Args:
    last: The event of its end.
    residual: Seconds on no account.
    wall: Seconds from its start to its end.
  """
  if layout.off_account(residual, wall):
    return (
      f'{residual:.2f} of {wall:.2f} s are on no account of the clock; '
      f'at most {layout.RESIDUAL:.0%} may be.'
    )
  share = layout.held_up(last.get('load', {}))
  if last['outcome'] == 'budget' and share > layout.HELD_UP:
    return (
      f'It missed its budget while others had {share:.0%} of the processor '
      f'time that it wanted; at most {layout.HELD_UP:.0%} may be. Stop what '
      'else runs on the machine.'
    )
  return ''


def death(
  left: child_process.Exit, killed: bool, printed: str
) -> tuple[str, str, bool]:
  """Outcome, reason, and whether another attempt may go better.

  Of a process that did not come to say how it ended itself.
  """
  if left.stopped:
    reason = f'{left.stopped} It was stopped; its stacks are in trial.log.'
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
    return 'oom', f'The process died out of memory: {said[:300]}', False
  return 'crashed', how, left.code < 0


def printed_since(folder: pathlib.Path, start: int) -> str:
  """The end of what one attempt has added to the log, if it is still there."""
  if not (folder / LOG).is_file():  # A pipe would be waited for.
    return ''
  try:
    with (folder / LOG).open('rb') as log:
      end = log.seek(0, os.SEEK_END)
      start = start if start <= end else 0  # It was cut.
      log.seek(max(start, end - LAST_WORDS))
      return log.read().decode(errors='replace')
  except OSError:
    return ''


def _signal(number: int) -> str:
  """Its name; real-time signals have none."""
  try:
    return signal.Signals(number).name
  except ValueError:
    return f'signal {number}'


def _tail(log: str) -> list[str]:
  return log.strip().splitlines()[-TAIL:]


def _end(
  folder: pathlib.Path, last: dict, outcome: str, reason: str, again: bool
) -> None:
  """An end that the trial itself did not write."""
  rest = {'time': layout.now(), 'step': 0, 'seconds': 0.0, 'accounts': {}}
  rest |= last
  rest |= {'event': 'end', 'outcome': outcome, 'reason': reason, 'again': again}
  storage.append_line(folder / layout.ATTEMPTS, rest)


def memory_kills() -> int:
  """How many processes the system has killed for memory since it booted."""
  try:
    lines = (
      pathlib.Path('/proc/vmstat').read_text(encoding='utf-8').splitlines()
    )
  except OSError:
    return 0
  return sum(int(x.split()[1]) for x in lines if x.startswith('oom_kill '))
