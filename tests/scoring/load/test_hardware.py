"""Seconds of different kinds of hardware are put together only if told so."""

import dataclasses
import json

import pytest

from runner import planning
from runner.machine import hardware
from runner.protocol import layout, plan_file, results_folder as results
from runner.protocol.plan import Machine, Speed
from runner.protocol.suites import suite
from scoring.load import plan as planned, results as read
from scoring.rank import board
from tests.support import made_results as made

SUITE = suite.load('mini')
SPEEDS = {name: Speed(1.0, 0.1) for name in SUITE.workloads}
FAST, SLOW = 'h100', 'a100'


def race(tmp_path, names=(FAST, FAST, SLOW), **more):
  """A trial on each kind, planned for the first one."""
  out = tmp_path / 'results'
  keys = [('x', 'criteo1tb/mini', study, 1) for study in range(len(names))]
  for trial, name in zip(made.write_plan(out, keys), names, strict=True):
    values = [(1.0, 0.7), (8.0, 0.4)]
    made.moved(made.write_trial(out, trial, values, 'reached'), name)
  path = out / layout.PLAN
  facts = json.loads(path.read_text()) | {'hardware': {'name': FAST}} | more
  path.write_text(json.dumps(facts))
  return out


def cell(results):
  return board.make(results).standings[0].cells['criteo1tb/mini']


def test_what_ran_elsewhere_is_open(tmp_path):
  found = read.read(race(tmp_path))
  [reason] = cell(found).open
  assert 'The trial ran on a100; this board is for h100.' in reason
  assert not board.make(found).standings[0].rank
  assert not found.remarks


def test_told_so_all_are_ranked_and_the_board_says_so(tmp_path):
  found = read.read(race(tmp_path), mixed=True)
  assert cell(found).state == 'reached' and not cell(found).open
  [remark] = found.remarks
  assert 'as requested: 2 on h100, 1 on a100.' in remark


def test_what_was_planned_so_needs_no_telling(tmp_path):
  found = read.read(race(tmp_path, also=[{'name': SLOW}]))
  assert cell(found).state == 'reached'
  assert 'several kinds of hardware' in found.remarks[0]


def test_one_kind_is_nothing_to_speak_of(tmp_path):
  found = read.read(race(tmp_path, (FAST, FAST)))
  assert not found.remarks and not cell(found).open


def test_a_trial_that_went_on_elsewhere_is_of_both(tmp_path):
  out = race(tmp_path, (FAST, FAST))
  [trial, _] = read.read(out).trials
  with (trial.folder / layout.ATTEMPTS).open('a') as file:
    for event in ('start', 'end'):
      file.write(
        json.dumps(
          {'event': event, 'attempt': 1, 'time': '', 'hardware': SLOW}
          | {'outcome': 'reached', 'reason': '', 'seconds': 8.0, 'accounts': {}}
        )
        + '\n'
      )
  [reason] = cell(read.read(out)).open
  assert 'The trial ran on a100' in reason


def test_without_a_plan_nothing_says_which_kind_is_right(tmp_path):
  out = race(tmp_path)
  (out / layout.PLAN).unlink()
  with pytest.raises(planned.ReadError, match='2 kinds of hardware'):
    read.read(out, 'mini')
  assert read.read(out, 'mini', mixed=True).remarks


@pytest.mark.parametrize('also', ['[3]', '3', '{}', '[{"name": [1]}, null]'])
def test_a_plan_that_names_no_machines_is_damaged(tmp_path, also):
  out = race(tmp_path, also=json.loads(also))
  with pytest.raises(planned.ReadError):
    read.read(out)


def planned_on(name, times=1.0):
  """A plan for a machine that is so many times as fast."""
  facts = {'name': name, 'cpu': 'x', 'cores': 2, 'accelerators': []}
  machine = Machine(name=name, facts=facts)
  plan = planning.make(SUITE, 'self', ['lion'], machine, SPEEDS)
  budgets = {name: seconds / times for name, seconds in plan.budgets.items()}
  return plan_file.sealed(dataclasses.replace(plan, budgets=budgets))


def test_a_folder_takes_another_kind_only_if_told(tmp_path):
  out = tmp_path / 'out'
  with results.opened(out, planned_on(FAST)) as first:
    assert first.also == ()
  with (
    pytest.raises(results.ResultsError, match='--mix_hardware'),
    results.opened(out, planned_on(SLOW)),
  ):
    pass
  for mixed in (True, False):  # Once it is told, it is known.
    with results.opened(out, planned_on(SLOW, 0.2), mixed=mixed) as whole:
      assert [machine.name for machine in whole.also] == [SLOW]
      assert whole.machine.name == FAST
      assert whole.budgets == first.budgets


@pytest.mark.parametrize(('times', 'alike'), [(1.2, 1), (0.8, 1), (1.6, 0)])
def test_one_name_may_be_of_machines_that_differ(tmp_path, times, alike):
  """'AMD EPYC' was: trials of one submission ran 1.6 times as fast."""
  out = tmp_path / 'out'
  with results.opened(out, planned_on(FAST)) as first:
    pass
  again = planned_on(FAST, times)
  if not alike:
    with (
      pytest.raises(results.ResultsError, match=r'1\.60 times as long.*calibr'),
      results.opened(out, again),
    ):
      pass
  with results.opened(out, again, mixed=not alike) as whole:
    assert whole.budgets == first.budgets


CPUS = 'processor\t: 0\nvendor_id\t: AuthenticAMD\n{}\n\nprocessor\t: 1\n'


@pytest.mark.parametrize(
  ('lines', 'name'),
  [
    (
      'cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nstepping\t: 1',
      'AMD EPYC (26-2-1)',
    ),
    ('model name\t: ARM: v8', 'ARM: v8'),
    ('CPU part\t: 0xd0c', ''),
  ],
)
def test_a_cpu_is_known_by_its_numbers_as_well(lines, name):
  assert hardware.cpu_name(CPUS.format(lines)) == name
