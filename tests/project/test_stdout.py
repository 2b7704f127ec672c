"""Commands whose reader leaves, as `head` does, end without a traceback."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.support import made_results
from workloads import command_line

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def race(tmp_path_factory):
  return made_results.race(tmp_path_factory.mktemp('race') / 'results')


@pytest.mark.parametrize(
  'words',
  [
    ['runner', 'plan', '--submissions=sgd', '--json'],
    ['scoring', 'RACE', '--noreport'],
    ['scoring', 'RACE', '--noreport', '--json'],
    ['scoring', 'verify', 'RACE'],
  ],
  ids=' '.join,
)
def test_a_reader_that_leaves_ends_a_command_quietly(race, words):
  """It was told of in a traceback, and by rich in the exit code of a doubt."""
  reading, writing = os.pipe()
  os.close(reading)
  with os.fdopen(writing, 'wb') as gone:
    done = subprocess.run(
      [sys.executable, '-m', *(str(race) if w == 'RACE' else w for w in words)],
      check=False,
      cwd=ROOT,
      stdout=gone,
      stderr=subprocess.PIPE,
      timeout=600,
    )
  assert done.stderr == b''
  assert done.returncode == command_line.LEFT


def test_another_pipe_that_breaks_is_no_reader_that_left():
  def main(argv):
    raise BrokenPipeError('of a process')

  with pytest.raises(BrokenPipeError, match='of a process'):
    command_line.quietly(main, [])
