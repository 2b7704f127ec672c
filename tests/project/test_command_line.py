"""All three programs answer alike: help, versions, wrong flags, interrupts.

tests/project/test_timetrial.py has the command that has the commands of all.
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import tomllib

import pytest

from runner.protocol import layout, storage
from tests.support.races import ROOT, command, folder, hearing, mine, suite
from workloads import command_line, standard_streams

pytestmark = pytest.mark.apart  # Slow, and each on its own.

PROGRAMS = {  # And a command of each.
  'runner': 'run',
  'scoring': 'verify',
  'workloads': 'data status',
}


def call(*words, **options):
  return subprocess.run(
    [sys.executable, '-m', *words],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=60,
    check=False,
    **options,
  )


@pytest.mark.parametrize(
  'flag', ['--help', '-h', '-help', '--helpfull', '--help=1']
)
@pytest.mark.parametrize('program', PROGRAMS)
def test_help_is_no_failure(program, flag):
  done = call(program, flag)
  assert (done.returncode, done.stderr) == (0, '')
  assert done.stdout.startswith(f'python -m {program}')
  assert PROGRAMS[program] in done.stdout


@pytest.mark.parametrize('program', PROGRAMS)
def test_a_command_tells_its_own_flags_and_no_others(program):
  done = call(program, *PROGRAMS[program].split(), '-h')
  assert (done.returncode, done.stderr) == (0, '')
  told = set(re.findall(r'^  --(?:\[no\])?(\w+)', done.stdout, re.M))
  wanted, strange = {
    'runner': (
      {'out', 'studies', 'preflight', 'hang_timeout'},
      {'points', 'trial'},
    ),
    'scoring': ({'json', 'suite'}, {'into', 'report'}),
    'workloads': ({'data_dir', 'workload'}, {'raw', 'source'}),
  }[program]
  assert wanted <= told and not strange & told


TOLD = """
import json, {0}.__main__ as it
known = it.flags.FLAGS.flags_by_module_dict()[it.__name__]
told = [flag for one in it.PROGRAM.commands.values() for flag in one.flags]
print(json.dumps([[flag.name for flag in known], told]))
"""
INNER = {  # Flags of commands that others start, and old names.
  'runner': {'trial', 'silence', 'also_on'},
  'scoring': {'rules'},
}


@pytest.mark.parametrize('program', PROGRAMS)
def test_every_flag_is_told_by_the_help_of_some_command(program):
  done = subprocess.run(
    [sys.executable, '-c', TOLD.format(program)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  known, told = map(set, json.loads(done.stdout))
  assert told == known - INNER.get(program, set())


@pytest.mark.parametrize('program', PROGRAMS)
def test_the_version_is_that_of_the_project(program):
  facts = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))
  done = call(program, '--version')
  assert done.returncode == 0
  assert done.stdout == f'TimeTrial {facts["project"]["version"]}\n'


@pytest.mark.parametrize('program', PROGRAMS)
def test_wrong_flags_are_answered_alike(program):
  word = PROGRAMS[program]
  done = call(program, *word.split(), '--no_such_flag=1')
  assert (done.returncode, done.stdout) == (2, '')
  assert done.stderr == (
    "Error: Unknown command line flag 'no_such_flag'. All flags: "
    f'python -m {program} {word} --help\n'
  )


def test_a_flag_that_is_meant_is_named():
  for words, meant in [
    (['runner', 'run', '--submisions=lion'], 'submissions'),
    (['scoring', 'results', '--intoo=README.md'], 'into'),
    (['workloads', 'data', 'status', '--datadir=x'], 'data_dir'),
  ]:
    assert f'Did you mean: {meant}? All flags' in call(*words).stderr
  done = call('runner', 'plan', '--studies=many')
  assert done.returncode == 2 and '--studies=many' in done.stderr
  done = call('workloads', 'data', 'stats')
  assert done.returncode == 2 and "Did you mean 'data status'?" in done.stderr


def test_an_interrupt_ends_any_program_with_130():
  def main(argv):
    raise KeyboardInterrupt

  assert command_line.quietly(main, []) == 130


def test_signs_that_a_terminal_lacks_are_plain():
  assert (
    '≤ 3 × – é'.encode('ascii', standard_streams.ERRORS) == b'<= 3 x - \\xe9'
  )
  assert '中≤'.encode('gbk', standard_streams.ERRORS) == '中≤'.encode('gbk')
  assert 'µ≤'.encode('latin-1', standard_streams.ERRORS) == b'\xb5<='
  assert '\ud800'.encode('utf-8', standard_streams.ERRORS) == b'\\ud800'
  name = os.fsdecode('é'.encode())  # As a file is called under LC_ALL=C.
  assert name.encode('utf-8', standard_streams.ERRORS) == 'é'.encode()
  raw = b'\xc3\xa9'.decode('ascii', 'surrogateescape')
  assert raw.encode('ascii', standard_streams.ERRORS) == b'\xc3\xa9'


LONG = 'x' * 300  # Longer than a file system's names.
CHOSEN = ('--submissions=adamw', '--workloads=digits')
WMT = (CHOSEN[0], '--workloads=wmt', '--suite=algoperf_v06')


@pytest.mark.parametrize(
  'words',
  [
    ('runner', 'plan', f'--submissions={LONG}=adamw'),
    ('runner', 'plan', f'--submissions={"x" * 252}=adamw'),
    ('runner', 'plan', f'--submissions={LONG}'),
    ('runner', 'plan', *CHOSEN, f'--suite={LONG}.toml'),
    ('runner', 'plan', *CHOSEN, f'--hardware={LONG}'),
    ('runner', 'run', *CHOSEN, f'--out={LONG}'),
    ('runner', 'status', f'--out={LONG}'),
    ('runner', 'forget', '--submissions=adamw', f'--out={LONG}'),
    ('runner', 'export-algoperf', '--submissions=adamw', f'--out={LONG}'),
    ('runner', 'calibrate', '--workloads=digits', f'--hardware_dir={LONG}'),
    ('runner', 'preflight', *WMT, f'--data_dir={LONG}'),
    ('scoring', LONG),
    ('scoring', 'replay', LONG),
    ('scoring', 'verify', LONG),
    ('scoring', 'tensorboard', LONG),
    ('workloads', 'data', 'status', '--workload=ogbg', f'--data_dir={LONG}'),
    ('workloads', 'data', 'prepare', '--workload=ogbg', f'--data_dir={LONG}'),
  ],
  ids=lambda words: ' '.join(word[:20] for word in words),
)
def test_names_too_long_for_a_file_are_told(words):
  done = call(*words)
  assert done.returncode == 2
  assert done.stderr.startswith('Error: ') and 'Traceback' not in done.stderr
  assert 'x' * 40 in done.stderr


def test_whatever_the_system_refuses_is_told(tmp_path, capsys):
  """A command names the file if no other message does."""

  def main(argv):
    return len((tmp_path / 'gone').read_bytes())

  assert command_line.quietly(main, []) == command_line.WRONG
  said = capsys.readouterr().err
  assert said == f'Error: {tmp_path / "gone"}: No such file or directory.\n'


STUBBORN = 'import signal; signal.signal(15, lambda *_: None)'


def interrupted(home, build, times):
  """Presses Ctrl-C so often; the runner's code, words and seconds."""
  slow = mine(home, 'mine', steps=400, build=build, step='time.sleep(0.2)')
  flags = dict(suite=suite(home), submissions=slow, out=home / 'out')
  path = folder(home / 'out', 'mine') / 'trial.log'
  leader, follower = pty.openpty()
  with os.fdopen(leader, 'rb', buffering=0) as terminal:
    runner = subprocess.Popen(
      hearing(command(home, 'run', **flags)),
      cwd=ROOT,
      stdin=follower,
      stdout=follower,
      stderr=follower,
      start_new_session=True,
    )
    os.close(follower)
    deadline = time.monotonic() + 120
    while not (path.exists() and 'begun' in path.read_text(encoding='utf-8')):
      assert time.monotonic() < deadline
      time.sleep(0.1)
    began = time.monotonic()
    for _ in range(times):
      os.killpg(runner.pid, signal.SIGINT)
      time.sleep(1.0)
    said = b''
    while True:
      try:
        said += (data := terminal.read(1 << 12))
      except OSError:  # Nobody has it open any more.
        break
      if not data:
        break
    return runner.wait(60), said.decode(), time.monotonic() - began


def test_a_second_interrupt_is_heeded(tmp_path):
  """The first one lets the trial save its state, which this one never does."""
  code, said, seconds = interrupted(
    tmp_path, f'{STUBBORN}; print("begun", flush=True)', times=2
  )
  assert code == 130
  assert seconds < 10
  assert 'Ctrl-C again' in said and 'Traceback' not in said
  assert 'The same command continues from here.' in said
  events = storage.read_lines(
    folder(tmp_path / 'out', 'mine') / layout.ATTEMPTS
  )
  assert [event['event'] for event in events] == ['start']


MANY = 10**9
NO_RESULTS = '/dev/null'


@pytest.mark.parametrize(
  ('words', 'limit'),
  [
    (('scoring', NO_RESULTS, f'--draws={MANY}'), '100000]'),
    (('scoring', NO_RESULTS, '--seed=-1'), 'not a non-negative'),
    (('scoring', NO_RESULTS, '--relax=nan'), '--relax=nan: it is no number'),
    (('runner', 'plan', *CHOSEN, f'--studies={MANY}'), 'at most 1000'),
    (('runner', 'plan', '--submissions=all', '--studies=1000'), '100,000'),
    (('runner', 'tune', *CHOSEN, f'--points={MANY}'), '10000]'),
    (('runner', 'tune', *CHOSEN, '--points=0'), '[1, 10000]'),
    (('runner', 'set-targets', *CHOSEN, f'--seeds={MANY}'), '1000]'),
    (('runner', 'run', *CHOSEN, f'--attempts={MANY}'), '1000]'),
    (('runner', 'run', *CHOSEN, '--pause=inf'), '86400'),
    (('runner', 'run', *CHOSEN, '--pause=-1'), '86400'),
    (('runner', 'run', *CHOSEN, '--silence=nan'), 'it is no number'),
    (('runner', 'run', *CHOSEN, f'--memory_gib={MANY}'), '1000000'),
    (('runner', 'run', *CHOSEN, f'--profile={MANY}'), '1000000]'),
    (('runner', 'plan', *CHOSEN, '--price=inf', '--json'), '1000000000'),
  ],
  ids=lambda words: str(words[-1])[:30] if isinstance(words, tuple) else '',
)
def test_numbers_that_nobody_can_mean_are_refused_with_the_limit(words, limit):
  """A thousand million studies or draws took all memory, or an hour."""
  done = call(*words)
  assert done.returncode == 2 and done.stdout == ''
  assert done.stderr.startswith('Error: ') and limit in done.stderr
