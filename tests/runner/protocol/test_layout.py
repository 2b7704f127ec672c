"""Where a trial stands, as its records tell it."""

import pytest

from runner.protocol import layout, storage


@pytest.mark.parametrize('text', ['{"event": 1\n', '{}\n', '[]\n', '7\n'])
def test_damaged_attempts_are_told_by_their_file(tmp_path, text):
  (tmp_path / layout.ATTEMPTS).write_text(text)
  with pytest.raises(storage.RecordsError, match='is damaged'):
    layout.status(tmp_path)


def event(kind, attempt, **facts):
  return {'event': kind, 'attempt': attempt} | facts


def end(attempt, outcome):
  return event(
    'end', attempt, outcome=outcome, reason='', seconds=1.0, accounts={}
  )


@pytest.mark.parametrize(
  ('events', 'outcome'),
  [
    ([], None),
    ([event('start', 0)], None),
    ([event('start', 0), end(0, 'reached')], 'reached'),
    ([event('start', 0), end(0, 'crashed'), event('start', 1)], None),
    ([event('start', 0), end(0, 'reached'), end(0, 'invalid')], 'invalid'),
  ],
)
def test_the_last_attempt_decides(tmp_path, events, outcome):
  for line in events:
    storage.append_line(tmp_path / layout.ATTEMPTS, line)
  assert layout.status(tmp_path).outcome == outcome


def test_folders_are_named_as_algoperf_names_them():
  path = layout.folder('out', 'lion', 'criteo1tb/mini', 0, 1)
  assert path.as_posix() == 'out/lion/study_0/criteo1tb_mini_jax/trial_1'
