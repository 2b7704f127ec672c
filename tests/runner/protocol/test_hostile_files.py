"""Whatever a suite or a submission holds, it is read or refused in words.

Refused is with the project's own errors, which name the file and what is wrong
in it: never with what happened to break inside.
"""

import copy
import json
import math
import tomllib

import pytest
from hypothesis import given, settings, strategies as st

import submissions
from runner.protocol.suites import search_space, suite as rules, suite_files
from submissions import literals
from tests.runner.protocol import test_suite

FEW = settings(max_examples=100)
HOSTILE = [
  None, True, False, 0, -1, 1.5, 10**30, 10**400, -(10**400), math.nan,
  math.inf, -math.inf, 1e308, 5e-324, '', '../..', 'digits', 'x\0', '\ud800',
  'ä' * 5000, '/dev/zero.toml', [], {}, [[]], [1, 'x'], {'like': 'digits'},
  {'': {}}, {'like': {}}, {'extends': 'mini'},
]  # fmt: skip
PLAIN = st.recursive(
  st.none()
  | st.booleans()
  | st.integers()
  | st.floats()
  | st.text(max_size=5)
  | st.sampled_from(HOSTILE),
  lambda some: (
    st.lists(some, max_size=3)
    | st.dictionaries(st.text(max_size=5), some, max_size=3)
  ),
  max_leaves=8,
)


def whole():
  """A suite that says everything it may say."""
  table = copy.deepcopy(test_suite.TABLE)
  row = table['workloads']['digits']
  row |= {'steps_per_dispatch': 2, 'test_target': 0.03, 'quirks': ['odd']}
  row |= {'origin': {'date': '2026-11-23'}}
  variant = {'like': 'digits', 'target': 0.1, 'held_out_of': 'digits'}
  table['workloads']['digits/silu'] = variant
  table['unscored'] = {'mnist/mini': {'like': 'digits'}}
  table['scoring'] = {'fastest': 'time', 'late': 'missed'}
  return table


def paths(table, top=()):
  for key, value in table.items():
    yield (*top, key)
    if isinstance(value, dict):
      yield from paths(value, (*top, key))


def place(table, path):
  for key in path[:-1]:
    table = table[key]
  return table


PATHS = list(paths(whole()))


def judged(table):
  """Rules that hold, or an error that says where; nothing else."""
  try:
    suite = rules.parse(table, name='x', where='x.toml')
  except rules.SuiteError as error:
    assert str(error).startswith('x.toml:')
    assert len(str(error)) < 20_000
    return str(error)
  stored = json.dumps(rules.dump(suite), allow_nan=False)
  assert rules.parse(json.loads(stored), name='x', where='x') == suite
  assert suite.cutoff > 1 and suite.seed >= 0
  assert all(row.steps > 0 for row in suite.workloads.values())
  return ''


def test_a_suite_with_everything_in_it_is_read():
  assert not judged(whole())


@pytest.mark.parametrize('path', PATHS, ids='.'.join)
def test_a_suite_with_anything_anywhere_is_read_or_explained(path):
  for value in (*HOSTILE, 2**20000):  # Which even repr refuses to write.
    table = whole()
    place(table, path)[path[-1]] = value
    error = judged(table)
    if path[-1] not in ('quirks', 'like', *table):  # Which say it of others.
      assert not error or str(path[-1]) in error or path[-2] in error
  for key in ('', 'like', 'extends', 'held_out_of', 'a\nb', '\ud800'):
    table = whole()
    place(table, path)[key] = place(table, path).pop(path[-1])
    judged(table)


@FEW
@given(st.lists(st.tuples(st.sampled_from(PATHS), PLAIN), min_size=2))
def test_a_suite_wrong_in_many_ways_is_read_or_explained(changes):
  table = whole()
  for path, value in changes:
    inner = table
    for key in path[:-1]:
      inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
      inner[path[-1]] = value
  judged(table)


@FEW
@given(PLAIN)
def test_rules_that_are_anything_are_read_or_explained(table):
  judged(table)


def loaded(path, content):
  path.write_bytes(content)
  try:
    return rules.load(str(path))
  except rules.SuiteError as error:
    assert path.name in str(error)
    return None


@pytest.fixture(scope='module')
def file(tmp_path_factory):
  return tmp_path_factory.mktemp('suite') / 'odd.toml'


@FEW
@given(
  st.binary() | st.text().map(lambda text: text.encode('utf-8', 'replace'))
)
def test_a_suite_of_any_bytes_is_explained(file, content):
  assert loaded(file, content) is None


def test_a_suite_cut_short_anywhere_is_explained(file):
  """But where a whole row is missing at its end, which is a shorter suite."""
  content = suite_files.find('mini').read_bytes()
  names = []
  for end in range(0, len(content), 97):
    if suite := loaded(file, content[:end]):
      names.append(list(suite.workloads))
  assert all(known == names[-1][: len(known)] for known in names)


@pytest.mark.parametrize(
  'text',
  [
    f'seed = {"[" * 5000}',
    f'seed = {"9" * 5000}',
    f'seed = 0x{"f" * 5000}',
    'cutoff = nan',
    'extends = "mini"\nworkloads = 3',
    'extends = "minni"',
    'extends = 3',
    'extends = "mini"\ncutoff = 1.0',
  ],
)
def test_a_suite_is_explained_that_its_parser_would_stumble_over(file, text):
  assert loaded(file, text.encode()) is None


def test_a_name_longer_than_a_file_may_have_is_explained():
  with pytest.raises(rules.SuiteError, match='No suite'):
    suite_files.find('x' * 5000 + '.toml')
  for name in ('x' * 5000, 'x' * 5000 + '.py', 'x\0.py', '', '@', '@x'):
    with pytest.raises(submissions.SubmissionError):
      submissions.find(name)


def test_rules_in_results_cannot_have_other_files_read(file):
  """They could: a plan's `extends` named any file of this machine."""
  content = suite_files.find('mini').read_text()
  with pytest.raises(rules.SuiteError, match='only the file of a suite'):
    rules.parse(
      tomllib.loads(content) | {'extends': str(file)}, name='x', where='x'
    )


HEAD = 'def build(task, *, rate, **options):\n  pass\n'


def entered(path, text, count=3):
  """Loads and draws all points; an error of ours is returned."""
  path.write_bytes(text if isinstance(text, bytes) else text.encode())
  try:
    entry = submissions.find(str(path))
    found = [entry.self_point, *entry.points.values()]
    if entry.space is not None:
      found += search_space.points(entry.space, count, 1, str(path))
    found = [point for point in found if point is not None]
    for point in found:
      submissions.check_point(entry, point, 'A point')
  except (submissions.SubmissionError, search_space.SpaceError) as error:
    assert path.parent.name in str(error)
    return str(error)
  assert json.loads(json.dumps(found, allow_nan=False)) == found
  return ''


@pytest.fixture(scope='module')
def mine(tmp_path_factory):
  return tmp_path_factory.mktemp('mine') / 'mine.py'


ENDS = st.sampled_from([
  'nan', '1e400', '-1e400', '1e308', '-1e308', '5e-324', '0', '-1', '1', 'True',
  '"1"', '[]', '9' * 400, '0x' + 'f' * 5000, '()', 'None', '1j', '1e-3',
])  # fmt: skip
SCALES = st.sampled_from(['"log"', '"linear"', '"cubic"', '[]', '1', 'None'])
RANGES = st.builds(
  "{{'min': {}, 'max': {}, 'scaling': {}}}".format, ENDS, ENDS, SCALES
)
LITERALS = (
  PLAIN.map(repr)
  | RANGES
  | RANGES.map("{{'rate': {}}}".format)
  | ENDS.map("{{'rate': {}}}".format)
  | ENDS.map("{{'rate': {{'feasible_points': [{}]}}}}".format)
  | ENDS.map("[{{'rate': {0}}}, {{'rate': {0}}}]".format)
  | ENDS.map("{{'x': {{'rate': {}}}}}".format)
  | st.text(max_size=20)
)


@FEW
@given(st.sampled_from(['SELF', 'SPACE', 'POINTS']), LITERALS)
def test_a_submission_with_any_literals_is_read_or_explained(mine, name, text):
  entered(mine, (HEAD + f'{name} = {text}\n').encode('utf-8', 'replace'))


@FEW
@given(st.binary())
def test_a_submission_of_any_bytes_is_explained(mine, content):
  assert entered(mine, content)


@pytest.mark.parametrize(
  ('text', 'wanted'),
  [
    (HEAD + "SELF = {'rate': 1}\n", ''),
    (HEAD + "SELF = {'rate': 1}\nSELF = {'speed': 1}\n", "has 'speed', which"),
    (HEAD + 'SELF = [1]', 'SELF must be a dictionary'),
    (HEAD + 'SELF = {[]: 1}', 'SELF must be plain data'),
    (HEAD + 'SELF = {1: 1}', 'SELF must be of finite numbers'),
    (HEAD + "SELF = {'rate': (1, 2)}", 'SELF must be of finite numbers'),
    (HEAD + "SELF = {'rate': 1e999}", 'SELF must be of finite numbers'),
    (HEAD + 'POINTS = {3: {}}', 'POINTS must be of finite'),
    (HEAD + "POINTS = {'x': 3}", r"POINTS['x'] must be a dictionary"),
    (HEAD + "POINTS = {'../../x': {}}", "POINTS has '../../x'"),
    (HEAD + 'SPACE = []', 'list of points is empty'),
    (HEAD + f'SELF = {"-" * 100_000}1', 'is not Python'),
    (HEAD + f'SELF = {"1+" * 50_000}1', 'is not Python'),
    (HEAD + f'SELF = {"[" * 90}{"]" * 90}', 'must be a dictionary'),
    (HEAD + 'SELF = 1\0', 'is not Python'),
    (HEAD + f'x = {"9" * 5000}', 'is not Python'),
    (
      HEAD
      + "SPACE = {'rate': {'min': 1e-300, 'max': 1e300, 'scaling': 'log'}}",
      'is too far',
    ),
    (
      HEAD + "SPACE = {'rate': {'min': -1e308, 'max': 1e308, "
      "'scaling': 'linear'}}",
      'is too far',
    ),
  ],
  ids=range(18),
)
def test_a_wrong_submission_is_told_what_would_be_right(mine, text, wanted):
  error = entered(mine, text)
  assert wanted in error and bool(wanted) == bool(error)


def test_a_name_that_is_another_folder_is_refused(tmp_path):
  """Of `...py`, the name without its ending is the folder above."""
  path = tmp_path / '...py'
  path.write_text(HEAD)
  with pytest.raises(submissions.SubmissionError, match='rename it'):
    submissions.find(str(path))


@pytest.fixture(scope='module')
def foreign(tmp_path_factory):
  folder = tmp_path_factory.mktemp('foreign') / 'theirs'
  folder.mkdir()
  (folder / 'submission.py').write_text(
    'data_selection = get_batch_size = 0\n'
    'init_optimizer_state = 0\n'
    'get_batch_size = 0\nupdate_params = 0\ndata_selection = 0\n'
  )
  return folder


def drawn(foreign, content):
  (foreign / 'tuning_search_space.json').write_bytes(content)
  try:
    entry = submissions.find(str(foreign))
    assert entry.space is not None
    found = search_space.points(entry.space, 3, 1, f'{foreign}: SPACE')
  except (literals.SubmissionError, search_space.SpaceError) as error:
    assert 'theirs' in str(error)
    return []
  literals.check(found, 'The points')
  return found


@FEW
@given(
  PLAIN.map(lambda value: json.dumps(value, default=str).encode())
  | st.binary()
  | LITERALS.map(lambda text: text.encode('utf-8', 'replace'))
)
def test_a_search_space_of_algoperf_is_read_or_explained(foreign, content):
  drawn(foreign, content)


def test_a_search_space_of_algoperf_is_never_taken_for_none(foreign):
  """One of `null` entered its folder for the self-tuning ruleset."""
  sound = b'{"rate": {"min": 1e-3, "max": 1.0, "scaling": "log"}}'
  assert len(drawn(foreign, sound)) == 3
  for end in range(len(sound)):
    assert not drawn(foreign, sound[:end])
  for content in (b'null', b'[' * 100_000, b'{"rate": NaN}', b'[{"x": 1e999}]'):
    assert not drawn(foreign, content)
