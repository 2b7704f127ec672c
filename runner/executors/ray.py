"""Trials as tasks of a Ray cluster.

A task requests all cores and accelerators of a node, so that no other task runs
there. Tasks end with the process that has started them. A trial saves its state
when its task is cancelled.
"""

import contextlib
import logging
import os
import platform
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from runner.launch import child_process, environment
from runner.protocol import layout
from runner.protocol.plan import Plan
from runner.protocol.records import ray_nodes

# Seconds that a trial has to save its state.
LEAVE = child_process.LEAVE + 10.0
LAST_WORDS = 300  # Characters of a command's output that are kept.
# Command of util-linux. A trial ends at once if Ray's process is killed: Ray
# then gives the node to another task.
BOUND = ('setpriv', '--pdeathsig', 'KILL', '--')


class Ray:
  """Ray cluster as a scheduler: a task for each command."""

  def __init__(self, plan: Plan, options: Mapping[str, str]):
    """Connect to a cluster.

    Args:
      plan: The plan to run; its machine is the kind of the nodes.
      options: 'address' of the cluster, if this machine is not in it.

    Raises:
      ValueError: Ray, the cluster or a node of the plan's kind is missing.
    """
    self._ray = _connected(options)
    machine = plan.machine
    cores, cards = machine.cores, len(machine.accelerators)
    needs = {'CPU': cores, 'GPU': cards}
    _check_nodes(self._ray.nodes(), plan.machine.name, needs)
    path = environment.python_path()
    self._task = self._ray.remote(
      num_cpus=cores,
      num_gpus=cards,
      max_retries=0,  # The runner itself counts attempts.
      runtime_env={'env_vars': {'PYTHONPATH': path}},
    )(_work)
    self._tasks: dict[str, Any] = {}

  def submit(self, commands: Sequence[list[str]]) -> list[str]:
    """Send commands as tasks; return the tasks' ids."""
    sent = {ref.hex(): ref for ref in map(self._task.remote, commands)}
    self._tasks.update(sent)
    return list(sent)

  def ended(self, jobs: Collection[str]) -> dict[str, str]:
    """Return, for each of these tasks that is over, how the task ended."""
    mine = [self._tasks[job] for job in jobs if job in self._tasks]
    done = _done(self._ray, mine, 0.0)
    unknown = [job for job in jobs if job not in self._tasks]
    gone = dict.fromkeys(unknown, 'Ray does not know the task any more.')
    return gone | {ref.hex(): _how(self._ray, ref) for ref in done}

  def leave(self) -> str:
    """Cancel the tasks, so that trials save their state; return a message."""
    refs = list(self._tasks.values())
    for ref in refs:
      self._ray.cancel(ref)
    _done(self._ray, refs, LEAVE)
    return 'Ray tasks were asked to save their state and leave.'


def _connected(options: Mapping[str, str]):
  if strange := options.keys() - {'address'}:
    raise ValueError(
      f'--engine=ray has no option {", ".join(sorted(strange))}. The only '
      'option is address.'
    )
  try:
    import ray  # noqa: PLC0415  # pyrefly: ignore
  except ImportError as error:
    raise ValueError(
      '--engine=ray needs Ray, which is not installed: .venv/bin/pip install '
      "'ray>=2.50'"
    ) from error
  address = options.get('address', 'auto')
  asked_to_leave = signal.getsignal(signal.SIGTERM)
  try:
    ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
  except ConnectionError as error:
    where = 'on this machine' if address == 'auto' else f'at {address}'
    raise ValueError(
      f'--engine=ray: there is no cluster {where}. Start one: '
      '`RAY_worker_niceness=0 ray start --head` on one machine, and on the '
      'others `RAY_worker_niceness=0 ray start --address=...` as it prints.'
    ) from error
  # Ray's own handler would abort this process.
  signal.signal(signal.SIGTERM, asked_to_leave)
  return ray


def _check_nodes(nodes: list[dict], kind: str, needs: dict[str, int]) -> None:
  """Raise ValueError if no node is suitable: tasks would wait for ever."""
  have = ray_nodes.resources(nodes)
  if not any(
    all(one.get(name, 0.0) >= count for name, count in needs.items())
    for one in have
  ):
    counts = [{n: one.get(n, 0.0) for n in needs} for one in have]
    raise ValueError(
      f'--engine=ray: no node of the cluster has the resources of {kind}, '
      f'{needs}. The nodes have {counts}. Add a node of this kind, or name '
      'another --hardware.'
    )


def _work(words: list[str]) -> str:
  """Run a command in a process of Ray; return how the command ended."""
  import ray  # noqa: PLC0415  # pyrefly: ignore

  if os.nice(0):  # Ray's workers have a low priority; trials must not.
    try:
      os.setpriority(os.PRIO_PROCESS, 0, 0)
    except PermissionError:
      return (
        f'Ray runs its tasks at niceness {os.nice(0)}, which makes them slow. '
        'Start Ray again: RAY_worker_niceness=0 ray start ...'
      )
  here = ray.get_runtime_context()
  job = f'ray:{str(here.get_task_id())[:16]}@{here.get_node_id()[:8]}'
  own = os.environ | {layout.HOST: platform.node(), layout.JOB: job}
  # Ray sets this variable to the cores of a task; trials elsewhere lack it.
  own.pop('OMP_NUM_THREADS', None)
  process = subprocess.Popen(
    [*BOUND, *words],
    env=own,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    errors='replace',
  )
  printed = None
  try:
    while printed is None:  # A blocking call would not notice ray.cancel.
      with contextlib.suppress(subprocess.TimeoutExpired):
        printed, _ = process.communicate(timeout=1.0)
  except BaseException:  # Mostly ray.cancel, which asks the task to leave.
    process.terminate()
    process.wait(LEAVE)
    raise
  lines = printed.strip().splitlines()
  last = lines[-1][-LAST_WORDS:] if lines else ''
  return f'Its command exited with {process.returncode}. {last}'.strip()


def _done(ray, refs: list, timeout: float) -> list:
  if not refs:
    return []
  done, _ = ray.wait(refs, num_returns=len(refs), timeout=timeout)
  return done


def _how(ray, ref) -> str:
  try:
    return ray.get(ref)
  except ray.exceptions.RayError as error:  # A node or a process was lost.
    return f'{type(error).__name__}: {str(error).strip()[:LAST_WORDS]}'
