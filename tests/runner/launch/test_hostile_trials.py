"""Trials that would end a race: it goes on, and the fault is theirs."""

import io
import json
import os

import pytest
from hypothesis import example, given, strategies as st
from rich.console import Console

from runner.executors import progress
from runner.launch import (
  attempt,
  child_process,
  outcomes,
  tampering,
)
from runner.protocol import layout, results_folder, storage
from runner.protocol.records import progress as progress_events
from runner.protocol.records.events import Seen
from tests.support.races import folder, mine, run, suite

pytestmark = pytest.mark.apart  # Slow, and each on its own.

FD = 'int([w for w in sys.argv if "progress_fd" in w][0].partition("=")[2])'
AT_3 = 'import sys\n      if state.done == 3: '
HERE = 'open(os.path.dirname(__file__) + "/attempts.jsonl", "a")'
HOSTILE = {  # What each does, its outcome, and words of the reason.
  'garbles': (
    f'{AT_3}os.write({FD}, bytes(range(128, 256)) + bytes([10]))',
    'crashed',
    'bytes that are no progress',
  ),
  'forks': (
    f'{AT_3}os.fork() or (os.setsid(), time.sleep(1000))',
    'crashed',
    '1 processes that the submission started run',
  ),
  'scrawls': (
    f'{AT_3}{HERE}.write("nonsense\\n")',
    'crashed',
    'line 2 is not JSON',
  ),
  'mutters': (
    f'{AT_3}raise ValueError(chr(0xd800) + "[/bold]")',
    'crashed',
    'ValueError: \ud800[/bold]',
  ),
}


def test_the_race_goes_on_and_every_fault_is_that_trials(tmp_path):
  paths = [mine(tmp_path, n, step=how) for n, (how, _, _) in HOSTILE.items()]
  out = tmp_path / 'out'
  flags = dict(
    suite=suite(tmp_path),
    submissions=','.join(map(str, [*paths, mine(tmp_path, 'good')])),
    out=out,
  )
  done = run(tmp_path, 'run', **flags)
  assert 'Traceback' not in done.stdout + done.stderr
  assert done.returncode == 1
  assert layout.status(folder(out, 'good')).outcome == 'ended'
  for name, (_, outcome, reason) in HOSTILE.items():
    status = layout.status(folder(out, name))
    assert (status.outcome, status.attempts) == (outcome, 1), status.reason
    assert reason in status.reason
  aside = folder(out, 'scrawls') / 'attempts_before_0.jsonl'
  assert 'nonsense' in aside.read_text(encoding='utf-8')

  # Damaged afterwards, it is left as it is, and others are raced.
  path = folder(out, 'good') / layout.ATTEMPTS
  path.write_bytes(path.read_bytes() + b'{"event"\n')
  before = path.read_bytes()
  late = f'{tmp_path / "good.py"},{mine(tmp_path, "late")}'
  done = run(tmp_path, 'run', **flags | {'submissions': late, 'attempts': 1})
  assert done.returncode == 1
  assert 'is damaged: line 4 is not JSON' in done.stdout + done.stderr
  assert 'Traceback' not in done.stdout + done.stderr
  assert layout.status(folder(out, 'late')).outcome == 'ended'
  assert path.read_bytes() == before
  shown = run(tmp_path, 'status', out=out)
  assert '1 damaged' in shown.stdout, shown.stderr


RECORDS = 'v + "/attempts.jsonl"'
LAYS = {  # Links in the place of what the parent writes, and other files.
  'attempts': f'lay({RECORDS}, h + "/attempts.jsonl")',
  'log': f'lay({RECORDS}, h + "/trial.log")',
  'partial': (
    f'os.unlink(h + "/trial.json"); lay({RECORDS}, h + "/trial.json.partial")'
  ),
  'folder': 'lay(v, h + "/there")',
  'trial': 'open(h + "/trial.json", "a").write(" ")',
  'source': 'open(h + "/NAME.py", "a").write("# x")',
  'other source': 'os.mkdir(h + "/NAME"); open(h + "/NAME/submission.py", "w")',
}
LAY = """
import os
def lay(to, path):
  if os.path.exists(path):
    os.unlink(path)
  os.symlink(to, path)
h = {home!r}
v = h.replace('NAME', 'good')
"""


@pytest.fixture(scope='module')
def deputies(tmp_path_factory):
  """A folder of results: each tries to have its parent write for it."""
  home = tmp_path_factory.mktemp('deputies')
  good, out = mine(home, 'good'), home / 'out'
  flags = dict(suite=suite(home), out=out, attempts=2, pause=0.1)
  assert run(home, 'run', **flags, submissions=good).returncode == 0
  records = folder(out, 'good') / layout.ATTEMPTS
  before = records.read_bytes()
  paths = [good]
  for number, how in enumerate(LAYS.values()):
    name = f'deputy{number}'
    code = LAY.format(home=str(folder(out, 'NAME'))) + how
    code = code.replace("replace('NAME'", f"replace('{name}'")
    code = code.replace('NAME', name)
    step = f'state.done != 20 or exec({code!r}, {{}})'
    paths.append(mine(home, name, step=step))
  done = run(home, 'run', **flags, submissions=','.join(map(str, paths)))
  assert 'Traceback' not in done.stdout + done.stderr
  assert records.read_bytes() == before
  return out


@pytest.mark.parametrize('kind', LAYS)
def test_the_parent_writes_where_it_means_to(deputies, kind):
  """It may write anywhere, and once followed what a trial had laid."""
  name = f'deputy{list(LAYS).index(kind)}'
  place = folder(deputies, name)
  status = layout.status(place)
  assert (status.outcome, status.attempts) == ('crashed', 1), status.reason
  assert 'in its folder, which is as it was' in status.reason
  assert not any(path.is_symlink() for path in place.rglob('*'))
  assert storage.read_json(place / layout.TRIAL)
  source = (deputies.parent / f'{name}.py').read_bytes()
  assert layout.source(place, name).read_bytes() == source


def begun(folder):
  """Records of a trial that was preempted and runs again; those before that."""
  facts = dict(reason='', step=0, seconds=0.0, accounts={}, again=True)
  layout.event(folder, 'start', 0)
  layout.event(folder, 'end', 0, outcome='preempted', **facts)
  before = tampering.written(folder)
  layout.event(folder, 'start', 1)
  return before


def ends(folder, **changes):
  facts = dict(reason='', step=0, seconds=0.0, accounts={'train': 1.0})
  facts |= dict(own_seconds=1.0, suspended_seconds=0.0, outcome='ended')
  facts |= changes
  kept = {name: value for name, value in facts.items() if value is not None}
  layout.event(folder, 'end', 1, **kept)


def rewritten(folder, content):
  (folder / layout.ATTEMPTS).write_bytes(content)


def removed(folder, put):
  path = folder / layout.ATTEMPTS
  path.unlink()
  put(path)


TAMPERED = {
  'no JSON': lambda f: storage.append_line(f / layout.ATTEMPTS, {}),
  'bytes': lambda f: rewritten(f, b'\xff\xfe\n'),
  'no table': lambda f: rewritten(f, b'[]\n'),
  'nothing': lambda f: rewritten(f, b''),
  'gone': lambda f: removed(f, lambda path: None),
  'a folder': lambda f: removed(f, lambda path: path.mkdir()),
  'a pipe': lambda f: removed(f, os.mkfifo),
  'an end of no kind': lambda f: ends(f, outcome='won'),
  'no reason': lambda f: ends(f, reason=None),
  'no seconds': lambda f: ends(f, own_seconds=None),
  'words for seconds': lambda f: ends(f, own_seconds='1'),
  'accounts of words': lambda f: ends(f, accounts={'train': 'all'}),
  'endless seconds': lambda f: ends(f, seconds=float('inf')),
  'another past': lambda f: rewritten(
    f,
    (f / layout.ATTEMPTS).read_bytes().replace(b'preempted', b'reached'),
  ),
}


@pytest.mark.parametrize('kind', TAMPERED)
def test_records_that_a_trial_damages_are_its_own_crash(tmp_path, kind):
  """Whatever it does to them, those of attempts before are there again."""
  before = begun(tmp_path)
  TAMPERED[kind](tmp_path)
  fault = tampering.mended(tmp_path, 1, before)
  assert fault is not None and 'was damaged while the trial ran' in fault.reason
  left = child_process.Exit(0, 1.0, '')
  outcomes.close(tmp_path, 1, left, Seen(wall_seconds=1.0), False, '', fault)
  status = layout.status(tmp_path)
  assert (status.outcome, status.retryable) == ('crashed', False)
  assert status.attempts == 2
  assert (tmp_path / layout.ATTEMPTS).read_bytes().startswith(before)


def test_pipes_in_the_place_of_files_are_not_waited_for(tmp_path):
  for name in (
    layout.ATTEMPTS,
    outcomes.LOG,
    results_folder.LOCK,
    layout.TRIAL,
  ):
    os.mkfifo(tmp_path / name)
  assert results_folder.status(tmp_path).outcome == results_folder.DAMAGED
  assert not results_folder.in_use(tmp_path)
  assert outcomes.printed_since(tmp_path, 0) == ''
  assert tampering.written(tmp_path) == b''
  with results_folder.held(tmp_path) as lock:
    assert lock is not None
  with attempt._log(tmp_path) as log:
    assert log.write(b'x') == 1
  aside = {f'{outcomes.LOG}_aside_1', f'{results_folder.LOCK}_aside_1'}
  assert aside <= {path.name for path in tmp_path.iterdir()}


def test_a_folder_that_nobody_may_write_to_is_opened_again(tmp_path):
  before = begun(tmp_path)
  (tmp_path / layout.ATTEMPTS).chmod(0o400)
  tmp_path.chmod(0o500)
  assert tampering.mended(tmp_path, 1, before) is None
  assert (tmp_path / layout.ATTEMPTS).stat().st_mode & 0o200
  assert tmp_path.stat().st_mode & 0o200


def test_records_as_the_harness_writes_them_are_not_damaged(tmp_path):
  before = begun(tmp_path)
  ends(tmp_path)
  assert tampering.mended(tmp_path, 1, before) is None


LINES = st.one_of(
  st.binary(max_size=40),
  st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(
      st.lists(inner, max_size=3),
      st.dictionaries(
        st.sampled_from(['step', 'loss', 'doing', 'over', 'metric', 'x']),
        inner,
        max_size=4,
      ),
    ),
    max_leaves=6,
  ).map(lambda value: json.dumps(value).encode()),
)


@given(LINES)
@example(b'{"step": 1e999}')
@example(b'{"loss": 1' + b'0' * 400 + b'}')
@example(b'{"doing": "[/bold]"}')
@example(b'[' * 3000)
def test_any_line_is_progress_that_can_be_shown_or_is_refused(line):
  try:
    told = progress_events.parse(line)
  except progress_events.NewsError as error:
    assert 'no progress' in str(error)
    return
  live = progress.Progress(1, Console(file=io.StringIO()))
  live.begin('x[/y]')
  live.on_progress(told)
  live._console.print(live._table())
