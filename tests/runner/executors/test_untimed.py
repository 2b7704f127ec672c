"""Untimed trials: by steps, several at once, and their time profiles."""

import dataclasses
import json
import sys
import types

import pytest

from runner import commands, planning
from runner.executors import jobs, race, untimed
from runner.executors.jobs import JobsExecutor
from runner.launch import prepare
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.options import Options
from runner.protocol import layout, results_folder, storage, trial_file
from runner.protocol.layout import Status
from runner.protocol.plan import Speed
from runner.protocol.suites import suite as rules
from runner.protocol.timing import time_profiles
from runner.protocol.timing.time_profiles import made
from runner.protocol.trial_file import StepLimits
from runner.tools import timing
from scoring import verify
from scoring.load import results as read
from scoring.rank import board
from tests.support import races

UNTIMED = TrialOptions(untimed=True)


def options(home, **more):
  """Options of a race of two quick submissions by steps."""
  names = [str(races.mine(home, name, steps=30)) for name in ('one', 'two')]
  return Options(
    suite=str(races.suite(home, target=0.99, steps=20)),
    submissions=tuple(names),
    studies=1,
    out=home / 'out',
    hardware_dir=home / 'hardware',
    preflight=False,
    **more,
  )


def test_several_trials_run_at_once_and_are_timed_afterwards(
  tmp_path, capsys, monkeypatch
):
  # Other tests run beside this one.
  monkeypatch.setattr(layout, 'HELD_UP', 2.0)
  assert commands.run(options(tmp_path, trial=UNTIMED, jobs=2)) == 0
  assert '2 of 2 trials done' in capsys.readouterr().out
  every = dataclasses.replace(options(tmp_path), submissions=())
  own = storage.read_json(
    layout.folder(tmp_path / 'out', 'one', 'digits', 0, 1) / layout.TRIAL
  )
  assert own['timed'] is False
  assert own['budget']['steps'] == 20
  by_steps = read.read(tmp_path / 'out')
  assert by_steps.effort == 'steps'
  [first, second] = board.make(by_steps).standings
  assert first.cells['digits'].seconds == second.cells['digits'].seconds <= 20
  in_seconds = read.read(tmp_path / 'out', effort='seconds')
  reasons = board.make(in_seconds).standings[0].cells['digits'].open
  assert 'timetrial time' in reasons[0]
  assert commands.time(every) == 0
  assert '2 of 2 programs are timed' in capsys.readouterr().out
  timed = read.read(tmp_path / 'out')
  assert timed.effort == 'seconds'
  assert timed.projection.projected == 2
  assert not any(s.open_cells for s in board.make(timed).standings)
  assert verify.verify(timed) == [
    one for one in verify.verify(timed) if not one.doubt
  ]
  assert commands.time(every) == 0  # Nothing is left to time.
  [place] = time_profiles.folders(tmp_path / 'out')
  folder = layout.folder(place, 'one', 'digits', 0, 1)
  raced = layout.folder(tmp_path / 'out', 'one', 'digits', 0, 1)
  specs = [prepare.spec(path / layout.TRIAL) for path in (folder, raced)]
  # A submission sees no difference in its progress.
  assert specs[0].budget.whole == specs[1].budget.steps
  began = layout.status(folder).since
  _held_up(folder)
  monkeypatch.setattr(layout, 'HELD_UP', 0.5)
  doubts = [one.text for one in verify.verify(timed) if one.doubt]
  assert any('this time profile needed' in text for text in doubts)
  monkeypatch.setattr(layout, 'HELD_UP', 2.0)
  assert not timing.disturbed(place, results_folder.planned(place))
  assert layout.status(folder).since == began


def _held_up(folder):
  """Let the records of a trial say that other programs took nearly all."""
  path = folder / layout.ATTEMPTS
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  for line in lines:
    if line['event'] == 'end':
      line['load'] |= {
        'charged_seconds': 10.0,
        'processor_seconds': 1.0,
        'waiting_seconds': 9.0,
        'others_seconds': 9.0,
      }
  path.write_text(''.join(json.dumps(line) + '\n' for line in lines))


def test_a_disturbed_profile_is_put_aside_and_timed_again(tmp_path):
  place = tmp_path / 'trial_1'
  place.mkdir()
  (place / layout.EVALS).write_text(
    'global_step,accumulated_submission_time\n1,1.0\n9,5.0\n'
  )
  events = [
    {'event': 'start', 'attempt': 0, 'time': 'T'},
    {
      'event': 'end', 'attempt': 0, 'time': 'T', 'outcome': 'ended',
      'reason': '', 'step': 9, 'seconds': 5.0, 'accounts': {}, 'load': {},
    },
  ]  # fmt: skip
  path = place / layout.ATTEMPTS
  path.write_text(''.join(json.dumps(event) + '\n' for event in events))
  limits = StepLimits(steps=9, eval_steps=1)
  assert not timing._is_stale(place, limits)
  _held_up(place)
  assert timing._is_stale(place, limits)
  results_folder.put_aside(place)
  assert not place.exists() and (tmp_path / 'trial_1_aside_1').is_dir()


def test_timed_trials_are_never_run_at_once(tmp_path):
  with pytest.raises(ValueError, match='--jobs=2: timed trials run alone'):
    commands.run(options(tmp_path, jobs=2))
  assert not (tmp_path / 'out').exists()


def planned(home, steps=20):
  suite = rules.load(str(races.suite(home, steps=steps, evaluations=5)))
  return planning.make(
    suite,
    'self',
    [str(races.mine(home, 'mine'))],
    hardware.describe(),
    {'digits': Speed(0.0, 1.0)},
  )


def test_without_a_profile_steps_are_those_of_the_reference(tmp_path):
  plan = planned(tmp_path)
  found = untimed.limits(tmp_path / 'out')(plan, plan.trials[0])
  assert (found.steps, found.eval_steps) == (20, 4)


@pytest.mark.parametrize(
  ('step_seconds', 'steps', 'eval_steps'), [(0.5, 60, 12), (3.0, 10, 2)]
)
def test_a_profile_says_how_many_steps_a_budget_has(
  tmp_path, step_seconds, steps, eval_steps
):
  plan = planned(tmp_path)
  profile = made([(n, n * step_seconds) for n in range(1, 100)], spent=True)
  [trial] = plan.trials[:1]
  found = untimed.by_profile(plan, trial, profile, {'digits': 30.0})
  assert (found.steps, found.eval_steps) == (steps, eval_steps)


def test_a_profile_that_ends_too_early_says_nothing(tmp_path):
  plan = planned(tmp_path)
  found = untimed.by_profile(
    plan, plan.trials[0], made([(1, 1.0)], spent=False), {'digits': 30.0}
  )
  assert found == untimed.by_reference(plan, plan.trials[0])


@pytest.mark.skipif(sys.platform != 'linux', reason='Only Linux pins cores.')
def test_jobs_share_the_cores_evenly(monkeypatch):
  monkeypatch.setattr(jobs.os, 'sched_getaffinity', lambda _: {0, 1, 4, 5})
  assert jobs.shares(2) == [{0, 4}, {1, 5}]
  assert jobs.shares(3) == [{0, 5}, {1}, {4}]
  assert jobs.shares(8)[4:6] == [{0}, {1}]


def test_of_many_trials_that_wait_few_are_looked_at(tmp_path, monkeypatch):
  """All are yielded: those that are over at once, the rest with the jobs."""
  looks, over = [], {2}
  trials = [
    types.SimpleNamespace(id=n, folder=lambda out, n=n: n) for n in range(1000)
  ]

  def status(folder):
    looks.append(folder)
    return Status(outcome='ended' if folder in over else None)

  def poll():
    over.add(len(over) + 2)  # 3, 4, ...
    return None if len(over) < 40 else 0

  monkeypatch.setattr(jobs.results_folder, 'status', status)
  monkeypatch.setattr(jobs.results_folder, 'in_use', lambda folder: False)
  monkeypatch.setattr(jobs, 'POLL', 0.0)
  live = types.SimpleNamespace(count=lambda running, waiting: None)
  told = jobs._followed(
    types.SimpleNamespace(out=tmp_path, live=live),
    [types.SimpleNamespace(poll=poll, wait=lambda: None)],
    trials,
    {trial.id: Status() for trial in trials},
  )
  found = [trial.id for trial, _ in told]
  assert sorted(found) == list(range(1000)) and found[:3] == [2, 3, 4]
  assert len(looks) < 40 * (jobs.WAITING + 2) + 1000


def test_a_failed_trial_of_a_job_is_tried_again_and_told(tmp_path):
  plan = planning.make(
    rules.load(str(races.suite(tmp_path))),
    'self',
    [str(races.mine(tmp_path, 'mine', build='raise RuntimeError("No.")'))],
    hardware.describe(),
    {},
  )
  only = dataclasses.replace(plan, trials=plan.trials[:1])
  out = tmp_path / 'out'
  race.run(
    out,
    only,
    UNTIMED,
    limits=untimed.limits(out),
    executor=JobsExecutor(2),
  )
  status = layout.status(only.trials[0].folder(out))
  assert status.outcome == 'crashed' and 'No.' in status.reason
  assert time_profiles.folders(out) == []


def test_a_trial_stays_as_it_has_begun(tmp_path, capsys):
  """A timed trial would otherwise go on among others that slow it down."""
  plan, out = planned(tmp_path), tmp_path / 'out'
  [trial] = plan.trials[:1]
  timed = prepare.prepare(out, plan, trial)
  assert prepare.by_seconds(timed)
  limits = untimed.by_reference(plan, trial)
  prepare.prepare(out, plan, trial, limits=limits, timed=False)
  assert not prepare.by_seconds(timed)  # It had not begun.
  layout.event(timed, 'start', 0)
  prepare.prepare(out, plan, trial)
  assert not prepare.by_seconds(timed)
  assert race._runnable(out, plan, seconds=False) == [trial]
  assert race._runnable(out, plan, seconds=True) == []
  told = capsys.readouterr().out
  assert '1 trials have begun untimed and are left out' in told


def test_the_plan_of_untimed_trials_needs_no_speeds(tmp_path):
  plan = dataclasses.replace(planned(tmp_path), budgets={})
  text = json.dumps(plan.budgets)
  assert text == '{}' and plan.hours is None


def test_time_does_not_ignore_submissions(tmp_path):
  """It timed all programs, whichever were named."""
  with pytest.raises(ValueError, match='leave out --submissions'):
    commands.time(Options(out=tmp_path, submissions=('nadamw',)))


@pytest.mark.parametrize(
  ('ruleset', 'timed', 'expected'),
  [
    ('external', False, True),
    ('external', True, False),
    ('self', False, False),
  ],
)
def test_only_untimed_trials_of_several_points_share_programs(
  tmp_path, ruleset, timed, expected
):
  suite = rules.load(str(races.suite(tmp_path, target=0.99, steps=20)))
  plan = planning.make_endless(suite, ruleset, ['sgd'], hardware.describe())
  spec = trial_file.make(
    plan,
    plan.trials[0],
    limits=StepLimits(steps=20, eval_steps=10),
    data_dir=None,
    shard_state=False,
    timed=timed,
  )
  assert spec.tries_points is expected
