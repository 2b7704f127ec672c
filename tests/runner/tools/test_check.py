"""Rehearsals of submissions: what is compared, and what is made of it.

Their processes are made up here; tests of races run real ones.
"""

import dataclasses
import json
import types

import numpy as np
import pytest

import submissions
from runner import options, planning, preparing
from runner.launch import attempt as engine
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.protocol import layout, storage
from runner.protocol.records.checkpoints import Facts
from runner.protocol.suites import suite as rules
from runner.tools import check, rehearsal
from runner.tools.stage import Rehearsal
from runner.trial import checkpoint
from tests.support import suites
from tests.support.written import IDLE, write

BUILD = 'def build(task): ...\nSELF = {}\n'
ACCOUNTS = {'compile': 1.0, 'train': 1.0, 'data': 0.0}


class Machine:
  """Runs trials without training: one step adds one to the state.

  Attributes:
    looked: What an evaluation makes of a state.
    stepped: What a step makes of a state.
    resumed: What is found of a state by a trial that goes on.
    outcomes: Of the first attempts, if not that they ended.
    runs: The limits of all attempts.
  """

  def __init__(self):
    self.looked = lambda x: x
    self.stepped = lambda x: x + 1.0
    self.resumed = lambda x: x
    self.outcomes = []
    self.reason = ''
    self.log = ''
    self.runs = []

  def run_attempt(self, out, folder, on_progress, options):
    limits = storage.read_json(folder / layout.TRIAL)['budget']
    self.runs.append((folder.parents[1].name, limits['steps']))
    attempt = layout.status(folder).attempts
    layout.event(folder, 'start', attempt)
    outcome = self.outcomes.pop(0) if self.outcomes else 'ended'
    if outcome == 'ended':
      self.train(folder, limits['steps'], limits['eval_steps'])
    layout.event(
      folder, 'end', attempt, outcome=outcome, reason=self.reason,
      seconds=1.0, accounts=ACCOUNTS, again=outcome == 'preempted',
    )  # fmt: skip
    (folder / 'trial.log').write_text(self.log)
    return layout.status(folder)

  def train(self, folder, steps, every):
    x, step, last = 0.0, 0, None
    if found := checkpoint.load(folder / layout.CHECKPOINT):
      x = self.resumed(float(found.arrays['x']))
      step = last = found.facts['steps']
    while step < steps:
      x, step = self.stepped(x), step + 1
      if last is None or step >= min(last + every, steps):
        x, last = self.looked(x), step
        arrays = {'x': np.float64(x)}
        facts = Facts(steps=step, examples=0, accounts={}, rows={}).to_json()
        checkpoint.save(folder / layout.CHECKPOINT, step, arrays, facts)
        row = {'global_step': step, 'validation/loss': x}
        storage.append_rows(folder / layout.EVALS, [row], row)


@pytest.fixture
def machine(monkeypatch):
  made = Machine()
  monkeypatch.setattr(engine, 'run_attempt', made.run_attempt)
  return made


@pytest.fixture
def found(machine, tmp_path):
  """Marks and texts of the findings about a submission."""

  def of(text=BUILD, theirs=False):
    suite = tmp_path / 'tiny.toml'
    suite.write_text(suites.digits(target=0.5, steps=40))
    path = tmp_path / 'mine.py'
    path.write_text(text)
    request = str(write(tmp_path / 'theirs', text) if theirs else path)
    made = planning.make_endless(
      rules.load(str(suite)), 'self', [request], hardware.describe()
    )
    one = Rehearsal(
      entry=submissions.find(request),
      plan=made,
      trial=made.trials[0],
      options=TrialOptions(),
    )
    return [tuple(f) for f in rehearsal.findings(one, lambda event: None)]

  return of


def marks(findings):
  return [mark for mark, _ in findings]


def test_all_is_well(found, machine):
  first, second, third = found()
  assert marks([first, second, third]) == ['ok'] * 3
  assert 'trains; compiles in 1.0 s' in first[1]
  assert second[1] == 'looking does not change training'
  assert third[1] == 'a resumed run is the same run'
  assert [steps for _, steps in machine.runs] == [8, 8, 4, 8]


def test_runs_that_are_compared_are_evaluated_at_the_same_steps(found, machine):
  """Changes at evaluations, as by prepare_for_eval, are not wrong."""
  machine.looked = lambda x: 2 * x
  assert marks(found(IDLE, theirs=True)) == ['ok'] * 3


def test_states_may_be_far_from_each_other(found, machine):
  """Whatever the steps at which a loop yields, a resumed run has the same."""
  machine.looked = lambda x: 2 * x
  whole = machine.train

  def seldom(folder, steps, every):
    whole(folder, steps + steps % 2, every + 2)

  machine.train = seldom
  assert marks(found(IDLE, theirs=True)) == ['ok'] * 3


def test_ours_must_not_change_when_they_are_evaluated(found, machine):
  machine.looked = lambda x: 2 * x
  _, (mark, text), (after, _) = found()
  assert mark == 'FAIL' and 'not so: looking does not change' in text
  assert 'step 8' in text and 'Does model(state) change' in text
  assert after == 'ok'


def test_ours_may_follow_their_evaluations(found, machine):
  machine.looked = lambda x: 2 * x
  _, (mark, text), _ = found(BUILD + 'def f(start): return start.evals[-1]')
  assert mark == 'look' and 'depends on when it is evaluated' in text


@pytest.mark.parametrize('theirs', [True, False])
def test_a_state_that_does_not_say_everything(found, machine, theirs):
  machine.resumed = lambda x: x + 0.5
  *_, (mark, text) = found(IDLE if theirs else BUILD, theirs)
  assert mark == 'FAIL' and 'contain everything' in text
  assert ('optimizer_state' in text) == theirs


@pytest.mark.parametrize('theirs', [True, False])
def test_two_equal_runs_that_differ_are_not_blamed_on_the_state(
  found, machine, theirs
):
  drawn = np.random.default_rng(0)
  machine.stepped = lambda x: x + drawn.uniform()
  said = found(IDLE if theirs else BUILD, theirs)
  assert marks(said) == ['ok', 'FAIL', 'FAIL']
  assert all('two equal runs differ' in text for _, text in said[1:])
  assert not any('contain everything' in text for _, text in said)
  clock = 'import time\ndef f(): return time.monotonic()\n'
  said = found(clock + (IDLE if theirs else BUILD), theirs)
  assert marks(said) == ['ok', 'look', 'look']


def test_a_trial_that_starts_over_is_said_to(found, machine):
  machine.log = 'Something.\nThis trial cannot be resumed: x is a y.\n'
  *_, last = found()
  assert last == ('look', 'interrupted, it starts over: x is a y.')


def test_one_state_is_nothing_to_resume(found, machine):
  machine.train = lambda folder, steps, every: Machine.train(
    machine, folder, 1, every
  )
  *_, (mark, text) = found()
  assert mark == 'ok' and 'its first state is its last' in text


@pytest.mark.parametrize('outcome', ['invalid', 'preempted'])
def test_what_the_machine_fails_is_tried_again_from_the_start(
  found, machine, outcome
):
  """Once the user was told that the state did not say everything."""
  machine.outcomes = [outcome, 'ended', 'ended', 'ended', outcome]
  assert marks(found()) == ['ok'] * 3
  resumed = [steps for study, steps in machine.runs if study == 'study_3']
  assert resumed == [4, 8, 4, 8]
  machine.outcomes = [outcome] * 3
  machine.reason = 'Held up.'
  [(mark, text)] = found()
  assert mark == 'open' and mark not in rehearsal.GOOD
  assert f'({outcome}: Held up.)' in text and 'not concern the subm' in text


def test_what_crashes_later_is_told(found, machine):
  machine.reason = 'ValueError: bad (see traceback_0.txt)'
  machine.outcomes = ['ended', 'ended', 'ended', 'crashed']
  assert found()[-1] == ('FAIL', 'crashed: ValueError: bad')


def suite_of(home, *names):
  """A suite with digits beside those that count."""
  path = home / 'some.toml'
  text = suites.digits(target=0.5, steps=40)
  row = text[text.index('[workloads.digits]') :]
  rows = [row.replace('digits', f'"{name}"') for name in names]
  unscored = row.replace('workloads', 'unscored')
  path.write_text(text.replace(row, '\n'.join([*rows, unscored])))
  return path


def test_the_quick_ones_come_first(tmp_path):
  path = suite_of(tmp_path, 'mnist/mini', 'wmt/mini', 'cifar/mini')
  assert check.order(rules.load(str(path))) == (
    'digits',
    'cifar/mini',
    'mnist/mini',
    'wmt/mini',
  )
  mini = check.order(rules.load('mini'))
  assert mini[:2] == ('digits', 'imagenet_resnet/mini')
  assert set(mini[1:]) == set(rules.load('mini').workloads)


def asked(path, names, **changes):
  return dataclasses.replace(
    options.Options(
      suite=str(path), submissions=tuple(map(str, names)), out=path.parent
    ),
    **changes,
  )


def test_it_says_how_long_all_take_and_the_next_command(
  machine, tmp_path, capsys
):
  path = suite_of(tmp_path, 'mnist/mini', 'wmt/mini', 'cifar/mini')
  mine = tmp_path / 'my own.py'
  mine.write_text(BUILD)
  assert preparing.check(asked(path, [mine, 'n=lion'])) == 0
  first, *lines = capsys.readouterr().out.splitlines()
  assert first == 'Trying 12 cells, digits and cifar/mini first.'
  places = {line.partition(' on ')[2].partition(':')[0] for line in lines[:18]}
  assert places == {'digits', 'cifar/mini'}
  assert lines[18].startswith('6 of 12 took ')
  assert 'all take about' in lines[18]
  assert lines[-2].startswith('All 12 took ')
  assert lines[-1] == (
    f"Next: timetrial run '--submissions={mine},n=lion' "
    f'--suite={path} --out=results'
  )


def test_one_that_does_not_train_is_not_tried_everywhere(
  machine, tmp_path, capsys
):
  path = suite_of(tmp_path, 'mnist/mini', 'wmt/mini', 'cifar/mini')
  mine = tmp_path / 'mine.py'
  mine.write_text(BUILD)
  machine.outcomes = ['crashed']
  assert preparing.check(asked(path, [mine])) == 1
  _, first, left = capsys.readouterr().out.splitlines()
  assert first.startswith('FAIL mine (self) on digits: crashed')
  assert 'cifar/mini, mnist/mini, wmt/mini' in left and '--workloads' in left
  machine.outcomes = ['crashed']
  names = ('mnist/mini', 'digits')
  assert preparing.check(asked(path, [mine], workloads=names)) == 1
  assert len(capsys.readouterr().out.splitlines()) == 4


def test_commands_that_follow_are_for_each_ruleset():
  text = check.following('mini', ('lion', 'restarts', 'adamw@rex'), 'data')
  assert text == (
    'Next: timetrial run --submissions=lion,restarts,adamw@rex '
    '--data_dir=data --out=results'
  )


def test_of_no_submissions_nothing_is_checked(tmp_path):
  with pytest.raises(ValueError, match='Name some'):
    preparing.check(asked(suite_of(tmp_path, 'mnist/mini'), []))


def test_what_is_made_up_writes_what_trials_do(machine, tmp_path):
  (tmp_path / layout.TRIAL).write_text(
    json.dumps({'budget': {'steps': 5, 'eval_steps': 2}})
  )
  machine.run_attempt(None, tmp_path, None, None)
  rows = storage.read_rows(tmp_path / layout.EVALS)
  assert [int(row['global_step']) for row in rows] == [1, 3, 5]
  assert isinstance(machine.looked, types.FunctionType)
