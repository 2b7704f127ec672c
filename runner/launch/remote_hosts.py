"""Processes of a trial on remote hosts, as the trial's parent sees them.

Each process is started by a command that reaches its host, such as `ssh node2`,
or `env` for a process on this machine. All hosts share a file system with the
same Python.
"""

import contextlib
import dataclasses
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
from runner.protocol.records.starts import RemoteStart

LAUNCH = pathlib.Path(__file__).parent / 'remote_start.py'
KEY = 'TIMETRIAL_KEY'  # Environment variable with the hosts' shared secret.
LEFT = os.EX_TEMPFAIL  # Exit code of a host after its leader has left.
RAISED = 1  # Exit code of a host whose program raised an exception.
# Names of the trial's environment variables that remote hosts get as well.
PASSED = re.compile(f'{settings.ALIKE}|^TIMETRIAL_')
# Remote hosts do not use the compilation cache. Otherwise the trial would be
# charged for found programs and also wait while other hosts compile.
ENV = {'JAX_ENABLE_COMPILATION_CACHE': 'false'}
GRACE = 10.0  # Seconds that remote hosts have to exit after the leader.
TAIL = 300  # Bytes of a log that a reason shows.


class Fault(NamedTuple):
  """Outcome of a trial that its own process did not write."""

  outcome: str
  reason: str
  again: bool  # True if another attempt may succeed.
  always: bool = False  # True if it overrides the process's own outcome.


class RemoteHosts(NamedTuple):
  """Processes of one attempt on remote hosts; there may be none.

  Attributes:
    leader: Specification of the attempt for the leader.
    env: Additional environment variables of the leader.
    names: Commands that reach the hosts.
    logs: Files with the text that the processes print.
    processes: Local processes that run the commands.
  """

  leader: AttemptSpec
  env: Mapping[str, str] = {}
  names: tuple[str, ...] = ()
  logs: tuple[pathlib.Path, ...] = ()
  processes: tuple[subprocess.Popen, ...] = ()

  def lost(self) -> str:
    """Return why the trial cannot go on, or ''."""
    fault = self.fault()
    return fault.reason if fault else ''

  def fault(self) -> Fault | None:
    """Return why a remote host exited before the leader; None if none did."""
    for number, process in enumerate(self.processes):
      code = process.poll()
      if code is None or code in (0, LEFT):
        continue
      name = f'Host {number + 1} ({self.names[number]})'
      # Shells report signal n as exit code 128 + n.
      code = code if code <= 128 else 128 - code
      if code < 0:
        how = f'was ended by signal {-code}'
        return Fault('preempted', f'{name} {how}.', True)
      tail = self.logs[number].read_bytes()[-TAIL:].decode(errors='replace')
      said = ' '.join(tail.split())
      reason = f'{name} exited with code {code}: {said}'
      return Fault('crashed', reason, code != RAISED)
    return None

  def end(self) -> None:
    """Wait GRACE seconds for the processes to exit, then kill them."""
    deadline = time.monotonic() + GRACE
    for process in self.processes:
      with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        process.wait(max(0.0, deadline - time.monotonic()))
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # Kills its children as well.


def free_port() -> int:
  """Return a free TCP port of this host."""
  with socket.create_server(('', 0)) as probe:
    return probe.getsockname()[1]


def command(spec: AttemptSpec) -> list[str]:
  """Return the command of an attempt's process.

  With -P, modules in the working folder do not come before ours.
  """
  return [sys.executable, '-P', '-m', 'runner.process', 'trial', spec.to_flag()]


@contextlib.contextmanager
def started(
  extra_hosts: Sequence[str],
  spec: AttemptSpec,
  env: Mapping[str, str],
  *,
  secret: str,
) -> Iterator[RemoteHosts]:
  """Start processes on remote hosts; end them when the block is left.

  Args:
    extra_hosts: Command that reaches each host.
    spec: The attempt, without its hosts.
    env: Environment of the trial.
    secret: Pattern of names of variables that remote hosts must not get.
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
      told = RemoteStart(
        secret=secret,
        folder=os.getcwd(),
        env=passed | extra,
        command=command(own),
      )
      _tell(process, told)
    yield RemoteHosts(
      spec, extra, tuple(extra_hosts), tuple(logs), tuple(processes)
    )
  finally:
    RemoteHosts(spec, processes=tuple(processes)).end()


def _tell(process: subprocess.Popen, what: RemoteStart) -> None:
  assert process.stdin is not None
  # A process that has ended already is reported by its exit code.
  with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
    pipe.write(what.to_line().encode())
