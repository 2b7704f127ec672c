"""Preparation of a trial's folder for its process."""

import pathlib
import shutil

from runner.launch import leftovers
from runner.protocol import (
  layout,
  results_folder,
  storage,
  trial_file,
)
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.trial_file import StepLimits
from submissions.algoperf import folders


def prepare(
  out: pathlib.Path,
  plan: Plan,
  trial: PlannedTrial,
  *,
  limits: StepLimits | None = None,
  data_dir: str | None = None,
  shard_state: bool = False,
  timed: bool = True,
) -> pathlib.Path:
  """Prepare and return the folder of a trial.

  A folder that is ready is not changed.

  Args:
    out: The results folder.
    plan: Its plan.
    trial: One of the plan's trials.
    limits: Stops and evaluations by steps, if any.
    data_dir: Folder of the datasets; None: the default one.
    shard_state: Whether devices share an optimizer's state.
    timed: Whether the trial's seconds count.

  Raises:
    StorageError: the files cannot be written.
  """
  folder = trial.folder(out)
  leftovers.cut_links(folder)  # Where a runner was lost, they are still there.
  attempts = results_folder.status(folder).attempts
  if _is_whole(folder / layout.TRIAL) and (
    attempts or spec(folder / layout.TRIAL).timed == timed
  ):
    return folder
  storage.put_aside(folder / layout.TRIAL, attempts)
  name = trial.submission
  with storage.storing(folder):
    folder.mkdir(parents=True, exist_ok=True)
    _copy(plan.sources[name].file, folder, name)
  storage.write_json(folder / layout.HPARAMS, trial.hyperparameters)
  made = trial_file.make(
    plan,
    trial,
    limits=limits,
    data_dir=data_dir,
    shard_state=shard_state,
    timed=timed,
  )
  storage.write_json(folder / layout.TRIAL, trial_file.dump(made))
  return folder


def _is_whole(path: pathlib.Path) -> bool:
  """Test whether trial.json is complete; trials can damage it."""
  try:
    return path.is_file() and bool(spec(path).budget.seconds)
  except (OSError, ValueError, LookupError, TypeError, AttributeError):
    return False


def by_seconds(folder: pathlib.Path) -> bool:
  """Test whether a prepared trial stops by seconds, and not by steps."""
  return spec(folder / layout.TRIAL).budget.steps is None


def begun_otherwise(folder: pathlib.Path, *, seconds: bool) -> bool:
  """Test whether a trial has begun by steps where seconds count now, or so.

  Args:
    folder: Folder of the trial.
    seconds: Whether trials stop by seconds now.
  """
  if not results_folder.status(folder).attempts:
    return False
  return _is_whole(folder / layout.TRIAL) and by_seconds(folder) != seconds


def spec(path: pathlib.Path) -> trial_file.TrialSpec:
  """Read a trial.json.

  Raises:
    OSError, ValueError, LookupError, TypeError: it is missing or damaged.
  """
  return trial_file.parse(storage.read_json(path))


def _copy(source: pathlib.Path, folder: pathlib.Path, name: str) -> None:
  """Copy a submission's source, as `name`.py or as a folder `name`."""
  if folders.is_alone(source):
    shutil.copyfile(source, folder / f'{name}.py')
    return
  for place, path in folders.parts(source).items():
    target = folder / name / place
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
