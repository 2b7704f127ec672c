"""Files survive what interrupts their writing."""

import csv
import errno
import io
import json
import os

import pytest
from hypothesis import given, strategies as st

from runner.protocol import storage

COLUMNS = ('global_step', 'score')


def row(step):
  return {'global_step': step, 'score': float(step)}


def test_rows_are_appended_under_one_header(tmp_path):
  path = tmp_path / 'rows.csv'
  storage.append_rows(path, [row(1), row(2)], COLUMNS)
  storage.append_rows(path, [row(3)], COLUMNS)
  assert path.read_text().splitlines() == [
    'global_step,score', '1,1.0', '2,2.0', '3,3.0'
  ]  # fmt: skip


def test_rows_of_a_training_that_goes_no_further_are_put_aside(tmp_path):
  """Those of after a damaged checkpoint once hid the rows of its resume."""
  path = tmp_path / 'rows.csv'
  storage.append_rows(path, [row(10), row(20)], COLUMNS)
  before = path.read_bytes()
  storage.set_rows(path, [row(10)], COLUMNS, attempt=3)
  assert [r['global_step'] for r in storage.read_rows(path)] == ['10']
  assert (tmp_path / 'rows_before_3.csv').read_bytes() == before
  storage.set_rows(path, [], COLUMNS, attempt=4)
  assert sorted(p.name for p in tmp_path.iterdir()) == [
    'rows_before_3.csv', 'rows_before_4.csv'
  ]  # fmt: skip


def test_columns_stay_as_they_are_whatever_a_later_row_has(tmp_path):
  path = tmp_path / 'rows.csv'
  storage.append_rows(path, [row(1)], COLUMNS)
  storage.append_rows(path, [{'global_step': 2, 'norm': 3.0}], COLUMNS)
  assert storage.read_rows(path)[1] == {'global_step': '2', 'score': ''}


def test_cut_at_any_byte_rows_are_as_they_were_after_a_resume(tmp_path):
  """No row without its fields, none lost, none doubled, nothing put aside."""
  path = tmp_path / 'rows.csv'
  storage.set_rows(path, [row(10), row(20)], COLUMNS, attempt=1)
  whole = path.read_bytes()
  for size in range(len(whole)):
    path.write_bytes(whole[:size])
    fields = whole[:size].rpartition(b'\n')[2].split(b',')
    complete = len(fields) == len(COLUMNS) and fields[-1] != b''
    ended = whole[:size].count(b'\n')
    assert len(storage.read_rows(path)) == max(0, ended - 1 + complete)
    storage.set_rows(path, [row(10), row(20)], COLUMNS, attempt=1)
    assert path.read_bytes() == whole
  assert list(tmp_path.iterdir()) == [path]


@given(st.text(alphabet='ab",\r\n', max_size=30))
def test_rows_are_those_of_the_standard_library(tmp_path_factory, text):
  path = tmp_path_factory.getbasetemp() / 'rows.csv'
  path.write_bytes(text.encode() + b'\n')
  reader = csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=''))
  try:
    expected = list(reader)
  except csv.Error:  # Of a lone carriage return, in both.
    return
  assert storage.read_rows(path) == expected


def test_a_row_cut_short_is_replaced_by_the_next(tmp_path):
  path = tmp_path / 'rows.csv'
  storage.append_rows(path, [row(10)], COLUMNS)
  with path.open('a') as file:
    file.write('20,')
  storage.append_rows(path, [row(20)], COLUMNS)
  assert [r['score'] for r in storage.read_rows(path)] == ['10.0', '20.0']


def test_a_line_of_json_cut_by_a_kill_is_left_out(tmp_path):
  path = tmp_path / 'lines.jsonl'
  storage.append_line(path, {'a': 1})
  with path.open('a') as file:
    file.write('{"a": ')
  assert list(storage.read_lines(path)) == [{'a': 1}]
  storage.append_line(path, {'a': 2})  # It once made the line a damaged one.
  assert list(storage.read_lines(path)) == [{'a': 1}, {'a': 2}]


def test_json_is_replaced_in_one_step(tmp_path):
  path = tmp_path / 'x.json'
  storage.write_json(path, {'a': 1})
  with pytest.raises(TypeError):
    storage.write_json(path, {'a': object()})
  assert json.loads(path.read_text()) == {'a': 1}


def full(*_):
  raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
  'write',
  [
    lambda path: storage.write(path, b'new'),
    lambda path: storage.append_line(path, {'a': 2}),
    lambda path: storage.append_rows(path, [row(1)], COLUMNS),
    lambda path: storage.set_rows(path, [row(1)], COLUMNS, attempt=1),
  ],
)
def test_a_full_disk_is_told_by_its_file_and_harms_no_other(
  tmp_path, monkeypatch, write
):
  path = tmp_path / 'x'
  path.write_text('{"a": 1}\n')
  monkeypatch.setattr(os, 'fsync', full)
  with pytest.raises(storage.StorageError, match=r'Cannot write .*No space'):
    write(path)
  assert not (tmp_path / 'x.partial').exists()
  kept = (tmp_path / 'x_before_1') if not path.exists() else path
  assert kept.read_text().startswith('{"a": 1}\n')
