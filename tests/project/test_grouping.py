"""Tests of a group run in one process, so that what they share is made once.

With pytest 9.2 and pytest-xdist 3.8 they did not, and nobody was told: every
worker compiled every workload. Groups that were named after pytest-xdist had
read them did not count either: both workers made the setup of a file.
"""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

GROUPED = """
import os, pathlib, pytest
@pytest.mark.xdist_group('together')
@pytest.mark.parametrize('n', range(8))
def test_where(n):
  pathlib.Path(f'{n}.worker').write_text(os.environ['PYTEST_XDIST_WORKER'])
"""
OF_A_FILE = """
import os, pathlib, pytest
{mark}
@pytest.fixture(scope='module')
def shared():
  pass
def where(name):
  place = pathlib.Path({home!r}, name + '.worker')
  place.write_text(os.environ['PYTEST_XDIST_WORKER'])
@pytest.mark.parametrize('n', range(8))
def test_sharing(n, shared):
  where('sharing' + str(n))
@pytest.mark.parametrize('n', range(8))
def test_alone(n, tmp_path):
  where('alone' + str(n))
"""


def workers(folder, kind=''):
  """Workers that ran the tests of a kind."""
  return [path.read_text() for path in folder.glob(f'{kind}*.worker')]


def run(*words, cwd):
  command = [sys.executable, '-m', 'pytest', '-n2', '--dist=loadgroup', '-q']
  done = subprocess.run(
    [*command, *words],
    cwd=cwd,
    capture_output=True,
    text=True,
    timeout=600,
    check=False,
  )
  assert done.returncode == 0, done.stdout + done.stderr


def test_a_group_stays_together(tmp_path):
  (tmp_path / 'test_grouped.py').write_text(GROUPED)
  run(cwd=tmp_path)
  assert len(workers(tmp_path)) == 8 and len(set(workers(tmp_path))) == 1


@pytest.mark.parametrize('mark', ['', 'pytestmark = pytest.mark.apart'])
def test_a_file_stays_together_but_for_what_may_be_apart(tmp_path, mark):
  path = tmp_path / 'test_made.py'
  path.write_text(OF_A_FILE.format(mark=mark, home=str(tmp_path)))
  words = [f'-c{ROOT / "pyproject.toml"}', f'--rootdir={tmp_path}']
  run(*words, '-ptests.conftest', str(path), cwd=ROOT)
  together = workers(tmp_path, 'sharing')
  assert len(together) == 8 and len(set(together)) == 1
  others = workers(tmp_path, 'alone')
  assert len(others) == 8 and (set(others) == set(together)) == (not mark)
