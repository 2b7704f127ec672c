"""Whatever stands in a results folder, it is told, and never taken for a time.

A damaged file gives the time that it gave when it was whole, or its cell stays
open, or `verify` doubts it. Nothing but the project's own errors is raised.
"""

import copy
import io
import itertools
import json
import math
import os
import signal

import pytest
import rich.console

from runner.protocol import layout, storage
from runner.protocol.suites import suite
from scoring import verify
from scoring.load import details, results as read
from scoring.rank import analysis, board
from scoring.report import export
from scoring.report.page import render
from tests.scoring.load import test_verify
from tests.support import made_results

FILES = (
  layout.EVALS,
  layout.ATTEMPTS,
  layout.TRIAL,
  'hparams.json',
  'meta_data_0.json',
  layout.PLAN,
)
SCORED = (layout.EVALS, layout.ATTEMPTS, layout.TRIAL, layout.PLAN)
DEEP = '[' * 100_000
SECRET = 'do-not-show-this'
CONSOLE = rich.console.Console(file=io.TextIOWrapper(io.BytesIO(), 'utf-8'))


@pytest.fixture
def whole(tmp_path):
  """One trial that reached its target; nothing in it is doubted."""
  out = test_verify.left_behind(tmp_path / 'results', ['lion'], studies=1)
  [place] = out.glob('lion/study_0/*/trial_1')
  values = [(2.0, 0.9), (3.0, 0.8), (4.0, 0.4)]
  made_results._write_evals(place / layout.EVALS, values, 'loss')
  made_results._write_attempts(place / layout.ATTEMPTS, 4.0, 'reached', 'x')
  assert told(out) == (4.0, [])
  return out


@pytest.fixture
def in_time():
  """What waits for a pipe would wait for ever."""

  def late(*_):
    raise AssertionError('It hangs.')

  before = signal.signal(signal.SIGALRM, late)
  signal.alarm(20)
  yield
  signal.alarm(0)
  signal.signal(signal.SIGALRM, before)


def at(out, name):
  if name == layout.PLAN:
    return out / name
  return out / 'lion' / 'study_0' / 'criteo1tb_mini_jax' / 'trial_1' / name


def told(out):
  """The time to the target, and what is doubted; None: not to be scored."""
  try:
    results = read.read(out)
    found = verify.verify(results)
  except (read.ReadError, suite.SuiteError) as error:
    assert str(out) in str(error)
    return math.nan, [error]
  return results.trials[0].hit, [one for one in found if one.doubt]


def held(out):
  """Never another time without a doubt."""
  hit, doubts = told(out)
  assert hit == 4.0 or doubts or math.isnan(hit)
  return hit, doubts


@pytest.mark.parametrize('name', FILES)
def test_a_file_cut_short_anywhere_gives_no_other_time(whole, name):
  path = at(whole, name)
  content = path.read_bytes()
  for end in range(0, len(content), 1 + len(content) // 800):
    path.write_bytes(content[:end])
    _, doubts = held(whole)
    # One whose attempt has not ended may be running.
    ended = content[end:] == b'\n'  # Of two characters that end a line.
    assert doubts or ended or name == layout.ATTEMPTS


@pytest.mark.parametrize('name', [layout.EVALS, layout.ATTEMPTS])
@pytest.mark.parametrize('bit', [0x01, 0x08])
def test_a_bit_turned_anywhere_gives_no_other_time(whole, name, bit):
  path = at(whole, name)
  content = bytearray(path.read_bytes())
  first = content.rindex(b'\n', 0, -1) if name == layout.EVALS else 0
  for n in range(first, len(content)):
    content[n] ^= bit
    path.write_bytes(content)
    held(whole)
    content[n] ^= bit


KINDS = {
  'a pipe': os.mkfifo,
  'a folder': os.mkdir,
  'a device': lambda path: os.symlink('/dev/zero', path),
  'a link to itself': lambda path: os.symlink(path.name, path),
  'a link to nothing': lambda path: os.symlink('/nowhere', path),
}


@pytest.mark.parametrize('name', [*FILES, 'lion.py'])
@pytest.mark.parametrize('kind', KINDS)
def test_what_is_no_file_is_not_waited_for(whole, in_time, name, kind):
  """A pipe in the place of a CSV file was, for ever."""
  at(whole, name).unlink()
  KINDS[kind](at(whole, name))
  hit, doubts = held(whole)
  assert doubts
  # The plan has the hyperparameters too.
  assert (hit == 4.0) == (name not in SCORED)


@pytest.mark.parametrize('name', FILES)
def test_links_show_no_other_files_of_this_machine(whole, tmp_path, name):
  secret = tmp_path / 'secret'
  fields = {'packages': {SECRET: SECRET}, SECRET: SECRET, 'hardware': SECRET}
  secret.write_text(json.dumps(fields) + '\n')
  at(whole, name).unlink()
  at(whole, name).symlink_to(secret)
  (whole / layout.PLAN).unlink()  # Else hyperparameters are the plan's.
  results = read.read(whole, 'mini', 'self')
  assert SECRET not in shown(results)
  assert SECRET not in str(verify.verify(results))


def shown(results):
  """All that a report says."""
  found = board.make(results)
  explained = analysis.make(results, found, draws=2)
  table = export.everything(results, found, explained)
  text = render.render(results, found, explained)
  return text + json.dumps(table, allow_nan=False)


def test_folders_may_be_linked_together(whole, tmp_path):
  (tmp_path / 'elsewhere').mkdir()
  (whole / 'lion').rename(tmp_path / 'elsewhere' / 'lion')
  (whole / 'lion').symlink_to(tmp_path / 'elsewhere' / 'lion')
  assert told(whole) == (4.0, [])
  (whole / 'loop').symlink_to('loop')
  hit, [doubt] = told(whole)
  assert (hit, doubt.path) == (4.0, 'loop')


TEXTS = (
  '', 'null', '[]', '"x"', '7', '{}', '[[]]', DEEP, '{"x":' * 100_000,
  '1' * 5000, '{"event": "end"}', '{"event": []}', '\0', '\ud800',
  '"' * 200_000,
)  # fmt: skip


@pytest.mark.parametrize('name', FILES)
def test_other_texts_in_the_place_of_a_file_are_told(whole, name):
  path = at(whole, name)
  content = path.read_bytes()
  for text in TEXTS:
    for rest in (b'', content):
      path.write_bytes(text.encode('utf-8', 'replace') + b'\n' + rest)
      held(whole)


ODD = [
  None,
  True,
  -1,
  10**400,
  math.nan,
  math.inf,
  'x',
  '\ud800',
  [1],
  {'x': 1},
]


def places(value, top=()):
  """Where something stands in a table."""
  items = ()
  if isinstance(value, dict):
    items = value.items()
  elif isinstance(value, list):
    items = enumerate(value)
  for key, inner in items:
    yield (*top, key)
    yield from places(inner, (*top, key))


def changed(table, path, value):
  table = copy.deepcopy(table)
  inner = table
  for key in path[:-1]:
    inner = inner[key]
  inner[path[-1]] = value
  return table


@pytest.mark.parametrize('name', FILES[1:])
def test_anything_anywhere_in_a_table_is_told(whole, name):
  path = at(whole, name)
  lines = path.read_text().splitlines()
  one_a_line = name == layout.ATTEMPTS
  table = (
    [*map(json.loads, lines)] if one_a_line else json.loads('\n'.join(lines))
  )
  turn = itertools.cycle(ODD)
  for where in places(table):
    for _ in range(3):  # All of them, as the places go by.
      odd = changed(table, where, next(turn))
      text = ''.join(json.dumps(line) + '\n' for line in odd)
      path.write_text(text if one_a_line else json.dumps(odd))
      try:
        results = read.read(whole)
      except (read.ReadError, suite.SuiteError):
        continue
      verify.verify(results)
      verify.show(results, verify.verify(results), CONSOLE)
      found = board.make(results)
      explained = analysis.make(results, found, draws=2)
      table_of_it = export.everything(results, found, explained)
      json.dumps(table_of_it, allow_nan=False)


@pytest.mark.parametrize(
  'name',
  ['../../x', '..', '.', '', '/etc', 'x/y', 'x\0', '\ud800', 'x' * 300],
)
def test_a_plan_names_no_other_folders(whole, name):
  """`..` was one that it could: what lies beside the results was scored."""
  path = whole / layout.PLAN
  plan = json.loads(path.read_text())
  plan['trials'][0]['submission'] = name
  path.write_text(json.dumps(plan))
  with pytest.raises(read.ReadError, match=r'plan.json: The plan is dam'):
    read.read(whole)
  with pytest.raises(storage.RecordsError, match='can be called'):
    layout.folder(whole, name, 'digits', 0, 1)


@pytest.mark.parametrize(
  ('old', 'new', 'reason'),
  [
    ('test/loss', 'global_step', 'two columns of the same name'),
    ('\n1.39,0.01,', '\n1_39,0.01,', 'underscore'),
    ('\n1.39,0.01,', '\n-1.39,0.01,', 'negative or infinite'),
    (',32,', ',8,', 'steps must increase'),
    (',48,', ',inf,', 'without a number of steps'),
  ],
)
def test_rows_that_cannot_be_are_damage(whole, old, new, reason):
  """Steps that fell, and numbers only Python reads, passed for sound."""
  test_verify.swap(at(whole, layout.EVALS), old, new)
  [trial] = read.read(whole).trials
  assert trial.state == 'unclear' and reason in trial.reason


def test_a_trial_planned_twice_counts_once_or_not(whole):
  path = whole / layout.PLAN
  test_verify.change(
    path, lambda plan: plan['trials'].append(plan['trials'][0])
  )
  with pytest.raises(read.ReadError, match='is planned twice'):
    read.read(whole)


@pytest.mark.parametrize('name', FILES[2:])
def test_what_stands_twice_in_a_table_cannot_hide_a_change(whole, name):
  """The last one counts, as for everyone who reads JSON with Python."""
  path = at(whole, name)
  text = path.read_text().rstrip()
  for key in json.loads(text):
    path.write_text(f'{text[:-1]}, "{key}": 12.5}}')
    held(whole)


def test_a_folder_that_cannot_be_read_spoils_no_report(whole):
  """A report ended where one trial's folder was another user's."""
  [trial, *_] = read.read(whole).trials
  found = details.read(trial._replace(folder=whole / ('x' * 300)), None)
  assert found.facts == {}
  assert 'The folder cannot be read: File name too long.' in found.damage
