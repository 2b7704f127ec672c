"""Folders of what trials have compiled, which later trials find there.

Each submission has a folder of its own for what XLA compiles, so that none
writes what another one reads. Python's bytecode is written before any trial
runs, as trials cannot write beside the source.
"""

import compileall
import contextlib
import functools
import glob
import importlib.util
import os
import pathlib
import shutil
import sys
from importlib.machinery import ModuleSpec

from runner.machine import hardware

CODE = pathlib.Path(__file__).parents[2]
# A folder in the results. It has one folder a machine, as code for one does not
# run on every other, and in each of these one folder a submission, and COMMON.
COMPILED = '.compiled'
COMMON = '.common'  # No submission has this name.
PLACE = 'JAX_COMPILATION_CACHE_DIR'  # Where the user wants it instead.
OURS = ('runner', 'submissions', 'workloads')
OTHERS = ('jax', 'jaxlib', 'flax', 'optax', 'chex', 'numpy', 'scipy')


def folder(out: pathlib.Path, submission: str) -> pathlib.Path:
  """Return the folder of a submission's compiled programs; make it.

  Args:
    out: The results folder.
    submission: Name of the submission; COMMON: programs that a process without
      a submission has compiled, which trials can only read.
  """
  machine = out.absolute() / COMPILED / hardware.describe().name
  path = pathlib.Path(os.environ.get(PLACE) or machine).absolute() / submission
  with contextlib.suppress(OSError):  # JAX does without, and says so.
    path.mkdir(parents=True, exist_ok=True)
  return path


def forget(out: pathlib.Path, submission: str) -> None:
  """Delete what the trials of a submission have compiled.

  Args:
    out: The results folder.
    submission: Name of the submission.
  """
  for machine in (out / COMPILED).glob('*'):
    shutil.rmtree(machine / submission, ignore_errors=True)


def discard(out: pathlib.Path, submission: str, began: float) -> None:
  """Delete what an invalid attempt has compiled.

  A busy machine makes compiling slow, and later trials would be charged the
  seconds that it took then.

  Args:
    out: The results folder.
    submission: Name of the submission.
    began: Start of the attempt, in seconds of time.time.
  """
  for path in folder(out, submission).glob('*'):
    with contextlib.suppress(OSError):
      if path.is_file() and path.stat().st_mtime >= began:
        path.unlink()


@functools.cache
def bytecode() -> None:
  """Compile the modules that trials import, once a process.

  Modules of other packages are compiled where their installer has not done it.
  """
  if sys.dont_write_bytecode:
    return
  found = [importlib.util.find_spec(name) for name in OTHERS]
  places = [
    os.path.dirname(spec.origin)
    for spec in found
    if spec and spec.origin and not _is_compiled(spec)
  ]
  for place in (*[CODE / name for name in OURS], *places):
    compileall.compile_dir(place, quiet=2)


def _is_compiled(spec: ModuleSpec) -> bool:
  return bool(spec.cached) and bool(
    glob.glob(f'{glob.escape(os.path.dirname(spec.cached))}/*')
  )
