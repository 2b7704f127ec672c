"""Hours of a plan are predicted from the record of another race."""

import dataclasses

import pytest

from runner.launch.attempt import TrialOptions
from runner.options import Options
from runner.protocol import results_folder
from runner.tools import expected_hours
from tests.support import made_results


@pytest.fixture(scope='module')
def out(tmp_path_factory):
  return made_results.race(tmp_path_factory.mktemp('board') / 'out')


def options(policy, **fields):
  return Options(trial=TrialOptions(stop=policy), **fields)


def test_hours_are_the_share_of_the_budgets_that_the_record_spent(out):
  plan = results_folder.planned(out)
  found = {
    policy: expected_hours.predict(options(policy, against=out), plan)
    for policy in ('none', 'beaten', 'exact', 'safe')
  }
  hours = [one.hours for one in found.values()]
  assert all(0 < one < plan.hours for one in hours)
  assert hours == sorted(hours, reverse=True)
  exact = found['exact']
  assert exact.hours == pytest.approx(exact.share * plan.hours)
  assert 'with --stop=exact, if it spends' in exact.said
  assert exact.said.endswith('This is a forecast.')
  twice = dataclasses.replace(plan, trials=plan.trials * 2)
  again = expected_hours.predict(options('exact', out=out), twice)
  assert again.hours == pytest.approx(2 * exact.hours)


def test_without_a_record_it_says_that_it_cannot(out, tmp_path):
  plan = results_folder.planned(out)
  found = expected_hours.predict(options('safe', out=tmp_path / 'none'), plan)
  assert found.hours is None
  assert 'cannot be predicted' in found.said and '--against=' in found.said
  aimless = dataclasses.replace(plan, budgets={})
  found = expected_hours.predict(options('safe', out=out), aimless)
  assert found.hours is None and 'timetrial calibrate' in found.said
