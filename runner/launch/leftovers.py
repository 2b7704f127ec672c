"""Files that a trial leaves in its folder, made harmless for its parent.

The parent may write where a trial may not. It must not follow a link that a
trial has laid, nor run another source or another trial than was prepared. An
attempt must not find there what an earlier one has learnt.
"""

import contextlib
import pathlib
import re
import shutil
import stat
from collections.abc import Mapping

from runner.launch import outcomes
from runner.protocol import layout, results_folder, storage

BYTECODE = '__pycache__'  # Python would run it in the place of a source.
# Files of the harness, beside the source; `layout` describes each.
OURS = (
  layout.TRIAL,
  layout.HPARAMS,
  layout.SCHEDULE,
  layout.EVALS,
  layout.SCALARS,
  layout.ATTEMPTS,
  layout.CHECKPOINT,
  layout.REACHED,
  outcomes.LOG,
  'plugins',
  results_folder.LOCK,
)
NUMBERED = re.compile(
  rf'meta_data_\d+\.json|{layout.TRACEBACK}\d+\.txt|trial_host_\d+\.log'
)
BEFORE = re.compile(r'(.*)_before_\d+(\.\w+)?')  # Put aside.


def cut_links(folder: pathlib.Path) -> list[str]:
  """Remove all links in the folder of a trial, and bytecode.

  Returns:
    The links, by their paths in the folder.
  """
  found, waiting = [], [folder]
  while waiting:
    place = waiting.pop()
    with contextlib.suppress(OSError):  # Nothing is there, or another user's.
      place.chmod(place.stat().st_mode | stat.S_IRWXU)
      for path in list(place.iterdir()):
        if path.is_symlink():
          found.append(path.relative_to(folder).as_posix())
          path.unlink()
        elif path.name == BYTECODE:
          shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir():
          waiting.append(path)
  return found


def discard(folder: pathlib.Path, submission: str) -> None:
  """Delete what an earlier attempt has left that is not the harness's.

  Args:
    folder: Folder of the trial.
    submission: Name of the submission.
  """
  for path in folder.glob('*'):
    if _is_ours(path.name) or path.name in (submission, f'{submission}.py'):
      continue
    with contextlib.suppress(OSError):
      if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
      else:
        path.unlink()


def _is_ours(name: str) -> bool:
  aside = BEFORE.fullmatch(name)
  whole = aside[1] + (aside[2] or '') if aside else name
  return whole in OURS or bool(NUMBERED.fullmatch(whole))


def prepared(folder: pathlib.Path, submission: str) -> dict[str, bytes]:
  """Return what the parent has written for a trial: its files by path.

  Args:
    folder: Folder of the trial.
    submission: Name of the submission.
  """
  paths = [folder / layout.TRIAL, folder / layout.HPARAMS]
  paths += [folder / f'{submission}.py', *(folder / submission).rglob('*')]
  return {
    path.relative_to(folder).as_posix(): path.read_bytes()
    for path in paths
    if path.is_file() and BYTECODE not in path.parts
  }


def restore(
  folder: pathlib.Path, submission: str, before: Mapping[str, bytes]
) -> list[str]:
  """Make the files be again what `prepared` has found.

  Args:
    folder: Folder of the trial.
    submission: Name of the submission.
    before: What `prepared` gave.

  Returns:
    Paths of the files that had changed.
  """
  if not folder.is_dir():  # No trial can do that: who writes there is told.
    return []
  after = prepared(folder, submission)
  fresh = sorted(after.keys() - before.keys())
  changed = [name for name, data in before.items() if after.get(name) != data]
  for name in fresh:
    with contextlib.suppress(OSError):
      (folder / name).unlink()
  if not (folder / submission).is_dir():
    (folder / submission).unlink(missing_ok=True)
  for name in changed:
    path = folder / name
    if path.is_dir():
      shutil.rmtree(path, ignore_errors=True)
    with storage.storing(path):
      path.parent.mkdir(parents=True, exist_ok=True)
    storage.write(path, before[name])
  if not any(name.startswith(f'{submission}/') for name in before):
    shutil.rmtree(folder / submission, ignore_errors=True)
  return [*changed, *fresh]
