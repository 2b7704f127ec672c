"""Seconds of untimed trials come from the time profiles of their programs."""

import csv
import json
import os

import numpy as np
import pytest

from runner.protocol import layout
from runner.protocol.timing import time_profiles
from scoring import profile_audit
from scoring.load import results as read
from scoring.load.plan import ReadError
from scoring.rank import board
from scoring.report import sentences
from tests.support import made_results as made

WORKLOAD = 'criteo1tb/mini'
HERE = made.HARDWARE['name']
TARGET = 0.5


def rules(target=TARGET):
  table = json.loads(json.dumps(made.RULES))
  table['workloads'] = {WORKLOAD: table['workloads'][WORKLOAD]}
  if target is None:
    del table['workloads'][WORKLOAD]['target']
  else:
    table['workloads'][WORKLOAD]['target'] = target
  return table


def write(out, curves, timed, outcome='reached', budget=100.0, target=TARGET):
  """Write trials of one submission; a curve is [(step, seconds, value)]."""
  keys = [('x', WORKLOAD, study, 1) for study in range(len(curves))]
  trials = made.write_plan(out, keys, rules(target), {WORKLOAD: budget})
  for trial, curve, is_timed in zip(trials, curves, timed, strict=True):
    values = [(seconds, value) for _, seconds, value in curve]
    folder = made.write_trial(out, trial, values, outcome, budget=budget)
    steps(folder, [step for step, _, _ in curve])
    path = folder / layout.TRIAL
    own = json.loads(path.read_text())
    path.write_text(json.dumps(own | {'timed': is_timed}))
  return out


def steps(folder, numbers):
  path = folder / layout.EVALS
  with path.open(newline='') as file:
    rows = list(csv.DictReader(file))
  with path.open('w', newline='') as file:
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    for row, step in zip(rows, numbers, strict=True):
      writer.writerow(row | {'global_step': step})


# On a busy machine: the target is reached at step 20.
BUSY = [(10, 500.0, 0.7), (20, 900.0, 0.4)]
PROFILE = [(10, 4.0, 0.7), (20, 8.0, 0.4), (30, 12.0, 0.3)]


def profiled(out, curve=None, machine=HERE, outcome='ended', budget=100.0):
  place = time_profiles.folder(out, machine)
  write(place, [curve or PROFILE], [True], outcome, budget, target=None)
  return out


def cell(results):
  return board.make(results).standings[0].cells[WORKLOAD]


def test_seconds_of_a_busy_machine_do_not_count(tmp_path):
  out = profiled(write(tmp_path, [BUSY], [False]))
  results = read.read(out)
  assert cell(results).seconds == 8.0
  assert results.projection.projected == 1 and not results.projection.lacking
  [trial] = results.trials
  assert trial.projected and trial.budget == 100.0


@pytest.mark.parametrize(
  'curve, reason',
  [
    ([(10, float('nan'), 0.7), (20, 8.0, 0.4)], 'step 10 at nan s'),
    ([(10, -4.0, 0.7), (20, 8.0, 0.4)], 'step 10 at -4.0 s'),
  ],
)
def test_a_profile_of_impossible_seconds_is_refused(tmp_path, curve, reason):
  """NaN once counted as no seconds at all, and won."""
  out = profiled(write(tmp_path, [BUSY], [False]), curve)
  with pytest.raises(ReadError, match=f'the time profile is damaged.*{reason}'):
    read.read(out)


@pytest.mark.parametrize('name', [layout.EVALS, layout.SCALARS])
def test_a_profile_that_is_a_pipe_or_a_link_is_not_read(tmp_path, name):
  """Reading a pipe once took for ever."""
  out = profiled(write(tmp_path / 'out', [BUSY], [False]))
  [path] = time_profiles.folder(out, HERE).rglob(f'trial_1/{layout.EVALS}')
  path = path.with_name(name)
  path.unlink(missing_ok=True)
  if name == layout.EVALS:
    os.mkfifo(path)
  else:
    (tmp_path / 'private').write_text('')
    path.symlink_to(tmp_path / 'private')
  with pytest.raises(ReadError, match='must be a plain file'):
    read.read(out)


def test_without_a_profile_a_board_is_by_steps(tmp_path):
  results = read.read(write(tmp_path, [BUSY], [False]))
  assert results.effort == 'steps'
  assert cell(results).seconds == 20.0


def test_without_a_profile_there_are_no_seconds(tmp_path):
  out = write(tmp_path, [BUSY], [False])
  [reason] = cell(read.read(out, effort='seconds')).open
  assert 'untimed' in reason and 'timetrial time' in reason


def test_a_target_that_is_reached_after_the_budget_is_missed(tmp_path):
  out = profiled(write(tmp_path, [BUSY], [False]), budget=6.0)
  assert cell(read.read(out)).state == 'missed'


def test_a_profile_that_ends_before_the_hit_leaves_the_cell_open(tmp_path):
  out = profiled(write(tmp_path, [BUSY], [False]), PROFILE[:1])
  [reason] = cell(read.read(out)).open
  assert 'ends at step 10' in reason


def test_a_profile_that_spent_its_budget_before_the_hit_is_a_miss(tmp_path):
  out = write(tmp_path, [BUSY], [False])
  profiled(out, PROFILE[:1], outcome='budget')
  assert cell(read.read(out)).state == 'missed'


def test_a_timed_trial_of_the_board_is_a_profile_too(tmp_path):
  timed = [(10, 4.0, 0.7), (20, 8.0, 0.6), (30, 12.0, 0.3)]
  out = write(tmp_path, [timed, BUSY], [True, False])
  studies = cell(read.read(out)).studies
  assert studies == {0: 12.0, 1: 8.0}


def test_timed_and_projected_seconds_are_compared(tmp_path):
  timed = [(10, 4.2, 0.7), (20, 8.4, 0.4)]
  out = profiled(write(tmp_path, [timed, BUSY], [True, False]))
  results = read.read(out)
  [agreement] = results.projection.agreements
  np.testing.assert_allclose(agreement.ratios, 1 / 1.05)
  assert agreement.holds
  assert cell(results).studies == {0: 8.4, 1: 8.0}
  [remark] = results.remarks
  assert '0.952 times the timed ones (median of 1 programs' in remark
  assert '8.20 s (1 of 2 projected)' in sentences.cell(cell(results))


def test_nothing_is_projected_where_the_two_disagree(tmp_path):
  timed = [(10, 6.0, 0.7), (20, 12.0, 0.4)]
  out = profiled(write(tmp_path, [timed, BUSY], [True, False]))
  results = read.read(out)
  assert not results.projection.agreements[0].holds
  [reason] = cell(results).open
  assert 'differ by more than 10%' in reason
  assert 'Nothing is projected for x on criteo1tb' in results.remarks[1]


def test_the_same_steps_give_a_board_for_another_machine(tmp_path):
  out = profiled(write(tmp_path, [BUSY], [False]))
  profiled(out, [(10, 0.4, 0.7), (20, 0.8, 0.4)], 'h100')
  assert cell(read.read(out)).seconds == 8.0
  assert cell(read.read(out, machine='h100')).seconds == 0.8
  with pytest.raises(ReadError, match=r"no time profiles of 'tpu'.*h100"):
    read.read(out, machine='tpu')


def test_profiles_of_another_source_do_not_count(tmp_path):
  out = profiled(write(tmp_path, [BUSY], [False]))
  for folder, sha in ((out, 'a'), (time_profiles.folder(out, HERE), 'b')):
    path = folder / layout.PLAN
    plan = json.loads(path.read_text())
    plan['sources'] = {'x': {'path': 'x.py', 'sha256': sha}}
    path.write_text(json.dumps(plan))
  assert read.read(out).effort == 'steps'


def test_who_does_more_in_a_step_when_it_is_not_timed_is_found(tmp_path):
  fast = [(5, 1.0, 0.7), (10, 2.0, 0.52), (15, 3.0, 0.51), (20, 4.0, 0.4)]
  slow = [(5, 1.0, 0.7), (10, 2.0, 0.69), (15, 3.0, 0.68), (20, 4.0, 0.66)]
  out = profiled(write(tmp_path, [fast], [False]), slow)
  [(where, doubt, text)] = profile_audit.checked(read.read(out))
  assert doubt and where.startswith('x/study_0')
  assert 'does not do the same when it is timed' in text


def test_more_work_at_the_beginning_is_found_though_the_ends_are_close(
  tmp_path,
):
  """Three updates of each batch were once within a median of .01."""
  fast = [(5, 1.0, 0.93), (10, 2.0, 0.5), (15, 3.0, 0.45), (20, 4.0, 0.42)]
  slow = [(5, 1.0, 0.93), (10, 2.0, 0.6), (15, 3.0, 0.46), (20, 4.0, 0.43)]
  out = profiled(write(tmp_path, [fast], [False]), slow)
  [(_, doubt, text)] = profile_audit.checked(read.read(out))
  assert doubt and 'does not do the same when it is timed' in text


def test_noise_of_the_same_seed_is_no_doubt(tmp_path):
  one = [(5, 1.0, 0.7), (10, 2.0, 0.62), (15, 3.0, 0.51), (20, 4.0, 0.4)]
  other = [(5, 1.0, 0.7), (10, 2.0, 0.63), (15, 3.0, 0.52), (20, 4.0, 0.42)]
  out = profiled(write(tmp_path, [one], [False]), other)
  assert list(profile_audit.checked(read.read(out))) == []
