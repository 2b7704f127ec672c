"""The processes of a trial on further hosts, as its parent sees them.

Each is started behind words that reach its host: `ssh node2`, or `env` for one
on this machine. Hosts share a file system, and have the same Python there.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from runner.machine import settings
from runner.protocol.attempt_spec import AttemptSpec

LAUNCH = pathlib.Path(__file__).parent / 'remote_start.py'
KEY = 'TIMETRIAL_KEY'  # With which they know each other, in the environment.
LEFT = os.EX_TEMPFAIL  # Exit code of one that the leader has left.
RAISED = 1  # Exit code of one whose program has failed.
# Of the trial's environment, what is for its other hosts as well.
PASSED = re.compile(f'{settings.ALIKE}|^TIMETRIAL_')
# Of what JAX has compiled, other hosts than the first find nothing: it would be
# charged what was found, and wait while the others compile.
ENV = {'JAX_ENABLE_COMPILATION_CACHE': 'false'}
GRACE = 10.0  # Seconds to leave by themselves when the leader has left.
TAIL = 300  # Letters of a log that a reason has.


class Fault(NamedTuple):
  """What ended a trial, and not its own process says."""

  outcome: str
  reason: str
  again: bool  # Whether another attempt may go better.
  always: bool = False  # Whether it counts whatever the process says.


class RemoteHosts(NamedTuple):
  """Processes of one attempt on further hosts; there may be none.

  Attributes:
    leader: The attempt as the leader is told.
    env: Further environment of the leader.
    names: The commands that reach the hosts.
    logs: What the processes print.
    processes: The local ends of the processes.
  """

  leader: AttemptSpec
  env: Mapping[str, str] = {}
  names: tuple[str, ...] = ()
  logs: tuple[pathlib.Path, ...] = ()
  processes: tuple[subprocess.Popen, ...] = ()

  def lost(self) -> str:
    """Why the trial cannot go on, if it cannot."""
    fault = self.fault()
    return fault.reason if fault else ''

  def fault(self) -> Fault | None:
    """Of one that left without the leader."""
    for number, process in enumerate(self.processes):
      code = process.poll()
      if code is None or code in (0, LEFT):
        continue
      name = f'Host {number + 1} ({self.names[number]})'
      code = code if code <= 128 else 128 - code  # As shells tell signals.
      if code < 0:
        how = f'was ended by signal {-code}'
        return Fault('preempted', f'{name} {how}.', True)
      tail = self.logs[number].read_bytes()[-TAIL:].decode(errors='replace')
      said = ' '.join(tail.split())
      reason = f'{name} left with exit code {code}: {said}'
      return Fault('crashed', reason, code != RAISED)
    return None

  def end(self) -> None:
    """Waits for them to leave; makes those that do not."""
    deadline = time.monotonic() + GRACE
    for process in self.processes:
      with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        process.wait(max(0.0, deadline - time.monotonic()))
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # With all it has started.


def free_port() -> int:
  with socket.create_server(('', 0)) as probe:
    return probe.getsockname()[1]


def command(spec: AttemptSpec) -> list[str]:
  """Return the command of an attempt's process."""
  return [sys.executable, '-m', 'runner', 'trial', spec.to_flag()]


@contextlib.contextmanager
def started(
  extra_hosts: Sequence[str],
  spec: AttemptSpec,
  env: Mapping[str, str],
  *,
  secret: str,
) -> Iterator[RemoteHosts]:
  """Start the processes; when the block is left, none of them runs any more.

  Args:
    extra_hosts: Commands that reach each host.
    spec: The attempt, without its hosts.
    env: Environment of the trial.
    secret: Pattern of names of variables that other hosts must not get.
  """
  if not extra_hosts:
    yield RemoteHosts(spec)
    return
  spec = dataclasses.replace(
    spec,
    hosts=1 + len(extra_hosts),
    coordinator=f'{socket.gethostname()}:{free_port()}',
  )
  extra = ENV | {KEY: secrets.token_hex(32)}
  passed = {n: v for n, v in env.items() if PASSED.search(n)}
  told = {
    'secret': secret,
    'folder': os.getcwd(),
    'env': passed | extra,
  }
  folder = pathlib.Path(spec.folder)
  logs = [folder / f'trial_host_{n + 1}.log' for n in range(len(extra_hosts))]
  processes = []
  try:
    for number, (prefix, path) in enumerate(
      zip(extra_hosts, logs, strict=True), 1
    ):
      with path.open('ab') as log:
        words = [*shlex.split(prefix), sys.executable, '-I', str(LAUNCH)]
        process = subprocess.Popen(
          words,
          stdin=subprocess.PIPE,
          stdout=log,
          stderr=log,
          env=dict(env),
          start_new_session=True,
        )
      processes.append(process)
      own = dataclasses.replace(spec, host=number)
      _tell(process, told | {'command': command(own)})
    yield RemoteHosts(
      spec, extra, tuple(extra_hosts), tuple(logs), tuple(processes)
    )
  finally:
    RemoteHosts(spec, processes=tuple(processes)).end()


def _tell(process: subprocess.Popen, what: dict) -> None:
  assert process.stdin is not None
  # One that is gone already has an exit code that tells.
  with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
    pipe.write(json.dumps(what).encode() + b'\n')
