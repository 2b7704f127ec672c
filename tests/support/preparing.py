"""Prepare published datasets from the command line, as a user does."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from workloads import data

ROOT = pathlib.Path(__file__).parents[2]


def command(*words, **flags):
  """Run `python -m workloads data` and return the completed process."""
  given = [f'--{name}={value}' for name, value in flags.items()]
  return subprocess.run(
    [sys.executable, '-m', 'workloads', 'data', *words, *given],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )


def say(text):
  """Ignore a message of progress."""


def fixtures(workload, write, said=(), dataset=None):
  """Return the fixtures `raw`, `home` and `copy` for a test module.

  `raw` is a pair: a folder of published files, and what `write` returned.
  `home` is a folder of prepared datasets, made once per module. `copy` is a
  copy of `home` that a test may damage.

  Args:
    workload: Workloads whose datasets to prepare, separated by commas.
    write: Function that writes the published files into a folder.
    said: Texts that the command must print.
    dataset: Dataset whose folder `copy` is; None: the folder of all datasets.
  """

  @pytest.fixture(scope='module')
  def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp('raw')
    return folder, write(folder)

  @pytest.fixture(scope='module')
  def home(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    done = command('prepare', workload=workload, raw=raw[0], data_dir=folder)
    assert done.returncode == 0, done.stderr
    for text in said:
      assert text in done.stdout, done.stdout
    return folder

  @pytest.fixture
  def copy(home, tmp_path):
    folder = tmp_path / 'data'
    shutil.copytree(home, folder)
    return data.folder(dataset, folder) if dataset else folder

  return raw, home, copy
