"""Seccomp of Linux: system calls that a trial has no use for, and others would.

Landlock does not know them. Some change how other processes of the same user
are scheduled and limited, its runner above all. Others leave something in the
kernel's memory that a later trial could read.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runner.launch import landlock

FILTER, KEEP_SPEED = 1, 1 << 2  # A filter; without slower branch prediction.
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # Of the kernel's packet filter.
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
NUMBER, PROCESSOR, ARGUMENTS = 0, 4, 16  # Places in what a filter reads.
X32 = 0x40000000  # Other numbers of x86-64's calls begin here.
AT_LEAST = 0x35


class Calls(NamedTuple):
  """Numbers of system calls on one kind of processor.

  Attributes:
    name: The processor in the kernel's audit interface.
    seccomp: The call that installs a filter.
    of_process: Calls whose first argument is a process; 0 is the caller.
    setpriority: Its arguments are a kind, 0 for processes, and a process.
    ioprio_set: The same; 1 for processes.
    never: Calls that trials do without.
  """

  name: int
  seccomp: int
  of_process: tuple[int, ...]
  setpriority: int
  ioprio_set: int
  never: tuple[int, ...]


# sched_setparam, sched_setscheduler, sched_setaffinity, sched_setattr,
# prlimit64, migrate_pages, move_pages; and then add_key, request_key, keyctl,
# shmget, semget, msgget, mq_open.
KNOWN = {
  'x86_64': Calls(
    name=0xC000003E,
    seccomp=317,
    of_process=(142, 144, 203, 314, 302, 256, 279),
    setpriority=141,
    ioprio_set=251,
    never=(248, 249, 250, 29, 64, 68, 240),
  ),
  'aarch64': Calls(
    name=0xC00000B7,
    seccomp=277,
    of_process=(118, 119, 122, 274, 261, 238, 239),
    setpriority=140,
    ioprio_set=30,
    never=(217, 218, 219, 194, 190, 186, 180),
  ),
}


def restrict() -> str:
  """Refuse such calls to this process for ever; return why not, or ''.

  It must have given up new privileges, and have no threads.
  """
  calls = KNOWN.get(platform.machine())
  if sys.platform != 'linux' or calls is None:
    return 'not on this processor'
  lines = program(calls, os.getpid())
  code = ctypes.create_string_buffer(b''.join(lines))
  pointer = struct.pack('=HxxxxxxQ', len(lines), ctypes.addressof(code))
  libc = ctypes.CDLL(None, use_errno=True)
  libc.prctl(landlock.NO_NEW_PRIVS, 1, 0, 0, 0)
  words = [ctypes.c_long(x) for x in (calls.seccomp, FILTER, KEEP_SPEED)]
  if libc.syscall(*words, pointer):
    return os.strerror(ctypes.get_errno())
  return ''


def program(calls: Calls, own: int) -> list[bytes]:
  """Return the filter, an instruction each.

  Args:
    calls: Numbers of the processor.
    own: The process that it is for.
  """
  rules: list[tuple[int, Mapping[int, Sequence[int]]]] = [
    *((number, {}) for number in calls.never),
    *((number, {0: (0, own)}) for number in calls.of_process),
    (calls.setpriority, {0: (0,), 1: (0, own)}),
    (calls.ioprio_set, {0: (1,), 1: (0, own)}),
  ]
  found = [
    _line(LOAD, PROCESSOR),
    _line(EQUAL, calls.name, 1, 0),
    _line(RETURN, REFUSE),
    _line(LOAD, NUMBER),
    _line(AT_LEAST, X32, 0, 1),
    _line(RETURN, REFUSE),
  ]
  for number, arguments in rules:
    checked = _checked(arguments)
    found += [_line(EQUAL, number, 0, len(checked)), *checked]
  return [*found, _line(RETURN, ALLOW)]


def _checked(arguments: Mapping[int, Sequence[int]]) -> list[bytes]:
  """Return lines that refuse a call unless its arguments have such values."""
  found = []
  for place, values in arguments.items():
    found.append(_line(LOAD, ARGUMENTS + 8 * place))
    for left, value in zip(range(len(values), 0, -1), values, strict=True):
      found.append(_line(EQUAL, value, left, 0))
    found.append(_line(RETURN, REFUSE))
  return [*found, _line(RETURN, ALLOW if arguments else REFUSE)]


def _line(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
  return struct.pack('=HBBI', code, true, false, value)
