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
from typing import Any, NamedTuple

import jax

from runner.launch.child_process import leave_at_once
from runner.launch.remote_hosts import KEY, LEFT, free_port
from runner.trial.clock import own

JOIN = 300.0  # Seconds for all to come together.
OVER = 'over'


class Place(NamedTuple):
  """Of a process among those of its trial."""

  number: int = 0
  count: int = 1
  coordinator: str = ''  # 'host:port' of the leader's socket.


class Hosts(NamedTuple):
  """This process among those of its trial; alone if nothing else is said.

  Attributes:
    number: Of this one; the leader is 0.
    agree: (what, ask) -> the leader's answer; `ask` is called there only.
    asked: Whether a host asks all to leave.
    leave: Asks so.
    close: The trial is over.
  """

  number: int = 0
  agree: Callable[[str, Callable[[], Any]], Any] = own
  asked: Callable[[], bool] = lambda: False
  leave: Callable[[], None] = lambda: None
  close: Callable[[], None] = lambda: None


def join(place: Place) -> Hosts:
  """Finds the others, and has JAX see the devices of all.

  To be called before JAX is used, with a key in the environment.
  """
  if place.count == 1:
    return Hosts()
  key = bytes.fromhex(os.environ.pop(KEY))
  name, _, port = place.coordinator.rpartition(':')
  if place.number == 0:
    hosts = leader(accepted(int(port), key, place.count - 1))
  else:
    hosts = follower(place.number, called(name, int(port), key))
  jax.distributed.initialize(
    f'{name}:{hosts.agree("port", free_port)}',
    place.count,
    place.number,
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


def leader(followers: list[Connection]) -> Hosts:
  def agree(what: str, ask: Callable[[], Any]) -> Any:
    answer = ask()
    for one in followers:
      one.send((what, answer))
    return answer

  def asked() -> bool:
    return any(one.poll() for one in followers)

  def close() -> None:
    """Followers leave first: JAX ends them noisily when the leader is gone."""
    for one in followers:
      with contextlib.suppress(OSError, EOFError):  # It has left.
        one.send((OVER, None))
        while one.poll(1.0):
          one.recv()

  return Hosts(0, agree, asked, close=close)


def follower(
  number: int, to: Connection, end: Callable[[int], None] = leave_at_once
) -> Hosts:
  """Of a process that the leader ends: by a word, or by being gone.

  Args:
    number: Its own.
    to: The leader.
    end: Ends the process with a code.
  """
  answers: queue.SimpleQueue = queue.SimpleQueue()

  def listen() -> None:
    try:
      while (answer := to.recv())[0] != OVER:
        answers.put(answer)
    except (OSError, EOFError):
      print('The first host is gone.', file=sys.stderr)
      end(LEFT)
    else:
      end(0)

  def agree(what: str, ask: Callable[[], Any]) -> Any:
    del ask
    about, answer = answers.get()
    if about != what:
      raise RuntimeError(
        f'Host {number} asks for {what!r} where the first one asked for '
        f'{about!r}: does the submission depend on more than it is handed?'
      )
    return answer

  def leave() -> None:
    with contextlib.suppress(OSError):  # The leader has left before.
      to.send('leave')

  threading.Thread(target=listen, daemon=True).start()
  return Hosts(number, agree, leave=leave)
