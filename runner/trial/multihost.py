"""Agreement between the processes of one trial, one per host.

All processes run the same program, each for the devices and rows of its host.
Only the first host, the leader, asks its clock and signals. The n-th question
on another host, a follower, has the leader's n-th answer. Answers go over
sockets, not over devices; the leader does not wait for followers.
"""

import contextlib
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, Protocol

import jax

from runner.launch.child_process import leave_at_once
from runner.launch.remote_hosts import KEY, LEFT, free_port
from runner.protocol.attempt_spec import AttemptSpec
from runner.trial.clock import own

JOIN = 300.0  # Seconds that the hosts have to connect.
OVER = 'over'


class HostsError(RuntimeError):
  """Hosts of the trial did not connect; the message says which."""


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
    HostsError: a host did not connect within JOIN seconds.
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


def accepted(
  port: int, key: bytes, count: int, limit: float = JOIN
) -> list[Connection]:
  """Accept connections of followers that know the key, in their order.

  Args:
    port: TCP port to listen on.
    key: The hosts' shared secret.
    count: Number of followers to wait for.
    limit: Seconds to wait for all of them.

  Raises:
    HostsError: a follower did not connect.
  """
  deadline = time.monotonic() + limit
  came: queue.SimpleQueue[tuple[int, Connection]] = queue.SimpleQueue()
  found: dict[int, Connection] = {}
  over = threading.Event()
  with Listener(('', port), backlog=count, authkey=key) as listener:
    # A thread, because no limit ends `accept`, nor a stranger that is silent.
    threading.Thread(
      target=_accept, args=(listener, came, over), daemon=True
    ).start()
    try:
      while len(found) < count:
        left = max(0.0, deadline - time.monotonic())
        number, connection = came.get(timeout=left)
        found[number] = connection
    except queue.Empty as error:
      raise HostsError(_missing(found.keys(), count, limit)) from error
    finally:
      over.set()
      _wake(port)
  return [connection for _, connection in sorted(found.items())]


def _accept(
  listener: Listener, came: queue.SimpleQueue, over: threading.Event
) -> None:
  """Accept followers until `over` is set; put them with their numbers."""
  while not over.is_set():
    try:
      connection = listener.accept()
      number = connection.recv()
    except (AuthenticationError, OSError, EOFError):
      continue  # A process without the key.
    with socket.socket(fileno=os.dup(connection.fileno())) as plain:
      plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    came.put((number, connection))


def _wake(port: int) -> None:
  """Connect to this host's port, so that a thread leaves `accept`."""
  with (
    contextlib.suppress(OSError),
    socket.create_connection(('localhost', port), timeout=1.0),
  ):
    pass


def _missing(found: Collection[int], count: int, limit: float) -> str:
  missing = [number for number in range(1, count + 1) if number not in found]
  names = ', '.join(f'host {number}' for number in missing)
  logs = ', '.join(f'trial_host_{number}.log' for number in missing)
  return (
    f'{len(found)} of {count} other hosts connected within {limit:.0f} s; '
    f'missing: {names}. Each must reach this host and run the same Python. '
    f'See {logs} in the folder of the trial.'
  )


def called(name: str, port: int, key: bytes, number: int) -> Connection:
  """Connect to the leader, trying for JOIN seconds.

  Args:
    name: Host name of the leader.
    port: TCP port of the leader.
    key: The hosts' shared secret.
    number: Number of this host, from 1.

  Raises:
    OSError: the leader does not answer.
  """
  deadline = time.monotonic() + JOIN
  while True:
    try:
      leader = Client((name, port), authkey=key)
      leader.send(number)
      return leader
    except OSError:
      if time.monotonic() > deadline:
        raise
      time.sleep(0.1)


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
