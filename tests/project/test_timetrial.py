"""`timetrial` has the commands of all programs, and works from any folder."""

import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import timetrial
from tests.support import made_results, races
from workloads import command_line

pytestmark = pytest.mark.apart  # Slow, and each on its own.

ROOT = pathlib.Path(__file__).parents[2]
COMMANDS = {
  name: command
  for program in timetrial.programs()
  for name, command in program.commands.items()
}
# The script that pip writes into an environment's folder of programs.
SCRIPT = """import sys
sys.path.append({root!r})
from timetrial import main
if __name__ == '__main__':
  sys.exit(main())
"""
# Packages of a user's with the names of ours.
THEIRS = ('runner', 'scoring', 'submissions', 'timetrial', 'workloads')


@pytest.fixture(scope='module')
def script(tmp_path_factory):
  path = tmp_path_factory.mktemp('bin') / 'timetrial'
  path.write_text(SCRIPT.format(root=str(ROOT)), encoding='utf-8')
  return path


@pytest.fixture
def hostile(tmp_path):
  """A working folder in which all our packages have a namesake."""
  for name in THEIRS:
    (tmp_path / name).mkdir()
    text = f'raise RuntimeError("the package {name} of a user")\n'
    (tmp_path / name / '__init__.py').write_text(text, encoding='utf-8')
    (tmp_path / f'{name}.py').write_text(text, encoding='utf-8')
  return tmp_path


@pytest.fixture
def call(script, tmp_path):
  def called(*words, cwd=tmp_path, timeout=60, **options):
    return subprocess.run(
      [sys.executable, str(script), *map(str, words)],
      cwd=cwd,
      capture_output=True,
      text=True,
      timeout=timeout,
      check=False,
      **options,
    )

  return called


def test_the_script_is_installed_with_the_packages():
  facts = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))
  assert facts['project']['scripts'] == {'timetrial': 'timetrial:main'}
  assert facts['tool']['setuptools']['py-modules'] == ['timetrial']


@pytest.mark.parametrize('words', [['--help'], ['-h'], ['help']], ids=' '.join)
def test_help_lists_all_commands(call, words):
  done = call(*words)
  assert (done.returncode, done.stderr) == (0, '')
  told = re.findall(r'^  ((?:data )?[a-z-]+)', done.stdout, re.M)
  assert told == [*COMMANDS]
  assert max(map(len, done.stdout.splitlines())) <= command_line.WIDTH


HEAVY = """
import sys, timetrial
timetrial.find_ours()
timetrial.programs()
from absl import flags
print(sorted({'jax', 'numpy', 'pandas', 'rich'} & sys.modules.keys()))
print([n for n in ('out', 'suite', 'data_dir') if n in flags.FLAGS])
"""


def test_tables_of_commands_import_no_library_and_define_no_flag():
  done = subprocess.run(
    [sys.executable, '-c', HEAVY],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout == '[]\n[]\n'


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_has_a_help_of_its_own(call, name):
  done = call(*name.split(), '--help')
  assert (done.returncode, done.stderr) == (0, '')
  assert done.stdout.startswith(f'timetrial {name} ')
  told = re.findall(r'^  --(?:\[no\])?(\w+)', done.stdout, re.M)
  assert tuple(told) == COMMANDS[name].flags
  examples = re.findall(rf'^  timetrial {name} .*', done.stdout, re.M)
  assert 1 <= len(examples) <= 2


@pytest.mark.parametrize('name', COMMANDS)
def test_examples_use_only_flags_of_their_command(name):
  command = COMMANDS[name]
  for example in command.examples:
    given = re.findall(r'--(\w+)', example)
    assert set(given) <= set(command.flags)
    assert example.startswith('--') != bool(command.takes)
    assert len(f'  timetrial {name} {example}') <= command_line.WIDTH


def test_a_group_of_commands_has_a_help(call):
  done = call('data', '--help')
  told = re.findall(r'^  (data [a-z-]+)', done.stdout, re.M)
  assert (done.returncode, told) == (0, [n for n in COMMANDS if ' ' in n])


@pytest.mark.parametrize('words', [['--version'], ['score', '--version']])
def test_the_version_is_that_of_the_project(call, words):
  facts = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))
  done = call(*words)
  assert done.returncode == 0
  assert done.stdout == f'TimeTrial {facts["project"]["version"]}\n'


@pytest.mark.parametrize(
  ('words', 'meant'),
  [
    (['pln', '--submissions=lion'], 'plan'),
    (['scroe', 'results'], 'score'),
    (['scoring', 'results'], 'score'),
    (['verfiy', 'results', '--json'], 'verify'),
    (['set_targets'], 'set-targets'),
    (['data', 'stats', '--data_dir=x'], 'data status'),
    (['dat', 'prepare'], 'data prepare'),
    (['replya', 'results', '--help'], 'replay'),
  ],
)
def test_a_mistyped_command_is_answered_with_the_closest_one(
  call, words, meant
):
  done = call(*words)
  assert (done.returncode, done.stdout) == (2, '')
  assert f'Did you mean {meant!r}?' in done.stderr
  assert ', '.join(COMMANDS) in done.stderr


@pytest.mark.parametrize('word', ['trial', 'work', 'runner', 'results'])
def test_inner_commands_are_not_offered(call, word):
  done = call(word)
  assert done.returncode == 2
  assert done.stderr.startswith(f'No command {word!r}.')


def test_no_command_is_answered_with_all_commands(call):
  done = call()
  assert (done.returncode, done.stdout) == (2, '')
  assert '\n  score RESULTS ' in done.stderr


def test_a_mistyped_flag_is_answered_with_the_closest_one(call):
  done = call('score', 'results', '--intoo=README.md')
  assert (done.returncode, done.stdout) == (2, '')
  assert done.stderr == (
    "Error: Unknown command line flag 'intoo'. Did you mean: into? "
    'All flags: timetrial score --help\n'
  )


def test_a_list_with_spaces_is_explained(call):
  """A shell makes words of it."""
  done = call('plan', '--submissions=nadamw,', 'lion')
  assert (done.returncode, done.stdout) == (2, '')
  assert "'lion'" in done.stderr and '--name=a,b' in done.stderr
  done = call('data', 'status', 'ogbg')
  assert done.returncode == 2
  assert 'timetrial data status --help' in done.stderr


def test_score_takes_a_folder_that_is_called_like_a_command(call, tmp_path):
  made_results.race(tmp_path / 'replay')
  done = call('score', 'replay', '--noreport')
  assert (done.returncode, done.stderr) == (0, '')


def test_a_closed_output_is_no_fault(script):
  words = [sys.executable, str(script), '--help']
  shell = '"$@" >&-'
  done = subprocess.run(
    ['sh', '-c', shell, 'sh', *words], capture_output=True, check=False
  )
  assert (done.returncode, done.stderr) == (0, b'')


@pytest.mark.parametrize(
  'words',
  [['--help'], ['run', '--help'], ['--version'], ['plan', '--submissions=sgd']],
  ids=' '.join,
)
def test_a_reader_that_leaves_ends_a_command_quietly(script, words):
  reading, writing = os.pipe()
  os.close(reading)
  with os.fdopen(writing, 'wb') as gone:
    done = subprocess.run(
      [sys.executable, str(script), *words],
      check=False,
      stdout=gone,
      stderr=subprocess.PIPE,
      timeout=60,
    )
  assert (done.returncode, done.stderr) == (command_line.LEFT, b'')


@pytest.mark.parametrize('path', [None, '.', ''], ids=repr)
def test_commands_work_beside_packages_of_a_user(call, hostile, path):
  """PYTHONPATH may name the working folder, and an empty part does."""
  env = {n: v for n, v in os.environ.items() if n != 'PYTHONPATH'}
  env |= {} if path is None else {'PYTHONPATH': f'{path}{os.pathsep}/nowhere'}
  if path is not None:  # Python itself would take the user's module.
    (hostile / 'timetrial.py').unlink()
    (hostile / 'timetrial' / '__init__.py').unlink()
    (hostile / 'timetrial').rmdir()
  made_results.race(hostile / 'results')
  for words, code in [
    (['plan', '--submissions=nadamw', '--workloads=digits'], 0),
    (['status', '--out=results'], 0),
    (['score', 'results'], 0),
    (['verify', 'results'], None),
    (['data', 'status', '--workload=mnist', '--data_dir=data'], 1),
  ]:
    done = call(*words, cwd=hostile, env=env)
    assert done.returncode == code or code is None, done.stderr
    assert done.stdout and 'Traceback' not in done.stderr, done.stderr
  assert (hostile / 'report' / 'index.html').is_file()


@pytest.mark.parametrize('program', ['runner', 'scoring'])
def test_packages_find_each_other_beside_packages_of_a_user(hostile, program):
  """`python -m` puts the working folder first."""
  for name in THEIRS:
    (hostile / f'{name}.py').unlink()
  (hostile / program / '__init__.py').unlink()
  (hostile / program).rmdir()
  made_results.race(hostile / 'results')
  words = {'runner': ['status', '--out=results'], 'scoring': ['results']}
  done = subprocess.run(
    [sys.executable, '-m', program, *words[program]],
    cwd=hostile,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert (done.returncode, done.stderr) == (0, '')


def test_a_race_runs_beside_packages_of_a_user(call, hostile):
  """Its trials are processes that find our packages first, and theirs last."""
  (hostile / 'helper_of_mine.py').write_text('', encoding='utf-8')
  races.mine(hostile, 'mine', steps=20, build='import helper_of_mine')
  flags = {
    'suite': races.suite(hostile),
    'submissions': 'mine.py',
    'hardware_dir': 'hardware',
  }
  words = [f'--{name}={value}' for name, value in flags.items()]
  done = call('run', *words, cwd=hostile, timeout=races.LONG)
  log = (races.folder(hostile / 'results', 'mine') / 'trial.log').read_text()
  assert done.returncode == 0, done.stderr + log
  assert 'Next: timetrial score results --out=report' in done.stdout
  done = call('score', 'results', cwd=hostile)
  assert (done.returncode, done.stderr) == (0, '')
