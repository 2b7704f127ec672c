"""What in a results folder should not be believed, and nothing else."""

import dataclasses
import io
import json
import subprocess
import sys

import pytest
import rich.console

from runner import planning
from runner.launch import prepare
from runner.machine import hardware
from runner.protocol import layout, plan_file, results_folder, storage
from runner.protocol.records.events import EXAM
from runner.protocol.suites import suite as rules
from scoring import verify
from scoring.load import results as read
from scoring.report import findings
from tests.support import made_results

MACHINE = hardware.describe()
VALUES = [(2.0, 0.9), (3.0, 0.8), (4.0, 0.7)]


@pytest.fixture
def folder(tmp_path):
  return left_behind(tmp_path / 'results', ['lion', 'sgd'])


def left_behind(out, entered, studies=3):
  """The folder of a race without its processes."""
  suite = rules.load('mini')
  row = suite.workloads['criteo1tb/mini']
  only = dataclasses.replace(suite, workloads={row.workload: row}, unscored={})
  often = dataclasses.replace(only.rulesets['self'], studies=studies)
  only = dataclasses.replace(only, rulesets={'self': often})
  made = planning.make(only, 'self', entered, MACHINE, {})
  plan = plan_file.sealed(
    dataclasses.replace(made, budgets={row.workload: 10.0})
  )
  out.mkdir()
  results_folder.write(out, plan)
  for trial in plan.trials:
    place = prepare.prepare(out, plan, trial)
    made_results._write_evals(place / layout.EVALS, VALUES, row.metric)
    made_results._write_attempts(place / layout.ATTEMPTS, 4.0, 'ended', '')
    facts = made_results.META | {'hardware': {'name': MACHINE.name}}
    storage.write_json(place / 'meta_data_0.json', facts)
  return out


def doubts(folder):
  return [one for one in verify.verify(read.read(folder)) if one.doubt]


def first(folder):
  return folder / 'lion' / 'study_0' / 'criteo1tb_mini_jax' / 'trial_1'


def change(path, function):
  value = json.loads(path.read_text())
  function(value)
  path.write_text(json.dumps(value))


def swap(path, old, new):
  text = path.read_text()
  assert old in text
  path.write_text(text.replace(old, new))


def test_a_sound_folder_raises_no_doubts(folder):
  assert verify.verify(read.read(folder)) == []


@pytest.mark.parametrize('place', range(1, 60, 7))
def test_a_digit_changed_by_hand_or_by_a_bad_disk_is_noticed(folder, place):
  path = first(folder) / layout.EVALS
  end = {'event': 'end', 'files': layout.row_hashes(path.parent)}
  attempts = path.parent / layout.ATTEMPTS
  lines = [json.loads(line) for line in attempts.read_text().splitlines()]
  attempts.write_text(
    ''.join(
      json.dumps(line | end if line['event'] == 'end' else line) + '\n'
      for line in lines
    )
  )
  assert verify.verify(read.read(folder)) == []
  content = path.read_bytes()
  path.write_bytes(content[:-place] + b'7' + content[-place:])
  text = f'{layout.EVALS} was changed after the trial ended.'
  assert text in [one.text for one in doubts(folder)]


def events(path, **changes):
  """Changes the event that ends a trial, or its process."""
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  for line in lines:
    line |= {k: v for k, v in changes.items() if k in line}
  path.write_text(''.join(json.dumps(line) + '\n' for line in lines))


def interrupt(path):
  """Puts an attempt that was interrupted before the one that ended."""
  whole = path.read_text()
  made_results._write_attempts(path, 2.5, 'preempted', 'Asked to leave.')
  again = [json.loads(line) | {'attempt': 1} for line in whole.splitlines()]
  path.write_text(
    path.read_text() + ''.join(json.dumps(event) + '\n' for event in again)
  )


def cut(path):
  """Takes the last line away."""
  lines = path.read_text().splitlines(keepends=True)
  path.write_text(''.join(lines[:-1]))


def again(folder, kept):
  """Its one attempt becomes the second, after one that was invalid."""
  path = first(folder) / layout.ATTEMPTS
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  before = [line | {'residual_seconds': 0.5} for line in lines]
  before[-2] |= {'outcome': 'invalid', 'again': True}
  after = [line | {'attempt': 1} for line in lines]
  path.write_text(''.join(json.dumps(line) + '\n' for line in before + after))
  path = first(folder) / layout.EVALS
  rows = storage.read_rows(path)
  for number, row in enumerate(rows):
    row['preemption_count'] = '0' if number < kept else '1'
  path.unlink()
  storage.append_rows(path, rows, rows[0])


def cards(path, **reasons):
  """Adds what was seen of the cards to the last event."""
  *lines, last = path.read_text().splitlines()
  seen = {'looks': 10, 'sm_mhz': [1200, 1980], 'reasons': reasons}
  last = json.dumps(json.loads(last) | {'cards': seen})
  path.write_text('\n'.join([*lines, last]) + '\n')


def environment(folder, **changes):
  """Has all trials record settings, and the first one others."""
  same = {'XLA_FLAGS': '--x', 'jax_enable_x64': 'False', 'niceness': 0}
  for path in folder.glob('*/study_*/*/trial_1/meta_data_0.json'):
    own = {
      name: value
      for name, value in (
        same | (changes if path.parent == first(folder) else {})
      ).items()
      if value is not None
    }
    change(path, lambda m, own=own: m.update(environment=own))


def held_up(path, waiting, others=9.0):
  """Has a trial tell of four charged seconds on a busy machine."""
  load = {'charged_seconds': 4.0, 'processor_seconds': 4.0 - waiting}
  load |= {'waiting_seconds': waiting, 'others_seconds': others}
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  for line in lines:
    if line['event'] == 'end':
      line['load'] = load
  path.write_text(''.join(json.dumps(line) + '\n' for line in lines))


TRIAL, PLAN = layout.TRIAL, layout.PLAN
FAULTS = {
  'another seed': (
    lambda f: change(first(f) / TRIAL, lambda t: t.update(seed=7)),
    'The trial ran with seed 7, but the plan has',
  ),
  'other hyperparameters': (
    lambda f: change(
      first(f) / TRIAL, lambda t: t['hyperparameters'].update(beta1=0.5)
    ),
    'The trial ran with hyperparameters',
  ),
  'other rules': (
    lambda f: change(first(f) / TRIAL, lambda t: t['row'].update(target=0.9)),
    'The trial ran under other rules',
  ),
  'more budget': (
    lambda f: change(first(f) / TRIAL, lambda t: t.update(budget_seconds=99)),
    "The trial's budget was 99 s, but the plan has 10.0 s",
  ),
  'another source': (
    lambda f: (first(f) / 'lion.py').write_text('x = 1\n'),
    "The submission's source differs from the planned source",
  ),
  'no source': (
    lambda f: (first(f) / 'lion.py').unlink(),
    "The submission's source is missing",
  ),
  'a step back': (
    lambda f: swap(first(f) / layout.EVALS, ',48,', ',31,'),
    'global_step must rise, but goes from 32 to 31',
  ),
  'time that is not spent': (
    lambda f: swap(first(f) / layout.EVALS, '8.42', '3.42'),
    'more than the 3.42 s in all',
  ),
  'accounts that do not add up': (
    lambda f: events(first(f) / layout.ATTEMPTS, seconds=5.0),
    'Attempt 0 charged 5 s, but its charged accounts sum to 4 s',
  ),
  'time on no account': (
    lambda f: events(first(f) / layout.ATTEMPTS, residual_seconds=0.5),
    '0.5 s of attempt 0 are on no account',
  ),
  'an end that nobody has seen': (
    lambda f: cut(first(f) / layout.ATTEMPTS),
    'did not measure its seconds from outside',
  ),
  'cards that were too hot': (
    lambda f: cards(
      first(f) / layout.ATTEMPTS, sw_power_cap=9, hw_thermal_slowdown=2
    ),
    'for heat or power: hw_thermal_slowdown in 2 of 10 samples.',
  ),
  'other flags of a compiler': (
    lambda f: environment(f, XLA_FLAGS='--y'),
    "Trials ran with different XLA_FLAGS: '--x', '--y'.",
  ),
  'threads that others had not': (
    lambda f: environment(f, OMP_NUM_THREADS='3'),
    "Trials ran with different OMP_NUM_THREADS: '3', unset.",
  ),
  'double precision': (
    lambda f: environment(f, jax_enable_x64='True'),
    "Trials ran with different jax_enable_x64: 'False', 'True'.",
  ),
  'a busy machine': (
    lambda f: held_up(first(f) / layout.ATTEMPTS, 1.0),
    'Other processes took 25% of the processor time',
  ),
  'another machine': (
    lambda f: change(
      first(f) / 'meta_data_0.json',
      lambda m: m.update(hardware={'name': 'gpu-8-abcdef'}),
    ),
    'The trial ran on gpu-8-abcdef; the plan is for',
  ),
  'other devices': (
    lambda f: change(
      first(f) / 'meta_data_0.json', lambda m: m.update(devices=['H100'])
    ),
    'Trials ran with 2 kinds of devices',
  ),
  'other data': (
    lambda f: change(
      first(f) / 'meta_data_0.json', lambda m: m.update(data={'manifest': 'x'})
    ),
    'Trials ran with 2 datasets on criteo1tb/mini',
  ),
  'damage': (
    lambda f: (first(f) / TRIAL).write_text('{'),
    "The trial's files cannot be checked",
  ),
  'a changed plan': (
    lambda f: change(
      f / PLAN, lambda p: p['trials'][0]['hyperparameters'].update(beta1=0.5)
    ),
    'the id does not match rules, source, seed and hyperparameters',
  ),
  'a trial left out of the plan': (
    lambda f: change(f / PLAN, lambda p: p['trials'].pop()),
    "The plan's hash does not match its trials",
  ),
  'a seed used twice': (
    lambda f: change(
      f / PLAN,
      lambda p: p['trials'][0].update(seed=p['trials'][1]['seed']),
    ),
    'have the same seed',
  ),
  'after the budget': (
    lambda f: change(
      f / PLAN, lambda p: p['seconds'].update({'criteo1tb/mini': 3.5})
    ),
    'The last evaluation is at 4 s, after the budget of 3.5 s',
  ),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_every_fault_is_told_with_its_place(folder, fault):
  make, text = FAULTS[fault]
  make(folder)
  found = [one for one in doubts(folder) if text in one.text]
  assert found, doubts(folder)
  known = {'.', PLAN, first(folder).relative_to(folder).as_posix()}
  assert {one.path for one in found} & known


def test_trials_of_before_settings_were_recorded_are_no_doubt(folder):
  """Nor are those that were recorded and are the same."""
  environment(folder)
  assert verify.verify(read.read(folder)) == []
  change(first(folder) / 'meta_data_0.json', lambda m: m.pop('environment'))
  assert verify.verify(read.read(folder)) == []


@pytest.mark.parametrize('name, value, doubt', [
  ('OPENBLAS_CORETYPE', 'Haswell', False),
  ('niceness', 5, False),
  ('XLA_FLAGS', '--y', True),
  ('jax_enable_x64', 'True', True),
])  # fmt: skip
def test_only_settings_of_numbers_matter_without_a_clock(
  folder, name, value, doubt
):
  """Untimed trials of one board run on any machine, beside any work."""
  text = f'Trials ran with different {name}: '

  def doubted():
    found = [
      one.doubt for one in verify.verify(read.read(folder)) if text in one.text
    ]
    assert len(found) == 1
    return found[0]

  environment(folder, **{name: value})
  assert doubted()
  for path in folder.rglob(TRIAL):
    change(path, lambda table: table.update(timed=False))
  assert doubted() == doubt


def test_what_many_trials_have_in_common_is_one_line(folder):
  trials = [f.parent for f in folder.rglob('meta_data_0.json')]
  assert len(trials) > findings.ALIKE + 1
  for trial in trials:
    change(trial / 'meta_data_0.json', lambda m: m.update(git_changes=1))
  console = rich.console.Console(file=io.StringIO(), width=200)
  results = read.read(folder)
  found = verify.verify(results)
  assert len(found) == len(trials)  # For programs, one each.
  verify.show(results, found, console)
  said = [x for x in console.file.getvalue().splitlines() if 'uncommitted' in x]
  assert said == [
    f'  {found[0].path} and {len(trials) - 1} others: The code had '
    'uncommitted changes.'
  ]


def test_a_trial_that_went_on_under_other_settings_is_in_doubt(folder):
  environment(folder)
  path = first(folder) / layout.ATTEMPTS
  interrupt(path)
  before = first(folder) / 'meta_data_0.json'
  after = first(folder) / 'meta_data_1.json'
  after.write_text(before.read_text())
  assert doubts(folder) == []
  change(before, lambda m: m['environment'].update(OMP_NUM_THREADS='1'))
  [one] = doubts(folder)
  assert one.text == (
    "Attempts ran with different OMP_NUM_THREADS: '1', unset."
  )


@pytest.mark.parametrize('waiting, others', [(0.3, 9.0), (3.0, 0.1)])
def test_who_waits_little_or_for_itself_is_no_doubt(folder, waiting, others):
  held_up(first(folder) / layout.ATTEMPTS, waiting, others)
  assert verify.verify(read.read(folder)) == []


def test_what_a_reader_should_know_is_no_doubt(folder):
  change(first(folder) / 'meta_data_0.json', lambda m: m.update(git_changes=1))
  change(
    first(folder) / 'meta_data_0.json',
    lambda m: m.update(git_commit_hash='another', shard_state=True),
  )
  found = verify.verify(read.read(folder))
  assert not any(one.doubt for one in found)
  assert {one.text.partition(':')[0] for one in found} == {
    'The code had uncommitted changes.',
    'Trials ran with 2 commits of the code',
    'Trials ran with 2 values of --shard_state',
  }


@pytest.mark.parametrize(
  'said, told',
  [
    ('landlock 6', False),
    ('landlock 2, but it can cut files', True),
    ('none: the kernel has no Landlock', True),
  ],
)
def test_missing_limits_on_files_are_told(folder, said, told):
  change(first(folder) / 'meta_data_0.json', lambda m: m.update(sandbox=said))
  found = verify.verify(read.read(folder))
  text = f'Trials ran with fewer limits on files: {said} (1 in all).'
  assert found == [verify.Finding('.', False, text)] * told


def test_compile_seconds_that_jax_contradicts_are_told(folder):
  path = first(folder) / layout.ATTEMPTS
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  [end] = [line for line in lines if line['event'] == 'end']
  end['compiled'] = {'doubted': 2}
  path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  [one] = verify.verify(read.read(folder))
  assert one.path.endswith('trial_1') and not one.doubt
  assert 'the recorded seconds of 2 compiled programs' in one.text


def test_cards_at_the_limit_of_their_power_are_no_doubt(folder):
  cards(first(folder) / layout.ATTEMPTS, sw_power_cap=9, gpu_idle=1)
  assert verify.verify(read.read(folder)) == []


def test_a_trial_that_was_interrupted_and_resumed_is_no_doubt(folder):
  """Its first attempt ended before the evaluations of its second one."""
  path = first(folder) / layout.ATTEMPTS
  interrupt(path)
  [one] = verify.verify(read.read(folder))
  assert not one.doubt
  assert one.text == 'The trial was interrupted and resumed 1 times.'
  events(path, seconds=2.5)
  assert any('ended at 2.5 s' in one.text for one in doubts(folder))


@pytest.mark.parametrize(
  'reason, doubt',
  [
    ('The process was ended by SIGKILL.', False),
    ('OSError: No space left (see traceback_0.txt)', True),
  ],
)
def test_a_trial_that_started_over_is_told_and_doubted_if_it_ended_itself(
  folder, reason, doubt
):
  """A submission that raised the error of a full disk kept its weights."""
  path = first(folder) / layout.ATTEMPTS
  interrupt(path)
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  [early] = [x for x in lines if x['event'] == 'end' and x['attempt'] == 0]
  early |= {'outcome': 'preempted', 'reason': reason}
  path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  path = first(folder) / layout.EVALS
  rows = [row | {'preemption_count': '1'} for row in storage.read_rows(path)]
  path.unlink()
  storage.append_rows(path, rows, rows[0])
  found = [x for x in verify.verify(read.read(folder)) if 'over' in x.text]
  [one] = found
  assert one.doubt is doubt
  assert one.text.startswith('The trial started over in attempt 1, without')
  assert (reason in one.text) is doubt


@pytest.mark.parametrize(
  'kept, doubt, text',
  [
    (0, False, 'The trial started over after attempt 0, which was invalid.'),
    (
      1,
      True,
      'Clock mismatch: 0.5 s of attempt 0 are on no account of the trial.',
    ),
  ],
)
def test_an_invalid_attempt_counts_only_where_its_rows_were_kept(
  folder, kept, doubt, text
):
  """A trial that had started over once stayed in doubt."""
  again(folder, kept)
  found = verify.verify(read.read(folder))
  assert [one.text for one in found if one.doubt is doubt] == [text]


def test_the_command_says_how_many_are_beyond_doubt(folder):
  def run(*options):
    command = [sys.executable, '-m', 'scoring', 'verify', str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)

  done = run()
  assert done.returncode == 0
  assert '6 of 6 trials have no doubts; 0 doubts' in done.stdout
  (first(folder) / 'lion.py').unlink()
  done = run()
  assert done.returncode == 1
  assert "trial_1: The submission's source is missing." in done.stdout
  assert '5 of 6 trials have no doubts; 1 doubts' in done.stdout
  [one] = json.loads(run('--json').stdout)
  assert one['doubt'] and one['path'].endswith('trial_1')


def test_logs_of_a_published_board_have_no_plan_to_be_checked(folder):
  (folder / PLAN).unlink()
  found = verify.verify(read.read(folder, 'mini', 'self'))
  texts = [one.text for one in found if one.path == PLAN]
  assert texts == [
    'There is no plan: seeds, sources and budgets cannot be checked.'
  ]


def reached(folder, **exam):
  """Has the first trial reach its target; with the event of an exam."""
  place = first(folder)
  (place / layout.EVALS).unlink()
  values = [(2.0, 0.9), (4.0, 0.4)]
  made_results._write_evals(place / layout.EVALS, values, 'loss')
  (place / layout.ATTEMPTS).unlink()
  made_results._write_attempts(place / layout.ATTEMPTS, 4.0, 'reached', '')
  if exam:
    layout.event(place, EXAM, 0, **exam)


AGAIN = {
  'validation/loss': 0.4,
  'validation/num_examples': 300,
  'test/loss': 0.404,
  'train/loss': 0.388,
}


@pytest.mark.parametrize(
  'event, doubt, text',
  [
    (dict(agrees=True, why='', metrics=AGAIN), None, ''),
    ({}, False, 'Its model was not evaluated again. Try it: timetrial'),
    (
      dict(agrees=None, why='Data are missing.', metrics={}),
      False,
      'Its model was not evaluated again: Data are missing. Try it',
    ),
    (
      dict(agrees=False, why='loss is 0.4 and 0.7.', metrics=AGAIN),
      True,
      'Its model does not agree with what it recorded: loss is 0.4 and 0.7.',
    ),
    (  # Its row was changed afterwards.
      dict(agrees=True, why='', metrics=AGAIN | {'validation/loss': 0.5}),
      True,
      'validation/loss is 0.4 as the trial recorded it, and 0.5 as',
    ),
    (dict(agrees=True), True, "KeyError 'why'"),
  ],
)
def test_a_model_that_reached_its_target_was_evaluated_again(
  folder, event, doubt, text
):
  reached(folder, **event)
  found = verify.verify(read.read(folder))
  assert [one.doubt for one in found] == ([] if doubt is None else [doubt])
  assert all(text in one.text for one in found), found


def test_plans_of_before_these_evaluations_ask_for_none(folder):
  reached(folder)
  change(folder / PLAN, lambda plan: plan.pop('exam'))
  [one] = doubts(folder)  # Whoever takes it out of a plan is found.
  assert 'exam was planned, and is not there any more' in one.text
  table = json.loads((folder / PLAN).read_text())
  table['hashes'].pop('exam')
  plan = plan_file.sealed(plan_file.parse(table, 'x'))
  results_folder.write(folder, plan)
  assert verify.verify(read.read(folder)) == []
