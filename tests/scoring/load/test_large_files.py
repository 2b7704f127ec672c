"""However large a file in a results folder is, the answer comes in seconds.

An attempts.jsonl of 1.5 million lines took more than two minutes to read, and
`verify` said the same of every line.
"""

import json
import time

import pytest

from runner.protocol import layout, storage
from scoring import verify
from scoring.load import results as read, safe_files
from scoring.rank import board
from tests.scoring.load import test_verify

LINES = 1_500_000
SECONDS = 30  # Of a machine under load; it was minutes on an idle one.


@pytest.fixture
def folder(tmp_path):
  return test_verify.left_behind(tmp_path / 'results', ['lion'], studies=1)


def place(out):
  [found] = out.glob('lion/*/*/trial_1')
  return found


@pytest.mark.parametrize('kind', ['start', 'exit'])
def test_attempts_without_end_are_told_at_once(folder, kind):
  line = {'event': kind, 'attempt': 0, 'residual_seconds': 9, 'wall_seconds': 9}
  path = place(folder) / layout.ATTEMPTS
  with path.open('a') as file:
    file.writelines([json.dumps(line) + '\n'] * LINES)
  before = time.monotonic()
  results = read.read(folder)
  [trial] = results.trials
  assert trial.open and 'attempts.jsonl has' in trial.reason
  board.make(results)
  assert len(verify.verify(results)) < 10
  with pytest.raises(storage.RecordsError, match='MB are read'):
    layout.status(path.parent)
  assert time.monotonic() - before < SECONDS


def test_attempts_of_many_thousands_are_read(folder):
  """As many as a trial that is interrupted every minute has in a week."""
  path = place(folder) / layout.ATTEMPTS
  lines = path.read_text().splitlines()
  events = [json.loads(line) for line in lines]
  many = [e | {'attempt': n} for n in range(10_000) for e in events]
  path.write_text(''.join(json.dumps(event) + '\n' for event in many))
  before = time.monotonic()
  results = read.read(folder)
  assert [trial.open for trial in results.trials] == [False]
  verify.verify(results)
  assert time.monotonic() - before < SECONDS


def test_findings_on_one_trial_are_not_without_end(folder):
  path = place(folder) / layout.ATTEMPTS
  event = {'event': 'exit', 'attempt': 0}
  event |= {'residual_seconds': 9, 'wall_seconds': 9}
  with path.open('a') as file:
    for n in range(5000):
      file.write(json.dumps(event | {'residual_seconds': n + 1.5}) + '\n')
  found = verify.verify(read.read(folder))
  assert len(found) == verify.MOST + 1
  assert any('Only the first 100 findings' in one.text for one in found)


@pytest.mark.parametrize('name', [layout.EVALS, layout.TRIAL, layout.PLAN])
def test_other_files_without_end_are_told_at_once(folder, name):
  path = (folder if name == layout.PLAN else place(folder)) / name
  with path.open('r+b') as file:
    file.truncate(safe_files.LARGEST + 1)  # Takes no room on the disk.
  before = time.monotonic()
  try:
    results = read.read(folder)
  except read.ReadError as error:
    assert name == layout.PLAN and 'and is not read' in str(error)
    return
  [trial] = results.trials
  assert trial.open and f'{name} has 67 MB' in trial.reason
  assert any('has 67 MB' in one.text for one in verify.verify(results))
  assert time.monotonic() - before < SECONDS
