"""Connections between the hosts of one trial: sockets with a shared key."""

import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import Collection
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener

JOIN = 300.0  # Seconds that the hosts have to connect.


class HostsError(RuntimeError):
  """Hosts of the trial did not connect; the message says which."""


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
