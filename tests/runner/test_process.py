import subprocess
import sys

import pytest

from tests.support.races import ROOT


def modules(program):
  """Return the modules that a program has imported."""
  done = subprocess.run(
    [sys.executable, '-c', f'{program}; import sys; print(*sys.modules)'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  return set(done.stdout.split())


@pytest.mark.parametrize(
  'words', [[], ['race'], ['trial'], ['trial', '--spec'], ['trial', '--spec=7']]
)
def test_a_process_started_by_hand_says_what_to_use(words):
  done = subprocess.run(
    [sys.executable, '-m', 'runner.process', *words],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 2
  assert done.stderr.startswith('Error: ')
  assert 'timetrial run' in done.stderr
  assert 'Traceback' not in done.stderr


def test_a_process_imports_no_command_line():
  """It once took a fifth of a second to import what no trial uses."""
  found = modules('import runner.process')
  assert not found & {'absl', 'rich', 'numpy', 'jax', 'runner.__main__'}
  found = modules('from runner.trial import multihost, worker')
  assert not found & {'runner.commands', 'runner.executors', 'runner.tools'}


@pytest.mark.parametrize(
  'name', ['imagenet_vit/mini', 'imagenet_resnet/mini', 'criteo1tb/mini']
)
def test_a_mini_imports_no_reader_of_published_data(name):
  found = modules(f'import workloads; workloads.get({name!r})')
  heavy = {'tensorflow_datasets', 'PIL.Image', 'scipy.sparse', 'scipy.special'}
  assert not heavy & found
