"""Records survive what interrupts their writing."""

import json

import pytest

from runner import records

COLUMNS = ('global_step', 'score')


def row(step):
  return {'global_step': step, 'score': float(step)}


def test_rows_are_appended_under_one_header(tmp_path):
  path = tmp_path / 'rows.csv'
  records.append_rows(path, [row(1), row(2)], COLUMNS)
  records.append_rows(path, [row(3)], COLUMNS)
  assert path.read_text().splitlines() == [
    'global_step,score', '1,1.0', '2,2.0', '3,3.0'
  ]  # fmt: skip


def test_rows_offered_again_after_a_resume_are_not_doubled(tmp_path):
  path = tmp_path / 'rows.csv'
  records.append_rows(path, [row(1), row(2)], COLUMNS)
  records.append_rows(path, [row(2), row(3)], COLUMNS)
  assert [r['global_step'] for r in records.read_rows(path)] == ['1', '2', '3']


def test_columns_stay_as_they_are_whatever_a_later_row_has(tmp_path):
  path = tmp_path / 'rows.csv'
  records.append_rows(path, [row(1)], COLUMNS)
  records.append_rows(path, [{'global_step': 2, 'norm': 3.0}], ('norm',))
  assert records.read_rows(path)[1] == {'global_step': '2', 'score': ''}


@pytest.mark.parametrize('cut', range(1, 34))
def test_a_line_cut_by_a_kill_is_written_again(tmp_path, cut):
  """At whatever byte: no half row, none lost, none doubled."""
  path = tmp_path / 'rows.csv'
  records.append_rows(path, [row(10), row(20)], COLUMNS)
  whole = path.read_bytes()
  path.write_bytes(whole[:-cut])
  assert len(records.read_rows(path)) < 2
  records.append_rows(path, [row(10), row(20)], COLUMNS)
  assert path.read_bytes() == whole


def test_a_line_of_json_cut_by_a_kill_is_left_out(tmp_path):
  path = tmp_path / 'lines.jsonl'
  records.append_line(path, {'a': 1})
  with path.open('a') as file:
    file.write('{"a": ')
  assert list(records.read_lines(path)) == [{'a': 1}]


@pytest.mark.parametrize('text', ['{"event": 1\n', '{}\n', '[]\n', '7\n'])
def test_damaged_attempts_are_told_by_their_file(tmp_path, text):
  (tmp_path / records.ATTEMPTS).write_text(text)
  with pytest.raises(records.RecordsError, match='is damaged'):
    records.status(tmp_path)


def test_json_is_replaced_in_one_step(tmp_path):
  path = tmp_path / 'x.json'
  records.write_json(path, {'a': 1})
  with pytest.raises(TypeError):
    records.write_json(path, {'a': object()})
  assert json.loads(path.read_text()) == {'a': 1}


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
    records.append_line(tmp_path / records.ATTEMPTS, line)
  assert records.status(tmp_path).outcome == outcome


def test_folders_are_named_as_algoperf_names_them():
  path = records.folder('out', 'lion', 'criteo1tb/mini', 0, 1)
  assert path.as_posix() == 'out/lion/study_0/criteo1tb_mini_jax/trial_1'
