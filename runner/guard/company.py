"""Threads and processes that a submission has started.

Evaluations, checkpoints and records are free of charge, so nothing else may
run meanwhile: a thread or a child process could train for nothing. JAX's own
threads have no Python frames and are not counted. The process of a trial
adopts orphans, so a process whose parent has ended is counted as well.
"""

import os
import pathlib
import sys
import threading

from workloads.data import threads


class CompanyError(RuntimeError):
  """A submission's thread or process runs while nothing is charged."""


class Company:
  """Remembers what ran before the submission was built; the rest is its own."""

  def __init__(self) -> None:
    self.remember()

  def remember(self) -> None:
    """Count what runs by now as not of the submission."""
    self._before = set(sys._current_frames())
    self._children = _children()

  def alone(self) -> bool:
    """Return whether nothing of the submission runs but its main thread."""
    return not self._strange() and not self._started()

  def _started(self) -> set[int]:
    return _children() - self._children

  def _strange(self) -> set[int]:
    allowed = self._before | threads.idents() | {threading.get_ident()}
    return sys._current_frames().keys() - allowed

  def check(self) -> None:
    """Raise CompanyError where a thread or a process of the submission runs."""
    if strange := self._strange():
      names = {t.ident: t.name for t in threading.enumerate()}
      said = ', '.join(names.get(ident, 'no name') for ident in strange)
      raise _error(f'{len(strange)} threads of the submission', f' ({said})')
    if children := self._started():
      raise _error(f'{len(children)} processes that the submission started')


def _error(who: str, names: str = '') -> CompanyError:
  return CompanyError(
    f'{who} run while nothing is charged{names}. End them before a state is '
    'yielded: evaluations are free only if nothing else runs.'
  )


def _children() -> set[int]:
  """Return the running children of this process, where the system tells."""
  found: set[int] = set()
  for task in pathlib.Path(f'/proc/{os.getpid()}/task').glob('*/children'):
    try:
      found.update(map(int, task.read_text(encoding='ascii').split()))
    except OSError:  # The thread has just ended.
      continue
  return {pid for pid in found if _runs(pid)}


def _runs(pid: int) -> bool:
  """Return whether a process has not ended; nobody waits for adopted ones."""
  try:
    stat = pathlib.Path(f'/proc/{pid}/stat').read_bytes()
  except OSError:
    return False
  _, _, rest = stat.rpartition(b')')  # Before it, a name with any letters.
  return rest.split()[0] not in (b'Z', b'X')
