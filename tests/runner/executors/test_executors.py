"""Trials that other machines run, through an engine that is made up here."""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
import time
import types

import pytest

from runner import planning
from runner.executors import cluster, race, ray, slurm
from runner.executors.base import Queue
from runner.executors.cluster import ClusterExecutor
from runner.launch import attempt, planned_trial
from runner.launch.attempt import TrialOptions
from runner.machine import hardware, speeds as speeds_
from runner.protocol import layout, plan, results_folder, storage
from runner.protocol.plan import Machine, PlannedTrial, Speed
from runner.protocol.records import notes
from runner.protocol.suites import suite as rules
from tests.support import races

QUICK = race.RetryPolicy(attempts=2, pause=0.0)
GONE = 'The node went up in smoke.'


@pytest.fixture
def home(tmp_path, monkeypatch):
  monkeypatch.setattr(cluster, 'POLL', 0.05)
  monkeypatch.setattr(results_folder, 'POLL', 0.02)
  monkeypatch.setattr(planned_trial, 'ORPHAN', 0.2)
  return tmp_path


def planned(home, studies=1, machine=None) -> plan.Plan:
  loaded = rules.load(str(races.suite(home)))
  rulesets = {
    'self': dataclasses.replace(loaded.rulesets['self'], studies=studies)
  }
  return planning.make(
    dataclasses.replace(loaded, rulesets=rulesets),
    'self',
    [str(races.mine(home, 'mine', steps=3))],
    machine or hardware.describe(),
    {'digits': Speed(600.0, 0.0)},
  )


def kind(name, **facts):
  """Return a machine like this one under another name."""
  facts = {**hardware.describe().facts, 'name': name, **facts}
  return Machine(name=name, facts=facts)


def waiting(name):
  """Return a trial of which only the id counts."""
  return PlannedTrial(
    submission='x',
    workload='digits',
    study=0,
    trial=1,
    seed=0,
    hyperparameters={},
    id=name,
  )


def folders(out, made):
  return [trial.folder(out) for trial in made.trials]


class Made(types.SimpleNamespace):
  """A scheduler made of three functions."""

  def __init__(self, submit, ended, leave):
    super().__init__(submit=submit, ended=ended, leave=leave)


def at_once(does, log):
  """An engine whose jobs are over as soon as they are sent."""
  left = {}

  def submit(commands):
    names = [str(len(log) + n) for n in range(len(commands))]
    log.extend(commands)
    left.update({n: does(c) for n, c in zip(names, commands, strict=True)})
    return names

  def over(names):
    return {name: left.get(name, GONE) for name in names}

  return Made(submit, over, lambda: 'Jobs go on.')


def raced(home, made, scheduler, retry=QUICK):
  executor = ClusterExecutor(scheduler)
  return race.run(
    home / 'out', made, TrialOptions(), retry=retry, executor=executor
  )


def flag(command, name):
  [value] = [w for w in command if w.startswith(f'--{name}=')]
  return value.partition('=')[2]


def place(command) -> pathlib.Path:
  """The folder of a command's trial."""
  out = pathlib.Path(flag(command, 'out'))
  table = results_folder.stored(out)
  [trial] = [t for t in table.trials if t.id == flag(command, 'trial')]
  return trial.folder(out)


def finish(command):
  """What a worker leaves behind that does its trial."""
  folder = place(command)
  number = layout.status(folder).attempts
  layout.event(folder, 'start', number, **layout.whereabouts())
  end(folder, number)
  return ''


def end(folder, number):
  facts = dict(seconds=1.0, accounts={}, reason='', again=False)
  layout.event(folder, 'end', number, outcome='ended', **facts)


def test_every_trial_is_sent_once_and_its_records_are_read(home):
  made, log = planned(home, studies=3), []
  table = raced(home, made, at_once(finish, log))
  assert planned_trial.pending(home / 'out', table) == []
  assert sorted(flag(words, 'trial') for words in log) == sorted(
    trial.id for trial in made.trials
  )
  assert log[0][2:7] == [sys.executable, '-P', '-m', 'runner', 'work']
  assert flag(log[0], 'hang_timeout') == str(TrialOptions().hang_timeout)
  assert storage.read_json(home / 'out' / notes.JOBS) == {
    flag(words, 'trial'): str(n) for n, words in enumerate(log)
  }
  raced(home, made, at_once(finish, log))
  assert len(log) == 3  # Nothing is left to do.


def test_workers_in_other_folders_find_the_data(home, monkeypatch):
  monkeypatch.chdir(home)
  made, log = planned(home), []
  through = ClusterExecutor(at_once(finish, log))
  terms = attempt.TrialOptions(data_dir='data', memory_gib=3.0)
  race.run(pathlib.Path('out'), made, terms, retry=QUICK, executor=through)
  assert flag(log[0], 'data_dir') == str(home / 'data')
  assert flag(log[0], 'memory_gib') == '3.0'
  assert flag(log[0], 'out') == str(home / 'out')
  facts = storage.read_json(place(log[0]) / layout.TRIAL)
  assert facts['data_dir'] == str(home / 'data')


def test_a_lost_worker_leaves_preempted_and_is_sent_again(home, capsys):
  """Its trial has a start and no end; the next attempt goes on."""
  made, log = planned(home), []

  def unlucky(command):
    if len(log) > 1:
      return finish(command)
    layout.event(place(command), 'start', 0, host='n1')
    return GONE

  raced(home, made, at_once(unlucky, log))
  [folder] = folders(home / 'out', made)
  lines = list(storage.read_lines(folder / layout.ATTEMPTS))
  assert [(x['event'], x['attempt']) for x in lines] == [
    ('start', 0),
    ('end', 0),
    ('start', 1),
    ('end', 1),
  ]
  assert (lines[1]['outcome'], lines[1]['again']) == ('preempted', True)
  assert lines[1]['reason'] == f'Its worker was lost: {GONE}'
  assert layout.status(folder).outcome == 'ended'
  assert GONE in capsys.readouterr().out


def test_a_worker_that_never_began_is_told_and_its_trial_stays_open(
  home, capsys
):
  made, log = planned(home), []
  raced(home, made, at_once(lambda words: 'No disk here.', log))
  [folder] = folders(home / 'out', made)
  assert layout.status(folder) == layout.Status()
  assert len(log) == QUICK.attempts
  printed = capsys.readouterr().out
  assert printed.count('not begun') == 2 and 'No disk here.' in printed


def test_a_machine_of_another_kind_refuses(home):
  other = kind('8xh100-64-abcdef')
  made, told = planned(home, machine=other), []

  def work(command):
    with pytest.raises(cluster.WorkError) as error:
      cluster.work(home / 'out', [flag(command, 'trial')], TrialOptions())
    told.append(str(error.value))
    return told[-1]

  raced(home, made, at_once(work, []), race.RetryPolicy(attempts=1))
  [words] = told
  assert f'This machine is {hardware.describe().name}' in words
  assert 'are for 8xh100-64-abcdef' in words
  [folder] = folders(home / 'out', made)
  assert not layout.status(folder).attempts


def test_workers_say_what_they_do_not_find(home):
  with pytest.raises(cluster.WorkError, match="No trial 'x' is planned in"):
    cluster.work(home / 'out', ['x'], TrialOptions())


def test_one_process_at_a_time_runs_a_trial(home):
  """An orphan of an engine's holds it; nobody starts a second one."""
  made, log = planned(home), []
  raced(
    home, made, at_once(lambda words: '', log), race.RetryPolicy(attempts=1)
  )
  [folder] = folders(home / 'out', made)
  layout.event(folder, 'start', 0, host='n7')
  with results_folder.held(folder) as lock:
    assert lock is not None
    [trial] = made.trials
    [status] = cluster.work(home / 'out', [trial.id], TrialOptions())
    assert (status.outcome, status.retryable) == (None, True)
    assert status.reason == 'Another process runs this trial on n7.'
  assert layout.status(folder).outcome is None
  assert [p.name for p in folder.glob('trial.log')] == []


def test_a_trial_that_outlives_its_job_is_waited_for(home):
  """Slurm may give up a node that only the network has lost."""
  made, log, looks = planned(home), [], []
  [folder] = folders(home / 'out', made)
  orphan = results_folder.held(folder)

  def work(command):
    layout.event(place(command), 'start', 0, host='n1')
    orphan.__enter__()
    return GONE

  scheduler = at_once(work, log)

  def over(names):
    looks.extend(names)
    if len(looks) == 5:
      end(folder, 0)
      orphan.__exit__(None, None, None)
    return scheduler.ended(names)

  raced(home, made, Made(scheduler.submit, over, scheduler.leave))
  assert (len(log), len(looks)) == (1, 5)
  status = layout.status(folder)
  assert (status.outcome, status.attempts) == ('ended', 1)


def test_jobs_of_a_killed_submitter_are_followed_and_not_sent_again(home):
  made, log = planned(home, studies=2), []
  left = {}

  class Killed(BaseException):
    """As SIGKILL would: at any instant."""

  def submit(commands):
    names = [f'job{len(log) + n}' for n in range(len(commands))]
    log.extend(commands)
    return names

  def killed(names):
    if not names:
      return {}
    raise Killed

  told = []
  first = Made(submit, killed, lambda: told.append(1) or 'They go on.')
  with pytest.raises(Killed):
    raced(home, made, first)
  assert len(log) == 2 and told

  left['job0'] = GONE  # And the other one runs.
  running = contextlib.ExitStack()
  running.enter_context(results_folder.held(place(log[1])))

  def over(names):
    if len(log) == 3 and 'job2' not in left:  # It has been sent again.
      running.close()
      finish(log[1])
      finish(log[2])
      left.update(job1='', job2='')
    return {name: left[name] for name in names if name in left}

  raced(home, made, Made(submit, over, lambda: ''))
  assert len(log) == 3
  assert flag(log[2], 'trial') == flag(log[0], 'trial')
  assert all(
    layout.status(f).outcome == 'ended' for f in folders(home / 'out', made)
  )


def test_two_engines_do_not_share_a_folder(home):
  made = planned(home)

  def second(command):
    with pytest.raises(
      results_folder.ResultsError, match='Another runner is writ'
    ):
      raced(home, made, at_once(finish, []))
    with pytest.raises(
      results_folder.ResultsError, match='Another runner is writ'
    ):
      race.run(home / 'out', made, TrialOptions())
    return finish(command)

  raced(home, made, at_once(second, []))


def test_a_worker_does_one_trial_and_is_seen_at_it(home, monkeypatch):
  """Killed, it takes its trial along; the next worker goes on, to the end."""
  quick = home / 'quick'
  path = races.mine(home, 'mine', steps=80, step=races.paced(quick))
  suite = races.suite(home, evaluations=600)
  made = planning.make(
    rules.load(str(suite)),
    'self',
    [str(path)],
    hardware.describe(),
    {'digits': Speed(600.0, 0.0)},
  )
  out, log = home / 'out', []
  raced(
    home, made, at_once(lambda words: '', log), race.RetryPolicy(attempts=1)
  )
  [folder], command = folders(out, made), log[0]
  monkeypatch.setenv(layout.HOST, 'n1')
  monkeypatch.setenv(layout.JOB, 'slurm:1_2')

  worker = subprocess.Popen(command)
  deadline = time.monotonic() + races.LONG
  while len(storage.read_rows(folder / layout.EVALS)) < 2:
    assert time.monotonic() < deadline
    time.sleep(0.05)
  shown = races.run(home, 'status', out=out).stdout
  assert 'study 0 trial 1: running on n1, slurm:1_2 since 20' in shown
  worker.kill()
  worker.wait()
  while results_folder.in_use(folder):  # Its trial dies with it.
    assert time.monotonic() < deadline
    time.sleep(0.01)
  assert 'interrupted' in races.run(home, 'status', out=out).stdout

  quick.touch()
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  assert done.stdout == 'ended. The algorithm ended its training.\n'
  status = layout.status(folder)
  assert (status.outcome, status.attempts) == ('ended', 2)
  ends = [
    x
    for x in storage.read_lines(folder / layout.ATTEMPTS)
    if x['event'] == 'end'
  ]
  assert ends[0]['reason'] == 'Its process ended without writing its outcome.'
  assert ends[1]['step'] == 80
  rows = storage.read_rows(folder / layout.EVALS)
  assert {row['preemption_count'] for row in rows} == {'0', '1'}


def test_who_has_waited_long_enough_is_due(monkeypatch):
  now = [100.0]
  monkeypatch.setattr(time, 'monotonic', lambda: now[0])
  queue = Queue([waiting('a'), waiting('b')])
  queue.put(waiting('c'), 10.0)
  assert [trial.id for trial in queue.due()] == ['a', 'b']
  assert (queue.due(), len(queue)) == ([], 1)
  now[0] = 110.0
  assert [trial.id for trial in queue.due()] == ['c']
  assert not queue


@pytest.mark.parametrize(
  ('name', 'package', 'say'),
  [('slurm', 'submitit', 'submitit>=1.5'), ('ray', 'ray', 'ray>=2.50')],
)
def test_engines_say_what_to_install(home, monkeypatch, name, package, say):
  monkeypatch.setitem(sys.modules, package, None)  # Importing it fails.
  with pytest.raises(ValueError, match=f"install '{say}'"):
    cluster.find(name, home / 'out', planned(home), {})


def test_options_that_nobody_reads_are_wrong(home):
  with pytest.raises(ValueError, match='have no meaning with --engine=local'):
    cluster.find('local', home, planned(home), {'partition': 'gpu'})
  with pytest.raises(ValueError, match='no option adress'):
    cluster.find('ray', home, planned(home), {'adress': 'x'})


def test_slurm_options_are_looked_at(home, monkeypatch):
  monkeypatch.setattr(slurm, '_executor', lambda logs: Executor())
  with pytest.raises(ValueError, match='array_parallelism=all must be'):
    slurm.Slurm(home, planned(home), {'array_parallelism': 'all'})


CARDS = {'accelerators': ['NVIDIA H100', 'NVIDIA H100']}


def test_slurm_is_asked_for_a_whole_node_with_its_cards(home):
  made = planned(home, machine=kind(hardware.describe().name, **CARDS))
  assert slurm.parameters(made, {}) == {
    'exclusive': True,
    'mem': 0,
    'requeue': True,
    'time': 60 + 50,  # Minutes; the budget is of ten.
    'gres': 'gpu:2',
  }
  own = {'time': '240', 'gres': 'gpu:h100:2', 'contiguous': ''}
  asked = slurm.parameters(made, own | {'array_parallelism': '4'})
  assert asked['time'] == '240' and asked['gres'] == 'gpu:h100:2'
  assert asked['contiguous'] is True and 'array_parallelism' not in asked


SQUEUE = """#!/bin/sh
echo "$@" > {home}/asked
cat <<END
7_0 RUNNING n1
7_1 FAILED n2
7_2 PENDING
7_3 COMPLETING n3
END
"""


class Executor:
  """As submitit's; Slurm itself is in tests/benchmarks/fleet_slurm.py."""

  def update_parameters(self, **how):
    self.how = how


def test_slurm_jobs_are_over_when_their_state_is_final(home, monkeypatch):
  path = home / 'squeue'
  path.write_text(SQUEUE.format(home=home))
  path.chmod(0o755)
  monkeypatch.setenv('PATH', f'{home}:{os.environ["PATH"]}')
  executor = Executor()
  monkeypatch.setattr(slurm, '_executor', lambda logs: executor)
  out = home / 'out'
  made = slurm.Slurm(out, planned(home), {'array_parallelism': '4'})
  assert executor.how['array_parallelism'] == 4
  logs = out / slurm.LOGS
  logs.mkdir(parents=True)
  (logs / '7_1_0_log.out').write_text('a\nFailed: no such disk.\n')
  names = ['7_0', '7_1', '7_2', '7_3', '6_0']
  assert made.ended(names) == {
    '7_1': 'Slurm job 7_1 FAILED n2. Failed: no such disk.',
    '6_0': 'Slurm job 6_0 GONE.',
  }
  assert f'--name={executor.how["job_name"]}' in (home / 'asked').read_text()
  path.write_text('#!/bin/sh\nexit 1\n')
  assert made.ended(names) == {}  # Nothing is lost because nobody answers.


def test_a_cluster_without_such_a_node_is_explained():
  nodes = [
    {'Alive': True, 'Resources': {'CPU': 64.0}},
    {'Alive': False, 'Resources': {'CPU': 64.0, 'GPU': 8.0}},
    {'Alive': True, 'Resources': {'CPU': 8.0, 'GPU': 8.0}},
  ]
  ray._check_nodes(nodes, 'x', {'CPU': 64, 'GPU': 0})
  with pytest.raises(
    ValueError, match='no node of the cluster has the resources of x'
  ):
    ray._check_nodes(nodes, 'x', {'CPU': 64, 'GPU': 8})


def test_nothing_is_measured_where_trials_are_only_sent_from(home):
  toml, mine = races.suite(home), races.mine(home, 'mine')
  elsewhere = home / 'elsewhere'  # Where nothing was measured.
  flags = dict(suite=toml, submissions=mine, out=home / 'out')
  here = hardware.describe().name
  for words, message in [
    (['--engine=slurm'], f'{here} is not calibrated for digits. On one such'),
    (['--engine=ray', '--hardware=8xh100'], "No machine '8xh100' in"),
    (['--engine=ry'], 'ry'),
  ]:
    done = races.run(elsewhere, 'run', *words, **flags)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and 'Traceback' not in done.stderr
  done = races.run(home, 'preflight', '--engine=slurm', **flags)
  assert done.returncode == 2
  assert '--engine=slurm is for the trials of `run`' in done.stderr
  other = kind('other')
  loaded = rules.load(str(toml))
  speeds = {'digits': Speed(600.0, 0.0)}
  speeds_.save(home / 'hardware', other, loaded, speeds)
  for command in ('run', 'preflight'):
    done = races.run(home, command, '--hardware=other', **flags)
    assert done.returncode == 2
    assert 'Trials are for other' in done.stderr
  assert not (home / 'out').exists()
  planned = races.run(home, 'plan', '--hardware=other', **flags)
  assert 'on other, plan' in planned.stdout
  assert '600.0 s each' in planned.stdout


class Context:
  """As Ray's; Ray itself is in tests/benchmarks/fleet_ray.py."""

  def get_task_id(self):
    return 'abcdef0123456789ffffffff01000000'

  def get_node_id(self):
    return '51382c204ff5784f'


@pytest.fixture
def in_ray(monkeypatch):
  fake = types.SimpleNamespace(get_runtime_context=Context)
  monkeypatch.setitem(sys.modules, 'ray', fake)
  monkeypatch.setattr(os, 'setpriority', lambda *_: None)


def test_in_ray_a_command_knows_where_it_is(in_ray, monkeypatch):
  monkeypatch.setenv('OMP_NUM_THREADS', '64')
  text = 'echo $TIMETRIAL_JOB, ${OMP_NUM_THREADS:-as ever}; exit 3'
  assert ray._work(['sh', '-c', text]) == (
    'Its command exited with 3. ray:abcdef0123456789@51382c20, as ever'
  )


def test_in_ray_no_trial_yields_to_others(in_ray, monkeypatch):
  """Ray's tasks have niceness 15, and their seconds would be longer."""

  def refuse(*_):
    raise PermissionError

  monkeypatch.setattr(os, 'nice', lambda more: 15)
  monkeypatch.setattr(os, 'setpriority', refuse)
  said = ray._work(['false'])
  assert said.endswith('Start Ray again: RAY_worker_niceness=0 ray start ...')


def test_hosts_of_one_trial_and_an_engine_do_not_go_together(tmp_path):
  done = races.run(
    tmp_path,
    'run',
    suite=races.suite(tmp_path),
    submissions='sgd',
    engine='ray',
    also_on='env',
    out=tmp_path / 'out',
  )
  assert (
    done.returncode == 2 and 'Leave out one of the two flags.' in done.stderr
  )
