"""Wrong names get the closest known one, from one place."""

import pathlib

import pytest

import submissions
import workloads
from runner.protocol.suites import schema, suite_files
from workloads import command_line, suggestions

ROOT = pathlib.Path(__file__).parents[2]


def test_the_closest_name_is_suggested():
  assert suggestions.hint('digit', ['digits', 'wmt']) == (
    " Did you mean 'digits'?"
  )
  assert suggestions.hint('x', ['digits']) == ''


def test_there_is_one_home():
  """Schedules are exported to AlgoPerf as a file that stands alone."""
  homes = [
    path.relative_to(ROOT).as_posix()
    for package in ('runner', 'scoring', 'submissions', 'workloads')
    for path in ROOT.glob(f'{package}/**/*.py')
    if 'difflib' in path.read_text(encoding='utf-8')
  ]
  assert homes == ['submissions/schedules.py', 'workloads/suggestions.py']


@pytest.mark.parametrize(
  ('ask', 'meant'),
  [
    (lambda: workloads.check('digit'), 'digits'),
    (lambda: submissions.find('nadam'), 'nadamw'),
    (lambda: suite_files.find('minni'), 'mini'),
    (
      lambda: schema.check({'sede': 1}, schema.SUITE, 'a.toml:'),
      'seed',
    ),
  ],
)
def test_every_kind_of_name_gets_one(ask, meant):
  with pytest.raises(ValueError, match=f'Did you mean {meant!r}'):
    ask()


def test_a_command_gets_one(capsys):
  assert command_line.refuse(['veriffy', 'results'], ['verify', 'run'])
  assert "Did you mean 'verify'?" in capsys.readouterr().err
