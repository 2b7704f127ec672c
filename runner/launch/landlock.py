"""Landlock of Linux: what a process gives up of the file system, for ever.

No privilege is needed, and none brings back what was given up: it holds for all
threads and processes that are started later. Landlock knows allowances only. So
a folder is kept unread by allowing what lies beside the path to it.
"""

import contextlib
import ctypes
import functools
import importlib.abc
import importlib.util
import os
import pathlib
import platform
import stat
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from typing import NamedTuple

# Numbers of system calls, the same on these processors.
PROCESSORS = ('x86_64', 'aarch64', 'ppc64le', 's390x', 'riscv64')
CREATE, ADD, RESTRICT = 444, 445, 446
VERSION = 1  # A flag of CREATE: tell the version of the interface.
BENEATH = 1  # A kind of rule: all beneath a path.
NO_NEW_PRIVS = 38  # Of prctl; the kernel asks for it.

# Rights on files, as bits; and the version that each began with.
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))  # Make and remove.
REFER, TRUNCATE, IOCTL = 1 << 13, 1 << 14, 1 << 15
SINCE = {REFER: 2, TRUNCATE: 3, IOCTL: 5}
READ = READ_FILE | READ_DIR
WRITE = WRITE_FILE | CHANGE_FOLDER | REFER | TRUNCATE | IOCTL
OF_FILES = WRITE_FILE | READ_FILE | TRUNCATE | IOCTL  # The rest: of folders.
ABSTRACT_SOCKETS, SIGNALS = 1 << 0, 1 << 1
SCOPED_SINCE = 6
LACKS = {  # What a process can do where the version is below.
  3: 'truncate files',
  5: 'control devices',
  SCOPED_SINCE: 'send signals',
}


class Sandbox(NamedTuple):
  """Files that a process may still read and write.

  Attributes:
    writable: Files and folders that it may read and change.
    unread: Folder whose other contents it may not read; None: it may read all.
    readable: Files and folders in there that it may read all the same.
  """

  writable: Sequence[str | os.PathLike]
  unread: str | os.PathLike | None = None
  readable: Sequence[str | os.PathLike] = ()


class LandlockError(OSError):
  """The system refuses to restrict this process; the message says why."""


@functools.cache
def version() -> int:
  """Return the version of the kernel's interface; 0 if there is none."""
  if sys.platform != 'linux' or platform.machine() not in PROCESSORS:
    return 0
  return max(0, _syscall(CREATE, None, 0, VERSION))


def missing() -> str:
  """Return why processes cannot be restricted here, or ''."""
  if version():
    return ''
  if sys.platform != 'linux':
    return 'Landlock is of Linux'
  return 'the kernel has no Landlock'


def restrict(sandbox: Sandbox) -> str:
  """Restrict this process; return what became of it, for records.

  Args:
    sandbox: What the process may still do.

  Raises:
    LandlockError: the system refuses it, or this process has threads, which
      would not be restricted.
  """
  if why := missing():
    raise LandlockError(why)
  if len(os.listdir('/proc/self/task')) > 1:
    raise LandlockError('this process has threads already')
  beside, why_all = _readable(sandbox.unread)
  handled = READ | WRITE
  for right, since in SINCE.items():
    if version() < since:
      handled &= ~right
  ruleset = _ruleset(handled)
  try:
    for path in [*beside, *sandbox.readable]:
      with contextlib.suppress(OSError):  # It is gone, or of no file system.
        _allow(ruleset, path, READ)
    for path in sandbox.writable:
      with contextlib.suppress(FileNotFoundError):
        _allow(ruleset, path, (READ | WRITE) & handled)
    if ctypes.CDLL(None, use_errno=True).prctl(NO_NEW_PRIVS, 1, 0, 0, 0):
      raise LandlockError(f'prctl: {os.strerror(ctypes.get_errno())}')
    _checked('restrict_self', _syscall(RESTRICT, ruleset, 0))
  finally:
    os.close(ruleset)
  if sandbox.unread is not None and not why_all:
    sys.meta_path.append(ByName(_ancestors(sandbox.unread)))
  return _said(why_all)


class ByName(importlib.abc.MetaPathFinder):
  """Finds modules in folders of the search path that cannot be listed."""

  def __init__(self, folders: Iterable[pathlib.Path]):
    """Take the folders that are in the search path now.

    Args:
      folders: Folders that cannot be listed.
    """
    unlisted = set(folders)
    paths = [pathlib.Path(os.path.realpath(path or '.')) for path in sys.path]
    self._folders = [path for path in paths if path in unlisted]

  def find_spec(
    self, fullname: str, path: Sequence[str] | None, target=None
  ) -> ModuleSpec | None:
    """Return where a module of that name is; None if there is none."""
    del target
    if path is not None:  # Its package is in a folder that can be listed.
      return None
    for folder in self._folders:
      package, module = folder / fullname, folder / f'{fullname}.py'
      if (package / '__init__.py').is_file():
        return importlib.util.spec_from_file_location(
          fullname,
          package / '__init__.py',
          submodule_search_locations=[str(package)],
        )
      if module.is_file():
        return importlib.util.spec_from_file_location(fullname, module)
    return None


def _said(why_all: str) -> str:
  can = [what for since, what in LACKS.items() if version() < since]
  if why_all:
    can.append(f'read all results ({why_all})')
  return f'landlock {version()}' + (
    f', but it can {", ".join(can)}' * bool(can)
  )


def _ancestors(path: str | os.PathLike) -> Iterator[pathlib.Path]:
  yield from pathlib.Path(os.path.realpath(path)).parents


def _readable(unread: str | os.PathLike | None) -> tuple[list[str], str]:
  """Return all that lies beside the path to a folder.

  Links are left out: what they lead to is judged by where it lies.

  Returns:
    The paths; and why they are all, where a folder cannot be listed.
  """
  if unread is None:
    return ['/'], ''
  found, below = [], os.path.realpath(unread)
  for folder in _ancestors(unread):
    try:
      with os.scandir(folder) as entries:
        found += [
          entry.path
          for entry in entries
          if entry.path != below and not entry.is_symlink()
        ]
    except OSError as error:
      return ['/'], f'{folder} cannot be listed: {error.strerror}'
    below = str(folder)
  return found, ''


def _ruleset(handled: int) -> int:
  fields = [handled, 0, ABSTRACT_SOCKETS | SIGNALS]
  known = 1 if version() < 4 else 2 if version() < SCOPED_SINCE else 3
  data = struct.pack(f'={known}Q', *fields[:known])
  return _checked('create_ruleset', _syscall(CREATE, data, len(data), 0))


def _allow(ruleset: int, path: str | os.PathLike, rights: int) -> None:
  """Allow rights on a file, or on a folder and all beneath it."""
  beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
  try:
    if not stat.S_ISDIR(os.fstat(beneath).st_mode):
      rights &= OF_FILES
    data = struct.pack('=Qi', rights, beneath)
    _checked('add_rule', _syscall(ADD, ruleset, BENEATH, data, 0))
  finally:
    os.close(beneath)


def _checked(what: str, result: int) -> int:
  if result < 0:
    raise LandlockError(f'{what}: {os.strerror(ctypes.get_errno())}')
  return result


def _syscall(number: int, *words: int | bytes | None) -> int:
  # Numbers have to be passed as longs: libc reads them all as such.
  wide = [ctypes.c_long(x) if isinstance(x, int) else x for x in words]
  libc = ctypes.CDLL(None, use_errno=True)
  return libc.syscall(ctypes.c_long(number), *wide)
