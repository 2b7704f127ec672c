"""Races that results decide: further studies of single cells."""

import dataclasses
import json
import math
import time

import pytest

from runner import commands, planning
from runner.executors.base import Queue
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.options import Options
from runner.protocol import layout, merge_plans, plan_file, results_folder
from runner.protocol.plan import Speed
from runner.protocol.suites import suite as rules
from runner.tools import deciding
from scoring import verify
from scoring.load import results as read
from scoring.rank import board
from tests.support import races


def planned(home, ruleset='self', studies=2, trials=1):
  """Plan of a race of two submissions on the digits."""
  suite = rules.load(str(races.suite(home, trials=trials)))
  rulesets = {
    name: dataclasses.replace(one, studies=studies)
    for name, one in suite.rulesets.items()
  }
  suite = dataclasses.replace(suite, rulesets=rulesets)
  names = (
    [str(races.mine(home, name)) for name in ('one', 'two')]
    if ruleset == 'self'
    else ['nadamw', 'lion']
  )
  speeds = {'digits': Speed(0.0, 1.0)}
  return planning.make(suite, ruleset, names, hardware.describe(), speeds)


@pytest.mark.parametrize(('ruleset', 'trials'), [('self', 1), ('external', 3)])
def test_a_further_study_is_that_of_a_larger_race(tmp_path, ruleset, trials):
  """Its trials are those that a larger --studies would add to all cells."""
  plan = planned(tmp_path, ruleset, 2, trials)
  larger = planned(tmp_path, ruleset, 3, trials)
  name = larger.trials[0].submission
  found = planning.further(plan, [(name, 'digits')])
  assert found == [t for t in larger.of(name) if t.study == 2]
  assert len(found) == trials


def test_the_smallest_missing_number_is_taken(tmp_path):
  plan = planned(tmp_path, studies=3)
  gap = [t for t in plan.trials if (t.submission, t.study) != ('one', 1)]
  plan = dataclasses.replace(plan, trials=tuple(gap))
  cells = [('one', 'digits'), ('two', 'digits')]
  assert [t.study for t in planning.further(plan, cells)] == [1, 3]


def test_a_plan_takes_further_studies_and_gives_back_those_not_begun(tmp_path):
  plan, out = planned(tmp_path), tmp_path / 'out'
  with results_folder.opened(out, plan):
    pass
  more = planning.further(plan, [('one', 'digits')])
  extra = plan_file.sealed(dataclasses.replace(plan, trials=tuple(more)))
  with results_folder.opened(out, extra) as whole:
    assert whole.trials == plan.trials + tuple(more)
    assert plan_file.changes(whole) == []
  assert results_folder.withdraw(out, {t.id for t in plan.trials[:0]}) == []
  assert results_folder.withdraw(out, {more[0].id}) == [more[0].id]
  assert results_folder.planned(out) == plan
  # A trial that has begun stays.
  with results_folder.opened(out, extra) as whole:
    folder = more[0].folder(out)
    folder.mkdir(parents=True)
    (folder / layout.ATTEMPTS).write_text('')
  assert results_folder.withdraw(out, {more[0].id}) == []
  assert results_folder.planned(out) == whole


def test_a_larger_race_keeps_further_studies(tmp_path):
  plan = planned(tmp_path)
  more = planning.further(plan, [('one', 'digits')])
  extra = plan_file.sealed(dataclasses.replace(plan, trials=tuple(more)))
  whole = merge_plans.merged(plan, extra)
  larger = planned(tmp_path, studies=3)
  merge_plans.check(whole, larger, tmp_path, mixed=False, grows=True)
  found = merge_plans.merged(whole, larger)
  assert sorted(t.id for t in found.trials) == sorted(
    t.id for t in larger.trials
  )


def test_no_trial_starts_after_the_end(tmp_path):
  trials = planned(tmp_path).trials
  queue = Queue(trials, time.monotonic() + 3600)
  assert len(queue) == len(trials) and queue.ends
  assert not Queue(trials, time.monotonic() - 1)
  assert not Queue(trials).ends and len(Queue(trials, math.inf)) == len(trials)


@pytest.mark.parametrize(
  ('flags', 'words'),
  [
    ({'decide': True, 'studies': 3}, '--decide takes studies from the results'),
    ({'hours': 2}, '--hours=2 bounds the new trials of --decide'),
    ({'decide': True, 'engine': 'slurm'}, 'with --engine=slurm'),
    ({'decide': True, 'jobs': 2}, 'timed trials run alone'),
  ],
)
def test_contradicting_flags_are_refused(tmp_path, flags, words):
  out = tmp_path / 'out'
  with results_folder.opened(out, planned(tmp_path)):
    pass
  done = races.run(tmp_path, 'run', out=out, **flags)
  assert done.returncode == 2
  assert words in done.stderr and 'Traceback' not in done.stderr


def test_without_results_there_is_nothing_to_decide(tmp_path):
  for command in ('run', 'plan'):
    done = races.run(tmp_path, command, decide=True, out=tmp_path / 'none')
    assert done.returncode == 2 and 'No results in' in done.stderr


TUNED = '''"""nadamw with another batch size and rate."""
from submissions.algorithms import nadamw
def build(task, *, batch, rate):
  point = nadamw.SELF | {{'learning_rate': rate}}
  return nadamw.build(task._replace(batch_size=batch), **point)
SELF = {{'batch': {batch}, 'rate': {rate}}}
'''


@pytest.fixture(scope='module')
def raced(tmp_path_factory):
  """Options of an untimed race in which two of three are close together."""
  home = tmp_path_factory.mktemp('decided')
  paths = []
  for name, batch, rate in (
    ('steady', 16, 0.002),
    ('noisy', 4, 0.005),
    ('idle', 64, 1e-9),
  ):
    races.share_compiled(name)
    paths.append(home / f'{name}.py')
    paths[-1].write_text(TUNED.format(batch=batch, rate=rate))
  options = Options(
    suite=str(races.suite(home, target=0.84, steps=30, evaluations=30)),
    submissions=tuple(map(str, paths)),
    studies=2,
    out=home / 'out',
    hardware_dir=home / 'hardware',
    preflight=False,
    trial=TrialOptions(untimed=True),
  )
  assert commands.run(options) == 0
  return dataclasses.replace(
    options, submissions=(), studies=None, suite='mini', decide=True
  )


def test_the_cells_that_matter_get_more_studies(raced, monkeypatch, capfd):
  """One round, as the test would else take as long as the noise asks for."""
  before = results_folder.planned(raced.out)
  decided, calls = deciding._decided, []

  def once(options, hours):
    calls.append(decided(options, hours))
    return (
      calls[-1] if len(calls) == 1 else dataclasses.replace(calls[-1], cells=())
    )

  monkeypatch.setattr(deciding, '_decided', once)
  assert commands.run(raced) == 0
  asked = set(calls[0].cells)
  assert ('noisy', 'digits') in asked and ('idle', 'digits') not in asked
  after = results_folder.planned(raced.out)
  new = [t for t in after.trials if t not in before.trials]
  assert {(t.submission, t.workload) for t in new} == asked
  assert {t.study for t in new} == {2}
  assert f'{len(new)} trials were added' in capfd.readouterr().out
  results = read.read(raced.out)
  assert [f for f in verify.verify(results) if f.doubt] == []
  found = board.make(results)
  sizes = dict(
    zip(found.times.submissions, found.times.counted.sum((1, 2)), strict=True)
  )
  assert sizes['idle'] == 2
  assert {sizes[name] for name, _ in asked} == {3}
  assert len(calls) == 2
  assert calls[0].reasons != calls[1].reasons


def test_spent_hours_start_nothing(raced, monkeypatch, capfd):
  before = results_folder.planned(raced.out)
  assert commands.run(dataclasses.replace(raced, hours=0.0)) == 0
  assert results_folder.planned(raced.out) == before
  # They are spent while a round is prepared.
  end = time.monotonic()
  more = planning.further(before, [('idle', 'digits')])
  assert deciding._round(raced, before, more, end) == (before, 0)
  assert not more[0].folder(raced.out).exists()


def test_the_plan_says_what_would_run(raced, capfd):
  assert commands.plan(dataclasses.replace(raced, json=True)) == 0
  found = json.loads(capfd.readouterr().out)
  assert found['effort'] == 'steps'
  assert {c['submission'] for c in found['cells']} <= {'steady', 'noisy'}


def test_an_interrupt_leaves_no_cell_open(tmp_path, monkeypatch):
  plan, out = planned(tmp_path), tmp_path / 'out'
  with results_folder.opened(out, plan):
    pass

  def stopped(out, plan, *_, **more):
    del more
    with results_folder.opened(out, plan):
      raise KeyboardInterrupt

  monkeypatch.setattr(deciding.race, 'run', stopped)
  more = planning.further(plan, [('one', 'digits')])
  with pytest.raises(KeyboardInterrupt):
    deciding._round(Options(out=out), plan, more, math.inf)
  assert results_folder.planned(out) == plan
