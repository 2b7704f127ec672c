"""Run thirty trials on a real Slurm of three nodes, and kill one node.

The nodes are virtual: daemons on this machine. On Debian, as root:

    apt-get install slurmctld slurmd slurm-client munge
    .venv/bin/pip install 'submitit>=1.5'
    .venv/bin/python -m tests.benchmarks.fleet_slurm

The benchmark ends its own daemons afterwards.
"""

import contextlib
import os
import pathlib
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

from tests.benchmarks import fleet

NODES = ('n1', 'n2', 'n3')
PORT = 17000
CONF = """
ClusterName=virtual
SlurmctldHost={host}
SlurmUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool.%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.%n.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SchedulerType=sched/backfill
SlurmdTimeout=10
ReturnToService=1
MpiDefault=none
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextlib.contextmanager
def slurm(home: pathlib.Path) -> Iterator[dict[str, subprocess.Popen]]:
  """Start Slurm's daemons and yield them by name.

  SLURM_CONF in the environment tells all programs where the daemons are.
  """
  host = socket.gethostname().split('.')[0]
  nodes = '\n'.join(
    f'NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 '
    f'Port={PORT + n} CPUs=2 RealMemory=4000'
    for n, node in enumerate(NODES, start=1)
  )
  conf = home / 'slurm.conf'
  conf.write_text(CONF.format(home=home, host=host, port=PORT, nodes=nodes))
  (home / 'state').mkdir()
  key = home / 'munge.key'
  key.write_bytes(secrets.token_bytes(128))
  key.chmod(0o400)
  os.environ['SLURM_CONF'] = str(conf)
  munge = [
    'munged',
    '--force',
    '--foreground',
    f'--key-file={key}',
    f'--socket={home}/munge.socket',
    f'--pid-file={home}/munge.pid',
    f'--log-file={home}/munge.log',
    f'--seed-file={home}/munge.seed',
  ]
  daemons: dict[str, subprocess.Popen] = {}
  with (home / 'daemons.log').open('w') as log:

    def start(name: str, *words: str) -> None:
      daemons[name] = subprocess.Popen(words, stdout=log, stderr=log)

    try:
      start('munged', *munge)
      time.sleep(1)
      start('slurmctld', 'slurmctld', '-D')
      time.sleep(2)
      for node in NODES:
        start(node, 'slurmd', '-D', '-N', node)
      deadline = time.monotonic() + 60
      while _idle() < len(NODES):
        if time.monotonic() > deadline:
          raise SystemExit(f'Slurm does not start. Read the logs in {home}.')
        time.sleep(1)
      yield daemons
    finally:
      subprocess.run(['scancel', '--me'], check=False)
      for daemon in reversed(daemons.values()):
        daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
          daemon.wait(20)
        daemon.kill()


def _idle() -> int:
  command = ['sinfo', '--noheader', '--Node', '--format=%t']
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  return done.stdout.split().count('idle')


def _step(pid: int) -> int | None:
  """Return the process id of the slurmstepd that started a process, or None."""
  with contextlib.suppress(OSError):
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    parent = stat.rpartition(')')[2].split()[1]
    comm = pathlib.Path(f'/proc/{parent}/comm').read_text()
    return int(parent) if comm.startswith('slurmstepd') else None
  return None


def main() -> None:
  """Run the race on Slurm."""
  home = pathlib.Path(tempfile.mkdtemp(prefix='timetrial-slurm-'))
  home.chmod(0o755)
  with slurm(home) as daemons:

    def lose(node: str) -> None:
      """Kill all processes of a node: the daemon, its steps, the trial."""
      daemons[node].kill()
      own = fleet.with_variable('SLURMD_NODENAME', node)
      fleet.kill([*filter(None, map(_step, own)), *own])

    fleet.race(home, 'slurm', lambda start: start['host'], lose)


if __name__ == '__main__':
  main()
