"""Limits of a trial's process, because other people's code runs in it.

The parent starts the process in a network namespace with only a loopback
device, which programs for several GPUs need. The process limits itself before
it loads a submission, and cannot undo the limits. If the kernel has Landlock,
a trial writes only to folders of its own, reads no other results and sends no
signals to others.
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

# Command of util-linux. The command becomes the trial (exec), so signals and
# exit codes stay the same. The trial needs the new namespace's capabilities to
# start its loopback device.
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
UNIFIED = '/dev/nvidia-uvm'  # NVIDIA's memory that processors and cards share.
SANDBOX = 'TIMETRIAL_SANDBOX'  # As SAID, of files and signals.
NONE = 'none'
NOBODY = 'as inherited: no runner started this'
SOONER = 500  # Thousandths of the memory by which a trial seems larger.
GIB = 2**30
CAPABILITIES = 0x20080522  # Version of the kernel's interface.
# Changing owners and modes, passing by modes, and locking memory.
OF_FILES = (0, 1, 2, 3, 14)
# Trials may write here beside their own folders: shared memory, which is lost
# with the process, and devices.
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
  """Network access of a trial.

  Attributes:
    command: Words to put before the trial's command.
    said: Description for the trial's records.
  """

  command: tuple[str, ...]
  said: str


def network(wanted: bool) -> Network:
  """Return the network access of trials: none if the system can isolate them.

  Args:
    wanted: Whether trials may use the network.
  """
  if wanted:
    return Network((), 'as inherited: it was asked for')
  return _without()


@functools.cache
def _without() -> Network:
  """Try to go without a network; print once if the system refuses."""
  if _interfaces() <= {'lo'}:
    return Network((), NONE)  # Such as in a container without a network.
  refusal = refused()
  if not refusal:
    return Network(UNSHARE, NONE)
  print(
    f'Trials can use the network, because they cannot be isolated: {refusal}. '
    'To isolate them, run in a container with docker run --network=none.',
    file=sys.stderr,
  )
  return Network((), f'as inherited: {refusal}')


def refused() -> str:
  """Return why a process cannot be started without a network here, or ''."""
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
    return done.stderr.strip() or f'unshare exited with {done.returncode}'
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


@functools.cache
def ready_cards() -> None:
  """Have NVIDIA's files of devices made, once a process: trials cannot.

  CUDA would do it when it is first used, by a program that runs as root.
  """
  if not glob.glob('/proc/driver/nvidia/gpus/*') or os.path.exists(UNIFIED):
    return
  with contextlib.suppress(OSError, subprocess.SubprocessError):
    subprocess.run(
      ['nvidia-modprobe', '-c=0', '-u'],
      capture_output=True,
      timeout=60,
      check=False,
    )


def confine(spec: AttemptSpec) -> None:
  """Give up, in a trial's process, the files that are not its own.

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
      landlock.Sandbox(
        writable=[*own, *devices],
        unread=spec.results or None,
        readable=[spec.common] if spec.common else [],
      )
    )
  except OSError as error:
    said = f'none: {error}'
  if why := seccomp.restrict():
    said += f'; they can limit other processes: {why}'
  os.environ[SANDBOX] = said


def limit(memory_gib: float | None) -> None:
  """Set limits of this trial process that the process cannot raise again.

  Args:
    memory_gib: Most GiB of the process; further allocations fail. Memory of
      devices does not count, but GPU drivers may reserve more than they use.
  """
  resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
  with contextlib.suppress(AttributeError):  # Only Linux has prctl.
    _die_with_parent()
  if memory_gib is not None:
    most = int(memory_gib * GIB)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
  with contextlib.suppress(OSError):  # Only Linux has /proc.
    _die_first()
  if os.environ.get(SAID) == NONE:
    with contextlib.suppress(OSError):  # A single device needs no loopback.
      _start_loopback()


def here() -> dict[str, Any]:
  """Return the limits of this trial process, for its records."""
  most, _ = resource.getrlimit(resource.RLIMIT_DATA)
  limited = most != resource.RLIM_INFINITY
  return {
    'network': os.environ.get(SAID, NOBODY),
    'sandbox': os.environ.get(SANDBOX, NOBODY),
    'memory_limit_gib': most / GIB if limited else None,
  }


def out_of_memory(log: str) -> str:
  """Return the last line of a log that reports missing memory, or ''."""
  for line in reversed(log.splitlines()):
    if any(words in line.lower() for words in OUT_OF_MEMORY):
      return line.strip()
  return ''


def _interfaces() -> set[str]:
  """Return the names of network interfaces; {'unknown'} without /proc."""
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
  """End this process with its parent, so it cannot disturb the next trial."""
  pr_set_pdeathsig = 1
  ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _die_first() -> None:
  """Make the system kill this process before the runner if memory runs out."""
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
