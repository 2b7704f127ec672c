"""Training begins at what fresh models have; nothing else changes."""

import dataclasses
import os

import pytest

import workloads
from runner import options as chosen
from runner.launch import environment
from runner.protocol.suites import metrics, suite as rules, suite_files
from runner.protocol.suites.schema import SuiteError
from runner.tools import starts

SUITE = """# Mine.
version = "1"
seed = 20261123
cutoff = 4.0
reference = "nadamw"
ladder = [0.0, 0.1]

[rulesets.self]
studies = 1
trials = 1
budget_factor = 1.0

[workloads.digits]
metric = "error_rate"
better = "lower"
target = 0.03 # Mine.
steps = 10
batch_size = 8
eval_batch_size = 300
evaluations = 5
train_examples = 8

[workloads.digits.origin]
command = "by hand"
"""


def test_a_suite_that_lacks_starts_can_be_completed(tmp_path):
  path = tmp_path / 'mine.toml'
  path.write_text(SUITE)
  options = chosen.Options(suite=str(path))
  with pytest.raises(SuiteError, match='starts_only'):
    chosen.ready(options)
  suite = chosen.ready(dataclasses.replace(options, starts_only=True))
  found = starts.measure(suite, None)
  starts.write(path, found)
  lines = path.read_text().splitlines()
  added = f'start = {found["digits"]}'
  assert [line for line in lines if line != added] == SUITE.splitlines()
  assert lines.index(added) < lines.index('[workloads.digits.origin]')
  assert chosen.ready(options).workloads['digits'].start == found['digits']


def test_the_starts_of_mini_are_measured_again():
  """A start depends on the suite's seed alone, so anybody finds the same."""
  mini = rules.load('mini', workloads.canonical)
  digits = {'digits': mini.unscored['digits']}
  found = starts.measure(dataclasses.replace(mini, workloads=digits), None)
  assert found['digits'] == pytest.approx(mini.unscored['digits'].start)


def test_a_start_is_written_under_the_name_that_algoperf_gives_its_row():
  text = '[workloads.criteo1tb_layernorm]\nsteps = 3\n'
  new = suite_files.with_starts(
    text, {'criteo1tb/layernorm': 0.5}, workloads.canonical, {}
  )
  assert new == text + 'start = 0.5\n'


@pytest.mark.parametrize(
  ('metric', 'fresh', 'expected'),
  [('wer', 3.1, 1.0), ('wer', 0.99, 0.99), ('loss', 3.1, 3.1)],
)
def test_training_begins_no_worse_than_with_silence(metric, fresh, expected):
  """Fresh models babble: their word error rates are between 1 and 5."""
  assert metrics.beginning(metric, fresh) == expected


def test_outside_of_trials_programs_have_the_trials_flags(monkeypatch):
  """Without them, fresh models of librispeech_deepspeech/mini hung."""
  monkeypatch.setattr(os, 'environ', dict(os.environ))
  environment.adopt()
  assert environment.XLA_FLAGS in os.environ['XLA_FLAGS']
