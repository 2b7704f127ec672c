"""Processes that other commands start: `python -m runner.process trial|exam`.

A trial imports this module instead of the command line, which would take longer
than all else that a trial needs of the runner.
"""

import faulthandler
import os
import sys
import traceback
from collections.abc import Sequence

from runner.launch import child_process, descendants, isolation
from runner.protocol import attempt_spec
from workloads import standard_streams

WRONG = 2  # Exit code for a wrong command, flag or value.


def main(words: Sequence[str]) -> int:
  """Be one of the processes; return its exit code.

  Args:
    words: 'trial' with its flags, or 'exam'.
  """
  standard_streams.start()
  faulthandler.enable()
  try:
    match words:
      case ['exam']:
        return exam()
      case ['trial', *flags]:
        split = [flag.partition('=') for flag in flags]
        given = {name: value for name, _, value in split}
        spec = attempt_spec.parse(given.get('--spec', ''))
        return trial(spec, int(given.get('--progress_fd', '-1')))
    raise ValueError(
      f'There is no process {" ".join(words)!r}: the harness starts `exam` and '
      '`trial`. Use `timetrial run`.'
    )
  except ValueError as error:
    print(f'Error: {error}', file=sys.stderr)
    return WRONG


def trial(spec: attempt_spec.AttemptSpec, progress_fd: int) -> int:
  """Run one trial in this process, then end the process at once.

  A normal exit would take time that is counted, and JAX would wait for hosts
  that have ended.

  Args:
    spec: The attempt.
    progress_fd: File descriptor for progress events.
  """
  isolation.limit(spec.memory_gib)
  child_process.answer_for_stacks()
  child_process.keep_to_itself()
  descendants.adopt_orphans()
  if not os.environ.get('PYTHONSAFEPATH'):
    # After all packages; `remote_hosts.command` keeps it from the first place.
    sys.path.append(os.getcwd())
  isolation.confine(spec)
  from runner.trial import multihost, worker  # noqa: PLC0415  Import JAX.
  from runner.trial.hosts import connecting  # noqa: PLC0415  The same.

  try:
    hosts = multihost.join(spec)
  except connecting.HostsError as error:
    print(error, file=sys.stderr, flush=True)
    child_process.leave_at_once(os.EX_IOERR)  # Another attempt may succeed.
  try:
    code = worker.main(spec, worker.progress_to(progress_fd), hosts)
  except Exception:
    traceback.print_exc()
    code = 1
  child_process.leave_at_once(code)


def exam() -> int:
  """Be the process that evaluates models again: no submission runs in it.

  Requests come on standard input. Answers go to what standard output was, as
  libraries print there, too.
  """
  isolation.limit(None)
  answers = os.fdopen(os.dup(1), 'w', buffering=1, encoding='utf-8')
  os.dup2(2, 1)
  from runner.trial import exam as exams  # noqa: PLC0415  Imports JAX.

  exams.serve(
    sys.stdin,
    lambda told: print(told.to_line(), end='', file=answers, flush=True),
  )
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
