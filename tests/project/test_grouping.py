"""Tests of a group run in one process, so that what they share is made once.

With pytest 9.2 and pytest-xdist 3.8 they did not, and nobody was told: every
worker compiled every workload.
"""

import subprocess
import sys

GROUPED = """
import os, pathlib, pytest
@pytest.mark.xdist_group('together')
@pytest.mark.parametrize('n', range(8))
def test_where(n):
  pathlib.Path(f'{n}.worker').write_text(os.environ['PYTEST_XDIST_WORKER'])
"""


def test_a_group_stays_together(tmp_path):
  (tmp_path / 'test_grouped.py').write_text(GROUPED)
  command = [sys.executable, '-m', 'pytest', '-n2', '--dist=loadgroup', '-q']
  done = subprocess.run(
    command,
    cwd=tmp_path,
    capture_output=True,
    text=True,
    timeout=600,
    check=False,
  )
  assert done.returncode == 0, done.stdout
  workers = [path.read_text() for path in tmp_path.glob('*.worker')]
  assert len(workers) == 8 and len(set(workers)) == 1
