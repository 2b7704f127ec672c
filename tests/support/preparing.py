"""Published datasets from the command line, as a user prepares them."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from workloads import data

ROOT = pathlib.Path(__file__).parents[2]


def command(*words, **flags):
  given = [f'--{name}={value}' for name, value in flags.items()]
  return subprocess.run(
    [sys.executable, '-m', 'workloads', 'data', *words, *given],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )


def say(text):
  pass


def fixtures(workload, write, said=(), dataset=None):
  """Fixtures of a module: `raw`, `home` and `copy`.

  `raw` is a folder of published files and what `write` says is in them; `home`,
  one where they are prepared, once; `copy`, one that a test may damage.

  Args:
    workload: Whose datasets; several, with commas between them.
    write: Writes the published files into a folder.
    said: What the command says on the way.
    dataset: Of which `copy` is the folder; all of them if None.
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
