"""The ledger of a results folder tells of records that were exchanged."""

import json
import os
import shutil

import pytest

from runner.protocol import layout
from runner.protocol.records import ledger
from scoring import sealed, verify
from scoring.load import results as read
from tests.scoring.load import test_verify
from tests.scoring.load.test_verify import doubts, first


@pytest.fixture
def folder(tmp_path):
  """A sound folder with a ledger."""
  out = test_verify.left_behind(tmp_path / 'results', ['lion', 'sgd'])
  for place in sorted(out.glob('*/study_*/*/trial_1')):
    ledger.add(out, place, 'ended')
  assert verify.verify(read.read(out)) == []
  return out


@pytest.mark.parametrize('name', ledger.FILES[:2])
def test_a_record_that_was_exchanged_disagrees_with_the_ledger(folder, name):
  path = first(folder) / name
  path.write_bytes(path.read_bytes() + b'\n')
  (found,) = [one for one in doubts(folder) if 'is not what it was' in one.text]
  assert name in found.text


def test_a_trial_that_ran_again_until_it_was_lucky_is_found(folder):
  path = first(folder) / layout.ATTEMPTS
  text = path.read_text().replace('19:34:48', '20:34:48')
  path.write_text(text)
  ledger.add(folder, first(folder), 'ended')
  (found,) = doubts(folder)
  assert 'exchanged for others' in found.text


def test_a_trial_may_be_continued(folder):
  path = first(folder) / layout.ATTEMPTS
  with path.open('a') as file:
    file.write('{"event": "exam", "attempt": 0, "agrees": null, "why": "."}\n')
  ledger.add(folder, first(folder), 'ended')
  assert doubts(folder) == []


def test_a_lost_trial_is_missed(folder):
  shutil.rmtree(first(folder))
  (found,) = doubts(folder)
  assert 'is gone' in found.text


def test_a_trial_that_was_added_is_found(folder):
  path = folder / ledger.NAME
  lines = path.read_text().splitlines(keepends=True)
  path.write_text(''.join(lines[:-1]))
  (found,) = doubts(folder)
  assert 'was added later' in found.text


@pytest.mark.parametrize('way', ['lost', 'edited', 'swapped'])
def test_a_broken_chain_is_found(folder, way):
  path = folder / ledger.NAME
  lines = path.read_text().splitlines(keepends=True)
  if way == 'lost':
    del lines[1]
  elif way == 'swapped':
    lines[1:3] = reversed(lines[1:3])
  else:
    lines[1] = lines[1].replace('ended', 'budget')
  path.write_text(''.join(lines))
  (found,) = doubts(folder)
  assert found.path == ledger.NAME
  assert 'changed, removed or added' in found.text


def test_a_folder_without_a_ledger_is_told(folder):
  ends = ledger.head(folder)
  assert ends in sealed.ending(read.read(folder))
  (folder / ledger.NAME).unlink()
  assert verify.verify(read.read(folder)) == []
  assert 'There is no ledger' in sealed.ending(read.read(folder))


def test_seconds_moved_to_a_free_account_are_found(folder):
  """A submission that edits the clock's accounts leaves the load as it is."""
  path = first(folder) / layout.ATTEMPTS
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  lines[1]['load'] = {'charged_seconds': 4.0}
  lines[1]['compiled'] = {'spared_seconds': 0.0}
  lines[1]['accounts']['overrun'] = 0.0

  def write():
    path.write_text('\n'.join(map(json.dumps, lines)) + '\n')

  write()
  ledger.add(folder, first(folder), 'ended')
  found = [one.text for one in doubts(folder)]
  assert not [text for text in found if 'load was measured' in text]
  lines[1]['load'] = {'charged_seconds': 9.0}
  write()
  found = [one.text for one in doubts(folder)]
  assert [text for text in found if 'load was measured for 9' in text]


@pytest.mark.parametrize(
  'line',
  [
    b'[]',
    b'{"before": ""}',
    b'{"before": "", "time": 1, "trial": "a", "outcome": "", "files": {}}',
    b'{"before": "", "time": "", "trial": "../x", "outcome": "", "files": {}}',
    b'{"before": "", "time": "", "trial": "/x", "outcome": "", "files": {}}',
    b'{"before": "", "time": "", "trial": "a", "outcome": "",'
    b' "files": {"../b": [1, ""]}}',
    b'{"before": "", "time": "", "trial": "a", "outcome": "",'
    b' "files": {"trial.json": [-1, ""]}}',
    b'\xff',
  ],
)
def test_a_strangers_ledger_is_damaged_and_read_no_further(folder, line):
  (folder / ledger.NAME).write_bytes(line + b'\n')
  (found,) = doubts(folder)
  assert (found.path, 'is damaged' in found.text) == (ledger.NAME, True)


def test_a_pipe_in_the_place_of_the_ledger_or_of_a_record_is_not_read(folder):
  path = first(folder) / layout.EVALS
  path.unlink()
  os.mkfifo(path)
  assert 'cannot be compared' in ' '.join(one.text for one in doubts(folder))
  path = folder / ledger.NAME
  path.unlink()
  os.mkfifo(path)
  assert ledger.NAME in {one.path for one in doubts(folder)}
  assert 'cannot be read' in sealed.ending(read.read(folder))
