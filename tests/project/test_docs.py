"""Documents agree with the code: flags, commands, links, paths and schemas."""

import ast
import functools
import json
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

from runner.protocol import schemas
from runner.tools import preflight
from scoring.rank.allocation import More
from tests.project import test_imports
from tests.support import flag_table, made_results
from workloads import data

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = sorted(
  path.relative_to(ROOT).as_posix()
  for path in (
    *ROOT.glob('*.md'),
    *ROOT.glob('docs/*.md'),
    *ROOT.glob('docs/benchmarks/*.md'),
    ROOT / 'docker' / 'README.md',
  )
  if path.name != 'CHANGELOG.md'
)
# Words of a private language; docs/glossary.md has the field's terms.
BANNED = (
  'shall', 'whoever', 'fleet', 'gauge', 'foretell', 'foretold', 'uncertainty',
  'patience', 'examine', 'hereby', 'at whatever',
)  # fmt: skip


def _text(name: str) -> str:
  return (ROOT / name).read_text(encoding='utf-8')


def _prose(name: str) -> str:
  """Text without code, tables of figures included."""
  text = re.sub(r'```.*?```', '', _text(name), flags=re.S)
  text = re.sub(r'^ {4}.*$', '', text, flags=re.M)
  return re.sub(r'`[^`]*`', '', text)


def _anchors(name: str) -> set[str]:
  """Anchors of a document's headings, as GitHub makes them."""
  heads = re.findall(r'^#+ (.*)$', _text(name), re.M)
  words = (re.sub(r'[^\w\- ]', '', head.lower()) for head in heads)
  return {word.strip().replace(' ', '-') for word in words}


@pytest.mark.parametrize('name', DOCUMENTS)
def test_links_lead_somewhere(name):
  for link in re.findall(r'\]\(([^)\s]+)\)', _text(name)):
    if re.match(r'https?:', link):
      continue
    path, _, anchor = link.partition('#')
    target = (ROOT / name).parent / path if path else ROOT / name
    assert target.exists(), f'{name} links to {link}.'
    if anchor:
      known = _anchors(target.resolve().relative_to(ROOT).as_posix())
      assert anchor in known, f'{name} links to {link}.'


@functools.cache
def _commands() -> dict[str, set[str]]:
  """Flags of every command of `timetrial`."""
  return {
    word: set(flags)
    for program in flag_table.PROGRAMS
    for word, _, _, flags in flag_table.read(program)[1]
  }


def _calls(text: str) -> list[str]:
  """Words after `timetrial`, or after `python -m` and a package of ours.

  Continued lines are joined; `python -m scoring` alone is the command `score`.
  """
  text = text.replace('\\\n', ' ')
  named = r'(?:^|[\s`/\'])timetrial +([a-z-][^`\n#]*)'
  found = re.findall(named, text, re.M)
  found += re.findall(r'python -m (?:runner|workloads)\b([^`\n#]*)', text)
  for call in re.findall(r'python -m scoring\b([^`\n#]*)', text):
    word = call.split()[:1]
    found.append(call if word and word[0] in _commands() else f'score{call}')
  return found


@pytest.mark.parametrize('name', DOCUMENTS)
def test_commands_and_their_flags_exist(name):
  outside = _text(name).partition(flag_table.BEGIN)[0]
  for call in _calls(outside):
    words = re.split(r'[;|&)\'"]| {3}', call)[0].split()
    plain = [word for word in words if not word.startswith('-')]
    if not plain or plain[0] in ('COMMAND', '...'):
      continue  # Any command.
    command = _command(plain)
    assert command, f'{name}: {call}'
    given = {word.partition('=')[0] for word in words if word[:2] == '--'}
    known = {f'--{flag}' for flag in _commands()[command]}
    known |= {flag.replace('--', '--no') for flag in known}
    assert given <= known | {'--help', '--version', '--flags'}, (
      f'{name}: {call}'
    )


def _command(words: list[str]) -> str:
  """Return the command that words name, or '' if there is none."""
  text = ' '.join(words) + ' '
  return next((c for c in _commands() if text.startswith(f'{c} ')), '')


def test_commands_are_found_in_documents():
  text = """
    .venv/bin/timetrial run --out=a \\
      --suite=mini
    sbatch --wrap='.venv/bin/timetrial calibrate'
`python -m scoring results`, `python -m scoring verify results`
    docker save timetrial:gpu -o timetrial.tar
"""
  assert [call.split() for call in _calls(text)] == [
    ['run', '--out=a', '--suite=mini'],
    ["calibrate'"],
    ['score', 'results'],
    ['verify', 'results'],
  ]


@pytest.mark.parametrize('name', DOCUMENTS)
def test_documents_use_plain_words(name):
  text = _prose(name).lower()
  assert [word for word in BANNED if re.search(rf'\b{word}', text)] == []


def test_the_tables_of_flags_are_those_of_the_programs():
  """If not: python -m tests.support.flag_table."""
  assert flag_table.section() in _text('docs/running.md')


def _table(text: str, head: str) -> list[list[str]]:
  """Cells of the rows of the one Markdown table that begins with `head`."""
  [rows] = re.findall(
    rf'^\| {head} \|.*\n\|[-|]+\|\n((?:\|.*\n?)+)', text, re.M
  )
  return [
    [cell.strip() for cell in row.strip().strip('|').split('|')]
    for row in rows.splitlines()
  ]


def test_the_table_of_datasets_is_the_catalogue():
  users: dict[str, list[str]] = {}
  for workload, datasets in data.NEEDS.items():
    for name in datasets:
      users.setdefault(name, []).append(workload)
  assert _table(_text('docs/data.md'), 'dataset') == [
    [
      name,
      ', '.join(users[name]),
      f'{dataset.megabytes:,}',
      f'{sum(dataset.examples.values()):,}',
      dataset.terms,
    ]
    for name, dataset in data.DATASETS.items()
  ]


ARCHITECTURE = 'docs/architecture.md'


def test_the_map_of_rooms_is_the_tested_one():
  said = {
    room.strip('`'): set(filter(None, allowed.split(', ')))
    for rooms, _, allowed in _table(_text(ARCHITECTURE), 'room')
    for room in rooms.split(', ')
  }
  shared = set(test_imports.SHARED)
  assert said == {
    room: set(allowed) - shared
    | ({'shared modules'} if shared <= set(allowed) else set())
    for room, allowed in test_imports.ALLOWED.items()
  }


def test_every_path_in_the_architecture_exists():
  paths = re.findall(r'`(\w+/[\w/]*(?:\.\w+)?)`', _text(ARCHITECTURE))
  assert len(paths) > 30
  assert [path for path in paths if not (ROOT / path).exists()] == []


def test_ten_facts_are_where_the_architecture_says():
  rows = _table(_text(ARCHITECTURE), 'question')
  assert len(rows) == 10
  for question, *steps in rows:
    found = [re.fullmatch(r'`([\w/]+\.py)` `(\w+)`', x) for x in steps if x]
    assert 1 <= len(found) <= 3, question
    for step in found:
      assert step, question
      path, name = step.groups()
      assert name in _names(path), f'{question}: no {name} in {path}.'


def _names(path: str) -> set[str]:
  """Functions, classes, methods and constants that a module defines."""
  names = set()
  for node in ast.walk(ast.parse(_text(path))):
    match node:
      case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
        names.add(name)
      case ast.Assign(targets=[ast.Name(id=name)]):
        names.add(name)
  return names


PROGRAMS = 'docs/for-programs.md'


def test_the_page_for_programs_is_of_this_version():
  text = (ROOT / 'pyproject.toml').read_text(encoding='utf-8')
  version = tomllib.loads(text)['project']['version']
  assert f'TimeTrial {version}.' in _text(PROGRAMS)


def _keys(head: str) -> set[str]:
  """Keys that the page for programs lists in the table with this head."""
  rows = _table(_text(PROGRAMS), head)
  return {key for cell, _ in rows for key in re.findall(r'`(\w+)`', cell)}


def _json(*words: str):
  """Return what a command with --json prints; `verify` may exit with 1."""
  done = subprocess.run(
    [sys.executable, '-m', *words, '--json'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode in {0, 1}, done.stderr
  found = json.loads(done.stdout)
  for table in [found] if isinstance(found, dict) else found:
    number = table.pop('schema')  # The first key, to be seen at once.
    assert number == schemas.NUMBERS[_printing(words)]
  return found


def _printing(words: tuple[str, ...]) -> str:
  """Name of the command that words run; `score` is the default of scoring."""
  return next((word for word in words if word in schemas.NUMBERS), 'score')


NUMBERED = re.compile(r'^\| `timetrial ([\w-]+)` \| (\d+) \|$', re.MULTILINE)


@pytest.mark.parametrize('command', schemas.NUMBERS)
def test_the_number_of_a_schema_is_documented_and_printed(command):
  number = schemas.NUMBERS[command]
  assert (command, str(number)) in NUMBERED.findall(_text(PROGRAMS))
  document = json.loads(schemas.text(command, {'a': 1}))
  assert list(document.items()) == [('schema', number), ('a', 1)]
  entries = json.loads(schemas.text(command, [{'a': 1}, {'a': 2}]))
  assert [entry['schema'] for entry in entries] == [number, number]
  assert json.loads(schemas.text(command, [])) == []


def test_the_schema_of_a_plan_is_documented():
  found = _json('runner', 'plan', '--workloads=digits', '--submissions=nadamw')
  assert set(found) == _keys('plan')
  assert set(found['trials'][0]) == _keys('planned trial')


def test_the_schema_of_a_forecast_is_documented():
  one = preflight.Forecast(
    submission='lion', workload='digits', trials=1, outcome='ended', reason=''
  )
  assert set(preflight.table([one])['forecasts'][0]) == _keys('forecast')


def test_the_schemas_of_results_are_documented(tmp_path):
  folder = str(made_results.race(tmp_path / 'results'))
  found = _json('runner', 'status', f'--out={folder}')
  assert set(found[0]) == _keys('status')
  found = _json('scoring', folder, '--noreport')
  assert set(found) == _keys('leaderboard')
  standing = found['leaderboard'][0]
  assert set(standing) == _keys('standing')
  assert set(standing['workloads']['digits']) == _keys('cell')
  found = _json('scoring', 'replay', folder)
  assert set(found) == _keys('replay')
  assert set(found['cheaper'][0]) == _keys('cheaper race')
  found = _json('scoring', 'decide', folder)
  assert set(found) == _keys('decision')
  assert set(More._fields) == _keys('new studies')
  found = _json('scoring', 'verify', folder)
  assert set(found[0]) == _keys('finding')


def test_every_command_with_json_is_documented():
  taking = {name for name, flags in _commands().items() if 'json' in flags}
  heads = re.findall(r'^### `timetrial (.*) --json`', _text(PROGRAMS), re.M)
  assert {head.replace(' RESULTS', '') for head in heads} == taking
  assert taking == schemas.NUMBERS.keys()


def test_all_json_for_programs_is_printed_with_its_number():
  """A command that prints JSON by itself would print none."""
  printing = [
    path
    for path in ('runner/commands.py', 'scoring/__main__.py')
    if 'json.dumps' in _text(path)
  ]
  assert not printing


def test_every_document_is_reached_from_readme():
  found, waiting = set(), ['README.md']
  while waiting:
    name = waiting.pop()
    if name in found or not name.endswith('.md'):
      continue
    found.add(name)
    folder = (ROOT / name).parent
    links = re.findall(r'\]\(([^)\s#:]+)', _text(name))
    targets = [(folder / link).resolve() for link in links]
    waiting += [path.relative_to(ROOT).as_posix() for path in targets]
  assert set(DOCUMENTS) <= found
