"""Agreement between the processes of one trial, one per host.

All processes run the same program, each for the devices and rows of its host.
Only the first host, the leader, asks its clock and signals. The n-th question
on another host, a follower, has the leader's n-th answer. Answers go over
sockets, not over devices; the leader does not wait for followers.
"""

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Protocol

import jax

from runner.launch.child_process import leave_at_once
from runner.launch.remote_hosts import KEY, LEFT, free_port
from runner.protocol.attempt_spec import AttemptSpec
from runner.trial.clock import own
from runner.trial.hosts.connecting import accepted, called

OVER = 'over'


class Hosts(Protocol):
  """This process among the processes of its trial.

  Attributes:
    number: Number of this process; 0 is the leader.
  """

  number: int

  def agree(self, what: str, ask: Callable[[], Any]) -> Any:
    """Return the leader's answer; only the leader calls `ask`."""
    ...

  def asked(self) -> bool:
    """Test whether a follower asks all hosts to leave."""
    ...

  def leave(self) -> None:
    """Ask all hosts to leave."""
    ...

  def close(self) -> None:
    """End the trial on all hosts."""
    ...


class Alone:
  """The only process of its trial."""

  number = 0

  def agree(self, what: str, ask: Callable[[], Any]) -> Any:
    """Return the answer of this process."""
    return own(what, ask)

  def asked(self) -> bool:
    """Return False: there is no follower."""
    return False

  def leave(self) -> None:
    """Do nothing: there is no other host."""

  def close(self) -> None:
    """Do nothing: there is nothing to close."""


def join(spec: AttemptSpec) -> Hosts:
  """Connect the hosts of an attempt, and let JAX see all their devices.

  Call this function before JAX is used. With several hosts, the environment
  variable KEY must be set.

  Raises:
    HostsError: a host did not connect in time.
  """
  if spec.hosts == 1:
    return Alone()
  key = bytes.fromhex(os.environ.pop(KEY))
  name, _, port = spec.coordinator.rpartition(':')
  if spec.host == 0:
    hosts = Leader(accepted(int(port), key, spec.hosts - 1))
  else:
    hosts = Follower(spec.host, called(name, int(port), key, spec.host))
  jax.distributed.initialize(
    f'{name}:{hosts.agree("port", free_port)}',
    spec.hosts,
    spec.host,
    cluster_detection_method='deactivate',  # Every host has one process.
  )
  return hosts


class Leader:
  """The first process, which answers for all hosts without waiting."""

  number = 0

  def __init__(self, followers: list[Connection]):
    self._followers = followers

  def agree(self, what: str, ask: Callable[[], Any]) -> Any:
    """Answer, and send the answer to all followers."""
    answer = ask()
    for one in self._followers:
      one.send((what, answer))
    return answer

  def asked(self) -> bool:
    """Test whether a follower asks all hosts to leave."""
    return any(one.poll() for one in self._followers)

  def leave(self) -> None:
    """Do nothing: followers receive the leader's answer to 'leaving'."""

  def close(self) -> None:
    """End the followers first: JAX ends them noisily after the leader."""
    for one in self._followers:
      with contextlib.suppress(OSError, EOFError):  # The follower has left.
        one.send((OVER, None))
        while one.poll(1.0):
          one.recv()


class Follower:
  """A process that ends with the leader: on its message, or if it is gone."""

  def __init__(
    self,
    number: int,
    leader: Connection,
    end: Callable[[int], None] = leave_at_once,
  ):
    """Start to listen to the leader.

    Args:
      number: Number of this process, from 1.
      leader: Connection to the leader.
      end: Ends the process with a code.
    """
    self.number = number
    self._leader = leader
    self._end = end
    self._answers: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=self._listen, daemon=True).start()

  def agree(self, what: str, ask: Callable[[], Any]) -> Any:
    """Return the leader's answer to the same question."""
    del ask
    about, answer = self._answers.get()
    if about != what:
      raise RuntimeError(
        f'Host {self.number} asks for {what!r} where the first host asked for '
        f'{about!r}. All hosts must take the same steps: make the submission '
        'depend only on its arguments, not on the host or the time.'
      )
    return answer

  def asked(self) -> bool:
    """Return False: the leader's answer counts."""
    return False

  def leave(self) -> None:
    """Ask the leader to leave."""
    with contextlib.suppress(OSError):  # The leader has left before.
      self._leader.send('leave')

  def close(self) -> None:
    """Do nothing: the leader ends this process."""

  def _listen(self) -> None:
    try:
      while (answer := self._leader.recv())[0] != OVER:
        self._answers.put(answer)
    except (OSError, EOFError):
      print('The connection to the first host is lost.', file=sys.stderr)
      self._end(LEFT)
    else:
      self._end(0)
