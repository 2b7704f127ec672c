"""Files of ours are UTF-8 wherever we run, whatever a terminal can show."""

import ast
import os
import shutil
import subprocess
import sys

import pytest

from runner.protocol import layout, storage
from tests.support import made_results, races
from tests.support.races import ROOT

pytestmark = pytest.mark.apart  # Slow, and each on its own.

PACKAGES = (
  'workloads',
  'submissions',
  'scoring',
  'runner',
  'configs',
  'docker',
)
FILES = [
  path.relative_to(ROOT).as_posix()
  for package in PACKAGES
  for path in sorted(ROOT.glob(f'{package}/**/*.py'))
]
# Functions that open files, with the place of their mode.
OPENS = {'open': 1, 'fdopen': 1, 'read_text': None, 'write_text': None}
OPENS |= {'NamedTemporaryFile': 0, 'TemporaryFile': 0, 'TextIOWrapper': None}
NONE = -1
OTHERS = ('os', 'tarfile', 'Image', 'zipfile', 'archive', 'gzip')  # Of bytes.


def careless(source: str) -> list[int]:
  """Lines that open a file as text and name no encoding."""
  calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
  return sorted(call.lineno for call in calls if _is_careless(call))


def _is_careless(call: ast.Call) -> bool:
  given = {word.arg: word.value for word in call.keywords}
  if 'encoding' in given:
    return False
  if 'text' in given and isinstance(given['text'], ast.Constant):
    return given['text'].value is True
  match call.func:
    case ast.Attribute(attr='open', value=ast.Name(id=owner)):
      place = NONE if owner in OTHERS else 0
    case ast.Attribute(attr='open'):
      place = 0
    case ast.Attribute(attr=name) | ast.Name(id=name):
      place = OPENS.get(name, NONE)
    case _:
      place = NONE
  if place == NONE:
    return False
  mode = given.get('mode')
  if place is not None and len(call.args) > place:
    mode = call.args[place]
  return not (isinstance(mode, ast.Constant) and 'b' in str(mode.value))


def test_every_file_is_opened_with_an_encoding():
  found = {
    path: careless((ROOT / path).read_text(encoding='utf-8')) for path in FILES
  }
  assert len(found) > 200
  assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
  'line, wrong',
  [
    ("open('x')", True),
    ("open('x', 'w', newline='')", True),
    ("open('x', mode='a')", True),
    ("open('x', 'rb')", False),
    ("open('x', encoding='utf-8')", False),
    ('path.open()', True),
    ("path.open('ab')", False),
    ("(a / b).open('w')", True),
    ('path.read_text()', True),
    ("path.read_text(encoding='utf-8')", False),
    ("path.write_text('x')", True),
    ("os.fdopen(3, 'w')", True),
    ("os.fdopen(3, 'rb')", False),
    ("os.open('x', os.O_RDONLY)", False),
    ('subprocess.run(x, text=True)', True),
    ("subprocess.run(x, text=True, encoding='utf-8')", False),
  ],
)
def test_careless_lines_are_found(line, wrong):
  assert bool(careless(line)) is wrong


LOCALES = {  # As Python is told of them; the first two are made for the test.
  'gbk': ('zh_CN', 'GBK'),
  'latin1': ('de_DE', 'ISO-8859-1'),
  'c': None,
  'posix_gbk': None,
}


@pytest.fixture(params=LOCALES)
def env(request, tmp_path):
  """An environment with a locale that is not of UTF-8."""
  own = {n: v for n, v in os.environ.items() if not n.startswith('LC_')}
  own |= {'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0', 'LC_ALL': 'C'}
  if request.param == 'posix_gbk':
    own['PYTHONIOENCODING'] = 'gbk'
  if (made := LOCALES[request.param]) is None:
    return own
  language, charmap = made
  name, program = f'{language}.{charmap}', shutil.which('localedef')
  if program is None:
    pytest.skip('There is no localedef here.')
  words = [program, '-i', language, '-f', charmap, str(tmp_path / name)]
  if subprocess.run(words, capture_output=True, check=False).returncode > 1:
    pytest.skip(f'{name} cannot be made here.')
  return own | {'LOCPATH': str(tmp_path), 'LC_ALL': name}


@pytest.fixture
def home(tmp_path):
  path = tmp_path / 'Prüfung 測試'
  path.mkdir()
  return path


def call(env, *words):
  done = subprocess.run(
    [sys.executable, '-m', *map(str, words)],
    cwd=ROOT,
    env=env,
    capture_output=True,
    timeout=120,
    check=False,
  )
  assert b'Traceback' not in done.stderr, done.stderr.decode(errors='replace')
  return done


def test_who_asks_for_no_utf_8_mode_is_not_begun_again_for_ever():
  done = subprocess.run(
    [sys.executable, '-X', 'utf8=0', '-m', 'runner', '--version'],
    cwd=ROOT,
    env=os.environ | {'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0'},
    capture_output=True,
    timeout=60,
    check=True,
  )
  assert done.stdout.startswith(b'TimeTrial')


MINE = '''"""Größe ≤ 1 — 中文."""
def build(task, *, größe): ...
SELF = {'größe': 0.5}
'''


def test_commands_work_under_any_locale(env, home):
  """Plans and reports hold signs that GBK, Latin-1 or ASCII do not have."""
  mine = home / 'größe.py'
  mine.write_text(MINE, encoding='utf-8')
  toml = races.suite(home)
  toml.write_text(
    f'# ≤ 中文\n{toml.read_text(encoding="utf-8")}', encoding='utf-8'
  )
  flags = [f'--suite={toml}', f'--submissions={mine}']
  flags += [f'--hardware_dir={home / "hardware"}']
  done = call(env, 'runner', 'plan', *flags)
  assert done.returncode == 0, done.stderr
  assert b'1 trials' in done.stdout
  assert call(env, 'runner', 'plan', '--submissions=all').returncode == 0

  race = made_results.race(home / 'results')
  (race / 'nadamw').rename(race / 'größe')
  plan = race / layout.PLAN
  plan.write_text(
    plan.read_text(encoding='utf-8').replace('"nadamw"', '"größe"'),
    encoding='utf-8',
  )
  out, into = home / 'report', home / 'README.md'
  into.write_text(
    '≤ 中文\n<!-- timetrial: begin -->\n<!-- timetrial: end -->\n',
    encoding='utf-8',
  )
  done = call(env, 'scoring', race, f'--out={out}', f'--into={into}')
  assert done.returncode == 0, done.stderr
  assert 'größe' in (out / 'report.md').read_text(encoding='utf-8')
  assert into.read_text(encoding='utf-8').startswith('≤ 中文\n<!--')
  assert 'größe' in into.read_text(encoding='utf-8')
  assert call(env, 'scoring', race, '--json', '--noreport').returncode == 0
  for word in ('replay', 'verify'):
    assert call(env, 'scoring', word, race).returncode in (0, 1)
  assert call(env, 'runner', 'status', f'--out={race}').returncode == 0
  # Errors are readable as well.
  wrong = call(env, 'runner', 'plan', f'--submissions={home / "größer.py"}')
  assert wrong.returncode == 2 and b'Error:' in wrong.stderr
  done = call(env, 'workloads', 'data', 'status', f'--data_dir={home}')
  assert done.returncode == 1 and done.stdout
  done = call(env, 'runner', 'forget', '--submissions=muon', f'--out={race}')
  assert done.returncode == 0 and (race / '.forgotten' / 'muon_1').is_dir()


CURIOUS = """
import pathlib
source = pathlib.Path(__file__).read_text()
assert '≤ 中文' in source
print('≤ 中文', flush=True)
"""


def test_a_trial_reads_and_prints_utf_8_under_any_locale(home):
  """A submission does the same whoever runs it."""
  mine = races.mine(home, 'mine', steps=3)
  text = mine.read_text(encoding='utf-8') + CURIOUS
  mine.write_text(text, encoding='utf-8')
  c = {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}
  flags = dict(suite=races.suite(home), submissions=mine, out=home / 'out')
  done = subprocess.run(
    races.command(home, 'run', **flags),
    cwd=ROOT,
    env=os.environ | c,
    capture_output=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  path = races.folder(home / 'out', 'mine')
  assert layout.status(path).outcome == 'ended'
  assert '≤ 中文' in (path / 'trial.log').read_text(encoding='utf-8')
  assert storage.read_json(path / 'meta_data_0.json')['rng_seed']
