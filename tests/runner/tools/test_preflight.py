"""What is planned is tried for a few steps, before hours are spent."""

import dataclasses
import json

import pytest

from runner import commands, planning, summaries
from runner.launch.attempt import TrialOptions
from runner.options import Options
from runner.protocol import layout
from runner.protocol.plan import Machine, Speed
from runner.protocol.suites import suite as rules
from runner.protocol.timing import programs
from runner.tools import preflight, short_trial
from tests.support import suites

MACHINE = Machine(name='cpu', facts={'name': 'cpu'})
SPACE = """
SPACE = [
  {'learning_rate': 0.1, 'beta': 0.9, 'layers': 2},
  {'learning_rate': 0.3, 'beta': 0.8, 'layers': 2},
  {'learning_rate': 0.1, 'beta': 0.0, 'layers': 2},
  {'learning_rate': 0.1, 'beta': 0.9, 'layers': 3},
]
"""
BUILD = 'def build(task, *, learning_rate, beta, layers):\n  return None\n'
BROKEN = 'def build(task):\n  raise RuntimeError("no build")\nSELF = {}\n'


def planned(home, ruleset='external', seconds=10.0, trials=4):
  """A plan of one submission whose points have three shapes."""
  path = home / 'mine.py'
  path.write_text(BUILD + SPACE)
  suite = home / 'tiny.toml'
  suite.write_text(suites.digits(target=0.5, steps=400))
  loaded = rules.load(str(suite))
  loaded = dataclasses.replace(
    loaded,
    rulesets={
      ruleset: rules.Ruleset(studies=2, trials=trials, budget_factor=1.0)
    },
  )
  speeds = {'digits': Speed(seconds, 0.0)}
  return planning.make(loaded, ruleset, [str(path)], MACHINE, speeds)


@pytest.mark.parametrize(
  ('one', 'other', 'same'),
  [
    ({'rate': 0.1}, {'rate': 1e-5}, True),
    ({'rate': 0.1}, {'rate': -0.1}, True),
    ({'rate': 0.1}, {'rate': 0.0}, False),
    ({'rate': 0.0}, {'rate': 0.0}, True),
    ({'every': 10}, {'every': 20}, False),
    ({'every': 1}, {'every': 1.0}, False),
    ({'every': 1}, {'every': True}, False),
    ({'kind': 'rex'}, {'kind': 'wsd'}, False),
    ({'betas': [0.9, 0.99]}, {'betas': [0.9, 0.999]}, False),
    ({'a': 1, 'b': 0.1}, {'b': 0.2, 'a': 1}, True),
    ({'rate': 0.1}, {'rate': 0.1, 'decay': 0.1}, False),
    ({'rate': None}, {'rate': 0.1}, False),
  ],
)
def test_points_share_a_program_if_only_numbers_differ(one, other, same):
  structure = programs.structure
  assert (structure(one) == structure(other)) == same


def test_every_trial_is_in_one_cell(tmp_path):
  made = planned(tmp_path)
  cells = preflight.cells(made.trials)
  assert [len(cell.trials) for cell in cells] == [4, 2, 2]
  assert sorted(t.id for c in cells for t in c.trials) == sorted(
    t.id for t in made.trials
  )


def tried(**changes):
  """A probe of eight steps: 5 s to compile, half a second a step."""
  first = {'global_step': '1', 'accumulated_submission_time': '7.5'}
  last = {'global_step': '8', 'accumulated_submission_time': '11.5'}
  first |= {'accumulated_compile_time': '5', 'accumulated_eval_time': '3'}
  last |= {'accumulated_compile_time': '5.5', 'accumulated_eval_time': '6'}
  first |= {'accumulated_trace_time': '0.5'}
  last |= {'accumulated_trace_time': '0.5'}
  spent = {'compile': 5.5, 'train': 4.5, 'data': 0.7, 'view': 0.3}
  spent |= {'trace': 0.5}
  status = layout.Status(
    outcome='ended', attempts=1, seconds=11.5, accounts=spent
  )
  memory = {'host': 2**30, 'device': 2**31}
  examples = {'train': 1197, 'validation': 300, 'test': 301}
  made = short_trial.ShortTrial(
    status=status,
    rows=[first, last],
    steps=8,
    memory=memory,
    held_up=0.0,
    examples=examples,
    trace='',
  )
  return dataclasses.replace(made, **changes)


def test_a_trial_takes_what_its_steps_take_and_at_most_its_budget(tmp_path):
  made = planned(tmp_path)
  [cell, *_] = preflight.cells(made.trials)
  row = made.suite.workloads['digits']
  free = preflight.forecast(cell, row, None, tried())
  assert free.step_seconds == pytest.approx(0.5)
  assert free.compile_seconds == 5.5
  assert free.charged_seconds == pytest.approx(5.5 + 0.5 + 400 * 0.5)
  # One second a batch of 150; two to compile. Four looks at two batches, in
  # the end three more of test and one of train.
  assert free.free_seconds == pytest.approx(2 + 4 * 2 + 3 + 1)
  assert free.all_seconds == pytest.approx(4 * (206.0 + 14))
  bound = preflight.forecast(cell, row, 100.0, tried())
  assert bound.charged_seconds == 100.0
  assert bound.free_seconds == free.free_seconds
  # Steps alone take 17.5 s a look; with so much budget there are fewer looks.
  loose = preflight.forecast(cell, row, 1e6, tried())
  assert loose.free_seconds == pytest.approx(2 + 2 * 2 + 3 + 1)
  assert (bound.host_bytes, bound.device_bytes) == (2**30, 2**31)


def test_what_fails_is_told_and_counts_no_hours(tmp_path):
  made = planned(tmp_path)
  cells = preflight.cells(made.trials)
  row = made.suite.workloads['digits']
  status = layout.Status(outcome='oom', reason='RESOURCE_EXHAUSTED', attempts=1)
  found = [
    preflight.forecast(cells[0], row, 100.0, tried()),
    preflight.forecast(cells[1], row, 100.0, tried(status=status)),
  ]
  text = summaries.of_forecasts(found, price=10.0)
  assert 'FAIL mine on digits: oom: RESOURCE_EXHAUSTED' in text
  assert text.endswith(
    '4 trials take about 0.13 h: 1.27 at 10 an hour.\n2 more would fail.'
  )


def test_runs_try_what_is_long_and_not_begun_and_only_once(
  tmp_path, monkeypatch
):
  outcome, asked = {'is': 'crashed'}, []

  def run(plan, some, options):
    asked.append(len(some))
    return [
      preflight.Forecast('mine', 'digits', 1, outcome['is'], 'no build')
      for _ in some
    ]

  monkeypatch.setattr(preflight, 'run', run)
  out = tmp_path / 'out'

  def before(**options):
    asked.clear()
    # One folder for budgets that are not of one machine.
    made = planned(tmp_path, **options)
    preflight.before(out, made, TrialOptions(), mixed=True)
    return asked

  assert before(seconds=20.0) == []  # Four trials take 80 s, as of mini.
  with pytest.raises(preflight.PreflightError) as error:
    before(seconds=500.0)
  assert asked == [1]  # Four trials are long, two are not.
  assert 'mine on digits: crashed: no build' in str(error.value)
  assert 'Leave out mine, or' in str(error.value)
  assert '--nopreflight' in str(error.value)
  assert not out.exists()
  outcome['is'] = 'ended'
  assert before(seconds=500.0) == [1]
  assert before(seconds=500.0) == []  # It went well before.
  [trial] = [c for c in preflight.cells(planned(tmp_path).trials)][1].trials[:1]
  layout.event(_made(trial.folder(out)), 'start', 0)
  assert before(seconds=900.0) == [1]  # Two of three; one of them is begun.


def _made(folder):
  folder.mkdir(parents=True)
  return folder


def test_one_that_runs_and_one_that_does_not(tmp_path, capsys, monkeypatch):
  """In real processes, a few steps and a batch of every split."""
  broken, suite = tmp_path / 'broken.py', tmp_path / 'tiny.toml'
  broken.write_text(BROKEN)
  suite.write_text(suites.digits(target=0.5, steps=400))
  probes, run = [], short_trial.run

  def kept(*arguments):
    probes.append(run(*arguments))
    return probes[-1]

  monkeypatch.setattr(short_trial, 'run', kept)
  options = Options(
    suite=str(suite),
    submissions=('lion', str(broken)),
    out=tmp_path,
    json=True,
    hardware_dir=tmp_path,
  )
  assert commands.preflight(options) == 1
  told = json.loads(capsys.readouterr().out)
  lion, bad = told['forecasts']
  assert (lion['outcome'], bad['outcome']) == ('ended', 'crashed')
  assert bad['reason'] == 'RuntimeError: no build'
  assert f'File "{broken}", line 2, in build' in bad['trace']
  assert lion['step_seconds'] > 0 and lion['host_bytes'] > 2**20
  assert told['hours'] == pytest.approx(
    (lion['charged_seconds'] + lion['free_seconds']) / 3600
  )
  [first, last] = probes[0].rows
  assert first['validation/num_examples'] == '150'
  assert last['train/num_examples'] == last['test/num_examples'] == '150'
  assert probes[0].examples['validation'] == 300
