"""The processes of one trial, one a host, which have to decide alike.

All run the same program, each for the devices and the rows of its host. What
depends on a clock or a signal is asked of the first host alone, the leader: the
n-th question on another one, a follower, has the leader's n-th answer. Answers
go over sockets and no device; the leader waits for nobody.
"""

import contextlib
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, Protocol

import jax

from runner.launch.child_process import leave_at_once
from runner.launch.remote_hosts import KEY, LEFT, free_port
from runner.protocol.attempt_spec import AttemptSpec
from runner.trial.clock import own

JOIN = 300.0  # Seconds for all to come together.
OVER = 'over'


class Hosts(Protocol):
  """This process among those of its trial.

  Attributes:
    number: Number of this process; 0 is the leader.
  """

  number: int

  def agree(self, what: str, ask: Callable[[], Any]) -> Any:
    """Return the leader's answer; `ask` is called by the leader only."""
    ...

  def asked(self) -> bool:
    """Return whether a follower asks all to leave."""
    ...

  def leave(self) -> None:
    """Ask all to leave."""
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
    """Do nothing: there is nobody to ask."""

  def close(self) -> None:
    """Do nothing: there is nothing to close."""


def join(spec: AttemptSpec) -> Hosts:
  """Connect the hosts of an attempt, and let JAX see the devices of all.

  It must be called before JAX is used, with a key in the environment.
  """
  if spec.hosts == 1:
    return Alone()
  key = bytes.fromhex(os.environ.pop(KEY))
  name, _, port = spec.coordinator.rpartition(':')
  if spec.host == 0:
    hosts = Leader(accepted(int(port), key, spec.hosts - 1))
  else:
    hosts = Follower(spec.host, called(name, int(port), key))
  jax.distributed.initialize(
    f'{name}:{hosts.agree("port", free_port)}',
    spec.hosts,
    spec.host,
    cluster_detection_method='deactivate',  # A host has one process here.
  )
  return hosts


def accepted(port: int, key: bytes, count: int) -> list[Connection]:
  found = []
  with Listener(('', port), backlog=count, authkey=key) as listener:
    while len(found) < count:
      try:
        found.append(listener.accept())
      except (AuthenticationError, OSError, EOFError):
        continue  # A stranger.
      with socket.socket(fileno=os.dup(found[-1].fileno())) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
  return found


def called(name: str, port: int, key: bytes) -> Connection:
  deadline = time.monotonic() + JOIN
  while True:
    try:
      return Client((name, port), authkey=key)
    except OSError:
      if time.monotonic() > deadline:
        raise
      time.sleep(0.1)


class Leader:
  """The first process, which answers for all and waits for nobody."""

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
    """Return whether a follower asks all to leave."""
    return any(one.poll() for one in self._followers)

  def leave(self) -> None:
    """Do nothing: the caller's own answers tell the followers."""

  def close(self) -> None:
    """End the followers first: JAX ends them noisily after the leader."""
    for one in self._followers:
      with contextlib.suppress(OSError, EOFError):  # It has left.
        one.send((OVER, None))
        while one.poll(1.0):
          one.recv()


class Follower:
  """A process that the leader ends: by a word, or by being gone."""

  def __init__(
    self,
    number: int,
    leader: Connection,
    end: Callable[[int], None] = leave_at_once,
  ):
    """Listen to the leader from now on.

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
        f'Host {self.number} asks for {what!r} where the first one asked for '
        f'{about!r}: does the submission depend on more than it is handed?'
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
      print('The first host is gone.', file=sys.stderr)
      self._end(LEFT)
    else:
      self._end(0)
