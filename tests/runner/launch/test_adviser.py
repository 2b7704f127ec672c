"""The adviser: questions of the runner to scoring while trials run."""

import dataclasses
import math
import sys

import pytest

from runner.executors import race
from runner.launch import adviser
from runner.launch.adviser import Adviser, Follower
from runner.protocol import plan_file, results_folder
from runner.protocol.records import advice
from runner.protocol.records.advice import Advice, Request
from runner.protocol.records.progress import ProgressEvent
from scoring import advise
from scoring.load import results as read
from tests.support import made_results

FACTS = {
  'step': 5,
  'seconds': 9.0,
  'target': 0.5,
  'chances': [0.0, 0.001],
  'known': [],
}


class Answers(Adviser):
  """Stands for the process of scoring."""

  def __init__(self, *found):
    super().__init__(None, 'none')
    self.asked = []
    self.found = list(found)

  def ask(self, request):
    self.asked.append(request)

  def heard(self, seconds=0.0):
    return self.found.pop(0) if self.found else None


def evaluated(step):
  return ProgressEvent(step=step, seconds=2.0 * step, metric=0.7)


def test_messages_survive_their_lines():
  request = Request(trial='a1', step=3)
  assert advice.parse_request(request.to_line()) == request
  told = Advice(
    request=request,
    limit=2.5,
    why='reason',
    order=('a', 'b'),
    chance=0.25,
    ahead=(1.0, math.inf),
    hopeless=FACTS,
  )
  assert advice.parse(told.to_line().encode()) == told
  nothing = advice.parse(Advice(request=Request()).to_line().encode())
  assert nothing.limit == math.inf


@pytest.mark.parametrize('audited', [False, True])
def test_a_hopeless_trial_leaves_unless_it_is_audited(audited):
  request = Request(trial='a1', step=5)
  answers = Answers(Advice(request=request, chance=0.0, hopeless=FACTS))
  follower = Follower(answers, 'a1', audited=audited)
  shown = []
  heard = follower.hear(shown.append)
  heard(ProgressEvent(step=4, loss=1.0))
  assert not answers.asked
  heard(evaluated(5))
  assert answers.asked == [request]
  assert follower.leave() is not audited
  assert follower.hopeless == FACTS | {'audited': audited}
  assert 'training; 0% to reach the target' in shown[-1].doing


def test_answers_about_other_trials_stop_nothing():
  other = Request(trial='b2', step=5)
  answers = Answers(Advice(request=other, chance=0.0, hopeless=FACTS))
  follower = Follower(answers, 'a1', audited=False)
  assert not follower.leave() and follower.hopeless is None


def test_forecasts_are_told_in_few_words():
  said = adviser.forecast
  assert said(0.8, (90.0, 120.0, 300.0)) == (
    '80% to reach the target, at step 90 to 300'
  )
  assert said(0.4, (90.0, math.inf, math.inf)).endswith('step 90 or never')
  assert said(0.0, (math.inf,) * 3) == '0% to reach the target'


def test_a_process_that_dies_stops_no_race(tmp_path, capfd, monkeypatch):
  monkeypatch.setattr(sys, 'executable', '/bin/false')
  with adviser.opened(tmp_path, 'exact') as advising:
    found = advising.now(Request(trial='a1'))
    assert found == Advice(request=Request(trial='a1'))
    assert advising.now(Request()).order == ()
  assert 'cannot advise this race' in capfd.readouterr().err


def test_a_folder_that_cannot_be_read_is_told(tmp_path, capfd):
  with adviser.opened(tmp_path, 'exact') as advising:
    found = advising.now(Request(trial='a1'))
  assert found.failed and found.limit == math.inf
  assert str(tmp_path) in capfd.readouterr().err


def test_the_strongest_race_first_and_variants_last(tmp_path):
  out = made_results.race(tmp_path / 'out')
  order = advise.strongest_first(read.read(out))
  plan = results_folder.planned(out)
  assert set(order) == {trial.submission for trial in plan.trials}
  if plan.suite.reference in order:
    assert order[0] == plan.suite.reference
  backwards = tuple(reversed(order))
  advising = Answers()
  advising.policy = 'exact'
  advising.now = lambda request: Advice(request=request, order=backwards)
  found = race._ordered(plan, plan.trials, advising)
  assert sorted(found, key=str) == sorted(plan.trials, key=str)
  names = list(dict.fromkeys(trial.submission for trial in found))
  assert tuple(names) == backwards
  rows = list(plan.suite.held_out_last)
  for name in names:
    mine = [t.workload for t in found if t.submission == name]
    assert mine == sorted(mine, key=rows.index)
  advising.policy = 'beaten'
  assert race._ordered(plan, plan.trials, advising) == plan.trials


def test_the_policy_is_a_rule_of_the_plan_only_if_forecasts_stop(tmp_path):
  plan = results_folder.planned(made_results.race(tmp_path / 'out'))
  assert 'stop' not in plan_file.dump(plan)
  safe = plan_file.sealed(dataclasses.replace(plan, stop='safe', hashes={}))
  again = plan_file.parse(plan_file.dump(safe), 'plan')
  assert again.stop == 'safe' and not plan_file.changes(again)
  forged = dataclasses.replace(again, stop='')
  assert any('stop' in change for change in plan_file.changes(forged))
