"""What a trial's process may not do: other people's code runs in it.

Its parent starts it in a network of its own, where there is nothing but the
loopback device that programs for several GPUs talk over. The process limits
itself before anything foreign is loaded, and cannot undo that. Where the kernel
has Landlock, a trial writes to folders of its own only, reads no other results
and sends no signals to others.
"""

import contextlib
import ctypes
import fcntl
import functools
import glob
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

from runner.launch import landlock, seccomp
from runner.protocol.attempt_spec import AttemptSpec

# Of util-linux; it becomes the trial, so signals and exit codes stay as they
# are. The capabilities are those of the new namespace, to start its loopback.
UNSHARE = (
  'unshare',
  '--user',
  '--map-current-user',
  '--keep-caps',
  '--net',
  '--mount',
  '--',
)
SAID = 'TIMETRIAL_NETWORK'  # Tells the trial, for its records.
MOUNTS = 'TIMETRIAL_MOUNTS'  # The runner's mount namespace.
SHARED = '/dev/shm'
SANDBOX = 'TIMETRIAL_SANDBOX'  # As SAID, of files and signals.
NONE = 'none'
NOBODY = 'as inherited: no runner started this'
SOONER = 500  # Thousandths of the memory by which a trial seems larger.
GIB = 2**30
CAPABILITIES = 0x20080522  # Version of the kernel's interface.
# Changing owners and modes, passing by modes, and locking memory.
OF_FILES = (0, 1, 2, 3, 14)
# Where trials may write beside their own folders: what is lost with the
# process, shared memory, and accelerators.
DEVICES = (
  '/dev/null',
  SHARED,
  '/dev/nvidia*',
  '/dev/dri',
  '/dev/kfd',
  '/dev/accel*',
  '/dev/vfio',
  '/dev/infiniband',
)
OUT_OF_MEMORY = (  # What dying programs say; in lower case.
  'out of memory',
  'ran out of memory',
  'resource_exhausted',
  'std::bad_alloc',
  'memoryerror',
  'cannot allocate memory',
)


class Network(NamedTuple):
  """What becomes of a trial's network."""

  command: tuple[str, ...]  # To be put before the trial's own.
  said: str


def network(wanted: bool) -> Network:
  """None, unless it is wanted or the system does not allow to go without."""
  if wanted:
    return Network((), 'as inherited: it was asked for')
  return _without()


@functools.cache
def _without() -> Network:
  """Tried once a process; where it is refused, that is said once."""
  if _interfaces() <= {'lo'}:
    return Network((), NONE)  # In a container without one, for example.
  refusal = refused()
  if not refusal:
    return Network(UNSHARE, NONE)
  print(
    f'Trials can use the network: {refusal}. In a container, docker run '
    '--network=none keeps them from it.',
    file=sys.stderr,
  )
  return Network((), f'as inherited: {refusal}')


def refused() -> str:
  """Why processes cannot be started without a network here; or nothing."""
  try:
    done = subprocess.run(
      [*UNSHARE, 'true'],
      capture_output=True,
      encoding='utf-8',
      errors='replace',
      timeout=30,
      check=False,
    )
  except FileNotFoundError:
    return 'unshare (util-linux) is not installed'
  except (OSError, subprocess.TimeoutExpired) as error:
    return f'unshare does not run ({error})'
  if done.returncode:
    return done.stderr.strip() or f'unshare left with {done.returncode}'
  return ''


@functools.cache
def say_unrestricted() -> None:
  """Tell, once a process, that trials can write wherever their user can."""
  if why := landlock.missing():
    print(
      'Trials can write to all files of this user, read all results and send '
      f'signals: {why}. Linux has it from 5.13 on; in a container, mount what '
      'is not theirs read-only.',
      file=sys.stderr,
    )


def confine(spec: AttemptSpec) -> None:
  """In the process of a trial: give up the files that are not its own.

  Must be called before any thread is started. Where the system refuses it, the
  trial runs all the same, and its records say so.
  """
  own = [spec.folder, tempfile.gettempdir()]
  if compiled := os.environ.get('JAX_COMPILATION_CACHE_DIR'):
    own.append(compiled)
  devices = [path for words in DEVICES for path in glob.glob(words)]
  with contextlib.suppress(AttributeError):  # Not on this system.
    _own_shared_memory()
    _drop_privileges()
  try:
    said = landlock.restrict(
      landlock.Sandbox([*own, *devices], spec.results or None)
    )
  except OSError as error:
    said = f'none: {error}'
  if why := seccomp.restrict():
    said += f'; they can limit other processes: {why}'
  os.environ[SANDBOX] = said


def limit(memory_gib: float | None) -> None:
  """In the process of a trial: limits that it cannot raise again.

  Args:
    memory_gib: Of the process, beyond which allocations fail. Not of devices;
      but drivers of GPUs may reserve much more than they use.
  """
  resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
  with contextlib.suppress(AttributeError):  # Not on this system.
    _die_with_parent()
  if memory_gib is not None:
    most = int(memory_gib * GIB)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
  with contextlib.suppress(OSError):  # Not on this system.
    _die_first()
  if os.environ.get(SAID) == NONE:
    with contextlib.suppress(OSError):  # One device does without.
      _start_loopback()


def here() -> dict[str, Any]:
  """In the process of a trial: for its records, how it is confined."""
  most, _ = resource.getrlimit(resource.RLIMIT_DATA)
  limited = most != resource.RLIM_INFINITY
  return {
    'network': os.environ.get(SAID, NOBODY),
    'sandbox': os.environ.get(SANDBOX, NOBODY),
    'memory_limit_gib': most / GIB if limited else None,
  }


def out_of_memory(log: str) -> str:
  """The last line that says so; empty if none does."""
  for line in reversed(log.splitlines()):
    if any(words in line.lower() for words in OUT_OF_MEMORY):
      return line.strip()
  return ''


def _interfaces() -> set[str]:
  """Of the network; one that is not known where the system does not tell."""
  try:
    lines = (
      pathlib.Path('/proc/self/net/dev')
      .read_text(encoding='utf-8')
      .splitlines()
    )
  except OSError:
    return {'unknown'}
  return {line.partition(':')[0].strip() for line in lines if ':' in line}


def _die_with_parent() -> None:
  """Whoever lost its runner would disturb the next trial on the machine."""
  pr_set_pdeathsig = 1
  ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _die_first() -> None:
  """Where memory runs out, the system is to end this and not the runner."""
  path = pathlib.Path('/proc/self/oom_score_adj')
  score = int(path.read_text(encoding='utf-8'))
  path.write_text(str(min(1000, score + SOONER)), encoding='utf-8')


def mounts() -> str:
  """Return the name of this process's mount namespace; '' if it has none."""
  try:
    return os.readlink('/proc/self/ns/mnt')
  except OSError:
    return ''


def _own_shared_memory() -> None:
  """Begin with empty shared memory, which is gone with this process.

  Nothing where the runner has the same mounts: all would lose theirs.
  """
  if os.environ.get(MOUNTS, mounts()) == mounts():
    return
  no_suid, no_dev = 2, 4
  ctypes.CDLL(None).mount(
    b'tmpfs', SHARED.encode(), b'tmpfs', no_suid | no_dev, b'mode=1777'
  )


def _drop_privileges() -> None:
  """Keep of root's privileges those over files, which Landlock bounds.

  Others read the memory of any process, or raise a priority.
  """
  libc = ctypes.CDLL(None)
  header = struct.pack('=Ii', CAPABILITIES, 0)
  data = ctypes.create_string_buffer(struct.calcsize('=6I'))
  if libc.capget(header, data):
    return
  kept = sum(1 << bit for bit in OF_FILES)
  words = [word & kept for word in struct.unpack('=3I', data.raw[:12])]
  libc.capset(header, struct.pack('=6I', *words, 0, 0, 0))
  libc.prctl(landlock.NO_NEW_PRIVS, 1, 0, 0, 0)


def _start_loopback() -> None:
  set_flags, up = 0x8914, 1  # SIOCSIFFLAGS and IFF_UP of Linux.
  request = struct.pack('16sh14x', b'lo', up)
  with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, set_flags, request)
