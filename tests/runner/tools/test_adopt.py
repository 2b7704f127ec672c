"""The best point of a tuning becomes SELF; the rest of the file stays."""

import ast

import pytest
from hypothesis import given, strategies as st

import submissions
from runner.tools.tuning import adopt
from submissions import literals
from tests.support import written

BUILD = 'def build(task, *, rate, kind="ä"): ...\n'
POINT = {'rate': 0.5, 'kind': 'ü'}
# Code around SELF: other statements, an older SELF, more in its line.
BEFORE = (
  '',
  '\ufeff',
  '# coding: latin-1\n# ö\n',
  'SELF = {"rate": 3}\n',
  'k = "ö"\x0c\n',
  'k = "ö"; ',
)
AFTER = ('', '  # fmt: skip', '; last = "é"', '\nPOINTS = {}')
LITERALS = ('{"rate": 1}', '{  # Old: ä.\n "rate": 1,\n}')


def point_of(source: bytes) -> dict:
  node = literals.assigned(ast.parse(source), 'SELF')
  return ast.literal_eval(node)


@pytest.mark.parametrize('before', BEFORE)
@pytest.mark.parametrize('old', LITERALS)
@pytest.mark.parametrize('after', AFTER)
@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_only_the_point_changes(before, old, after, newline):
  encoding = 'latin-1' if 'coding' in before else 'utf-8'
  head, tail = f'{before}SELF = (', f'){after}\n{BUILD}'
  source = f'{head}{old}{tail}'.replace('\n', newline).encode(encoding)
  changed = adopt.with_self(source, POINT)
  assert point_of(changed) == POINT
  assert changed.startswith(head.replace('\n', newline).encode(encoding))
  assert changed.endswith(tail.replace('\n', newline).encode(encoding))


def test_a_file_without_self_gets_it_at_its_end():
  for end in ('', '\n'):
    changed = adopt.with_self(f'x = 1{end}'.encode(), {'rate': 2})
    assert changed == b"x = 1\nSELF = {\n  'rate': 2,\n}\n"


VALUES = st.recursive(
  st.none()
  | st.booleans()
  | st.integers()
  | st.floats(allow_nan=False, allow_infinity=False)
  | st.text(),
  lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
  ),
  max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=12))
def test_any_point_survives(point):
  changed = adopt.with_self(b'SELF = {}\n', point)
  assert point_of(changed) == point


def test_the_file_is_rewritten_once(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(BUILD + 'SELF = {"rate": 1}\n', encoding='utf-8')
  entry = submissions.find(str(path))
  assert adopt.write(entry, POINT)
  assert submissions.find(str(path)).self_point == POINT
  text = path.read_bytes()
  assert not adopt.write(submissions.find(str(path)), POINT)
  assert path.read_bytes() == text


def test_a_point_that_was_changed_meanwhile_is_not_overwritten(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(BUILD + 'SELF = {"rate": 1}\n', encoding='utf-8')
  entry = submissions.find(str(path))
  path.write_text(BUILD + 'SELF = {"rate": 2}\n', encoding='utf-8')
  with pytest.raises(ValueError, match=r"'rate': 1.* is \{'rate': 2\}"):
    adopt.write(entry, POINT)
  assert submissions.find(str(path)).self_point == {'rate': 2}


def test_what_has_no_self_is_refused_before_hours_are_spent(tmp_path):
  with pytest.raises(ValueError, match='written for AlgoPerf'):
    adopt.check(submissions.find(str(written.V06)))
  path = tmp_path / 'mine.py'
  path.write_text(
    BUILD + 'SELF = {"rate": 1}\nPOINTS = {"other": {"rate": 2}}\n',
    encoding='utf-8',
  )
  with pytest.raises(ValueError, match='--write replaces SELF'):
    adopt.check(submissions.find(f'{path}@other'))
  adopt.check(submissions.find(f'theirs={path}'))
