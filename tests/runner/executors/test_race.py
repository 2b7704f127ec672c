"""Races in real processes, from the command line to the records."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import pytest

from runner.launch import environment
from runner.protocol import layout, storage
from runner.protocol.records.events import EXAM
from tests.support.races import (
  LONG,
  ROOT,
  curve,
  final,
  folder,
  mine,
  paced,
  run,
  share_compiled,
  suite,
  under_way,
)
from workloads.images.digits import Digits

pytestmark = pytest.mark.apart  # Slow, and each on its own.


@pytest.fixture
def home(tmp_path):
  return tmp_path


def test_a_race_from_the_command_line_to_its_records(home):
  """Two submissions, one of them a user's file; then nothing is left to do."""
  out = home / 'out'
  path = mine(home, 'mine')
  flags = dict(
    suite=suite(home, target=0.5), submissions=f'lion,{path}', out=out
  )
  done = run(home, 'run', **flags)
  assert done.returncode == 0, done.stderr
  assert '2 of 2 trials done' in done.stdout
  assert f'Next: timetrial score {out} --out=report' in done.stdout
  plan = storage.read_json(out / layout.PLAN)
  assert {t['submission'] for t in plan['trials']} == {'lion', 'mine'}

  lion = folder(out, 'lion')
  assert layout.status(lion).outcome == 'reached'
  rows = storage.read_rows(lion / layout.EVALS)
  assert list(rows[0]) == sorted(rows[0])
  assert float(rows[-1]['validation/error_rate']) <= 0.5
  assert rows[-1]['test/error_rate'] and not rows[0]['test/error_rate']
  assert rows[-1]['validation/num_examples'] == '300'
  assert (folder(out, 'mine') / 'mine.py').read_text() == path.read_text()
  meta = storage.read_json(lion / 'meta_data_0.json')
  assert meta['packages']['jax'] and meta['hardware']['cores']

  for name in ('lion', 'mine'):  # The accounts add up to the wall time.
    events = list(storage.read_lines(folder(out, name) / layout.ATTEMPTS))
    assert [event['event'] for event in events[:3]] == ['start', 'end', 'exit']
    _, end, leave, *exams = events
    assert all(event['agrees'] for event in exams)
    residual, wall = leave['residual_seconds'], leave['wall_seconds']
    assert not layout.off_account(residual, wall)
    spent = sum(end['accounts'].values()) - end['compiled']['spared_seconds']
    assert spent == pytest.approx(end['own_seconds'])
    assert end['padding'] == 0.0

  # Lion has one number for every parameter, and a counter or two.
  _, end, _, exam = storage.read_lines(lion / layout.ATTEMPTS)
  assert exam['event'] == EXAM and exam['agrees'] is True
  params = jax.eval_shape(Digits().init, jax.random.key(0)).params
  count = sum(leaf.size for leaf in jax.tree.leaves(params))
  assert 4 * count < end['optimizer_bytes'] < 4 * count + 100

  again = run(home, 'run', **flags)
  assert again.returncode == 0
  assert len(storage.read_rows(lion / layout.EVALS)) == len(rows)
  state = json.loads(run(home, 'status', '--json', out=out).stdout)
  assert {row['state'] for row in state} <= {'reached', 'ended'}


def test_trials_run_without_the_scheduler_that_hangs(monkeypatch):
  """A first step waited for ever now and then; what users set is kept."""
  monkeypatch.delenv('XLA_FLAGS', raising=False)
  assert environment.variables()['XLA_FLAGS'] == environment.XLA_FLAGS
  monkeypatch.setenv('XLA_FLAGS', '--xla_dump_to=x')
  flags = environment.variables()['XLA_FLAGS'].split()
  assert flags == [environment.XLA_FLAGS, '--xla_dump_to=x']


def test_lapack_has_one_thread_unless_users_want_more(monkeypatch):
  """Shampoo's small factors wait for threads that wait for each other."""
  monkeypatch.delenv('OPENBLAS_NUM_THREADS', raising=False)
  assert environment.variables()['OPENBLAS_NUM_THREADS'] == '1'
  monkeypatch.setenv('OPENBLAS_NUM_THREADS', '4')
  assert environment.variables()['OPENBLAS_NUM_THREADS'] == '4'


def test_trials_keep_freed_memory_unless_the_user_says_otherwise(monkeypatch):
  for name in environment.DEFAULTS:
    monkeypatch.delenv(name, raising=False)
  assert environment.variables().items() >= environment.DEFAULTS.items()
  monkeypatch.setenv('MALLOC_ARENA_MAX', '4')
  assert environment.variables()['MALLOC_ARENA_MAX'] == '4'


SAY = 'print("about to break", flush=True); '
BROKEN = {
  'in_build': dict(build=f'{SAY}raise RuntimeError("no build")'),
  'first_step': dict(step=f'{SAY}raise RuntimeError("no step")'),
  'later_step': dict(
    step=f'{SAY}\n      if state.done == 30: raise RuntimeError("step thirty")'
  ),
  'memory': dict(build=f'{SAY}raise MemoryError("too large")'),
  'leaves': dict(step=f'{SAY}os._exit(3)'),
}


def test_a_broken_submission_stops_neither_the_others_nor_itself_silently(home):
  paths = [mine(home, name, **how) for name, how in BROKEN.items()]
  out = home / 'out'
  good = mine(home, 'good')
  done = run(
    home,
    'run',
    suite=suite(home),
    submissions=','.join(map(str, [*paths, good])),
    out=out,
  )
  assert done.returncode == 1
  assert 'Traceback' not in done.stdout + done.stderr
  status = {name: layout.status(folder(out, name)) for name in BROKEN}
  assert {name: s.outcome for name, s in status.items()} == {
    'in_build': 'crashed',
    'first_step': 'crashed',
    'later_step': 'crashed',
    'memory': 'oom',
    'leaves': 'crashed',
  }
  assert 'no build' in status['in_build'].reason
  for name in BROKEN:  # The last lines of the log lie beside the outcome.
    lines = storage.read_lines(folder(out, name) / layout.ATTEMPTS)
    [left] = [line for line in lines if line['event'] == 'exit']
    assert 'about to break' in ' '.join(left['log'])
  assert 'Exit code 3' in status['leaves'].reason
  assert 'step thirty' in done.stdout
  trace = folder(out, 'later_step') / 'traceback_0.txt'
  assert 'step thirty' in trace.read_text()
  assert layout.status(folder(out, 'good')).outcome == 'ended'
  shown = run(home, 'status', out=out)
  assert 'step thirty' in shown.stdout
  assert shown.stdout.startswith('4 crashed, 1 ended, 1 oom\n')


def test_asked_to_leave_it_saves_and_goes_on_to_the_bit(home):
  """Once the trial is asked and once the runner; nothing is lost."""
  quick = home / 'quick'
  slow = mine(home, 'mine', steps=80, step=paced(quick))
  flags = dict(
    suite=suite(home, seconds=100.0, evaluations=100), submissions=slow
  )
  whole, out = home / 'whole', home / 'out'
  for turn, whom in enumerate(('the trial', 'the runner')):
    runner, path, pid = under_way(home, **flags, out=out, evaluations=2)
    os.kill(pid if whom == 'the trial' else runner.pid, signal.SIGTERM)
    runner.communicate(timeout=LONG)
    assert runner.returncode == 1
    events = list(storage.read_lines(path / layout.ATTEMPTS))
    end = [event for event in events if event['event'] == 'end'][-1]
    assert (end['attempt'], end['outcome']) == (turn, 'preempted')
    assert f'saved at step {end["step"]}' in end['reason']
    assert 1 < end['step'] < 80
  quick.touch()
  assert run(home, 'run', **flags, out=whole).returncode == 0
  done = run(home, 'run', **flags, out=out)
  assert done.returncode == 0, done.stderr
  assert final(path) == final(folder(whole, 'mine'))
  assert curve(path) == curve(folder(whole, 'mine'))
  rows = storage.read_rows(path / layout.EVALS)
  assert rows[0]['preemption_count'] == '0'
  assert rows[-1]['preemption_count'] == '2'


def test_a_suspended_trial_is_not_charged_and_says_so(home):
  quick, out = home / 'quick', home / 'out'
  slow = mine(home, 'mine', steps=60, step=paced(quick))
  flags = dict(
    suite=suite(home, seconds=1000.0, evaluations=2), submissions=slow
  )
  runner, path, pid = under_way(home, **flags, out=out)
  os.kill(pid, signal.SIGSTOP)
  began = time.monotonic()
  time.sleep(4.0)
  paused = time.monotonic() - began
  os.kill(pid, signal.SIGCONT)
  quick.touch()
  runner.communicate(timeout=LONG)
  assert runner.returncode == 0
  events = list(storage.read_lines(path / layout.ATTEMPTS))
  [end] = [event for event in events if event['event'] == 'end']
  [left] = [event for event in events if event['event'] == 'exit']
  # The thread that looks may have to wait for a core, before and after.
  assert paused - 0.1 < end['suspended_seconds'] < paused + 2.0
  assert end['outcome'] == 'ended'
  spent = sum(end['accounts'].values()) + end['suspended_seconds']
  spent -= end['compiled']['spared_seconds']
  wall = left['wall_seconds']
  assert not layout.off_account(wall - spent, wall)


def test_a_trial_gets_no_secrets_and_a_folder_of_its_own(home, monkeypatch):
  monkeypatch.setenv('GITHUB_TOKEN', 'hush')
  monkeypatch.setenv('AWS_REGION', 'hush')
  monkeypatch.setenv('MY_OWN', 'heard')
  nosy = mine(
    home,
    'nosy',
    build='import tempfile; tempfile.mkdtemp(); '
    'print(dict(os.environ), flush=True)',
  )
  out = home / 'out'
  done = run(home, 'run', suite=suite(home), submissions=nosy, out=out)
  assert done.returncode == 0, done.stderr
  log = (folder(out, 'nosy') / 'trial.log').read_text()
  assert 'hush' not in log and "'MY_OWN': 'heard'" in log
  private = log.partition("'TMPDIR': '")[2].partition("'")[0]
  assert 'timetrial-' in private and not pathlib.Path(private).exists()


def test_what_hangs_is_stopped_with_its_stacks_in_its_log(home):
  hangs = mine(home, 'hangs', build='time.sleep(1000)')
  flags = dict(suite=suite(home), submissions=hangs, attempts=1)
  for silence in (8, 80):
    out = home / f'out_{silence}'
    done = run(home, 'run', **flags, out=out, silence=silence)
    assert done.returncode == 1
    status = layout.status(folder(out, 'hangs'))
    assert (status.outcome, status.retryable) == ('crashed', True)
    said = f'There was no progress for {silence} s. The process was stopped'
    assert said in status.reason
    log = (folder(out, 'hangs') / 'trial.log').read_text()
    assert 'most recent call first' in log
    if 'hangs.py' in log:
      break  # Else the machine is too busy to get there in that time.
  assert 'hangs.py' in log


def test_what_the_machine_failed_is_tried_again_in_the_same_run(home):
  killed = mine(
    home, 'killed', step='if state.done == 5: os.kill(os.getpid(), 9)'
  )
  out = home / 'out'
  flags = dict(suite=suite(home), submissions=killed, out=out)
  done = run(home, 'run', **flags, attempts=2, pause=0.1)
  assert done.returncode == 1
  status = layout.status(folder(out, 'killed'))
  assert (status.outcome, status.attempts) == ('preempted', 2)
  assert 'The process was ended by SIGKILL' in status.reason
  assert '[2/2]' in done.stdout


def test_a_batch_that_does_not_divide_over_the_devices_is_explained(
  home, monkeypatch
):
  monkeypatch.setenv('XLA_FLAGS', '--xla_force_host_platform_device_count=3')
  out = home / 'out'
  done = run(home, 'run', suite=suite(home), submissions='lion', out=out)
  assert done.returncode == 1
  reason = layout.status(folder(out, 'lion')).reason
  assert 'Batch size 16 does not divide over 3 devices. Try 15 or 18' in reason


def test_bad_requests_say_what_is_wrong_and_exit_with_2(home):
  toml = suite(home)
  foreign = home / 'foreign'
  foreign.mkdir()
  (foreign / 'thesis.tex').touch()
  wrong = home / 'wrong.toml'
  wrong.write_text(toml.read_text().replace('cutoff', 'cutof'))
  misspelt = home / 'misspelt.py'
  misspelt.write_text(
    'def build(task, *, rate): ...\nSELF = {"rate": 1, "raet": 2}'
  )
  out = home / 'out'
  for words, message in [
    (['--submissions=lionn'], "Did you mean 'lion'?"),
    (['--submissions='], 'No submissions'),
    (['--submissions=lion', '--workloads=digit'], "Did you mean 'digits'?"),
    (['--submissions=lion', f'--suite={wrong}'], "Did you mean 'cutoff'?"),
    (['--submissions=lion', f'--out={foreign}'], 'not a results folder'),
    (['--submissions=lion', f'--out={toml}'], 'is a file'),
    (['--submissions=lion', '--out=/proc/x'], 'Cannot write to /proc/x'),
    ([f'--submissions={misspelt}'], "Did you mean 'rate'?"),
    (['--submissions=lion', '--ruleset=sefl'], "no ruleset 'sefl'"),
    (['--submissions=lion', '--studies=0'], 'must be positive'),
    (['--submisions=lion'], 'submisions'),
  ]:
    done = run(home, 'run', f'--suite={toml}', f'--out={out}', *words)
    assert done.returncode == 2, (words, done.stdout, done.stderr)
    assert message in done.stderr
    assert 'Traceback' not in done.stderr
  assert not out.exists()
  assert run(home, 'rnu').returncode == 2
  assert "Did you mean 'run'?" in run(home, 'rnu').stderr
  assert sorted(p.name for p in foreign.iterdir()) == ['thesis.tex']


def test_results_under_other_rules_or_from_another_source_are_kept_apart(home):
  out = home / 'out'
  path = mine(home, 'mine')
  flags = dict(suite=suite(home), submissions=path, out=out)
  assert run(home, 'run', **flags).returncode == 0
  before = (out / layout.PLAN).read_bytes()
  path.write_text(path.read_text() + '# Changed.\n')
  done = run(home, 'run', **flags)
  assert done.returncode == 2 and 'has changed since' in done.stderr
  suite(home, steps=401)
  done = run(home, 'run', **flags | {'submissions': 'lion'})
  assert done.returncode == 2
  assert 'workloads.digits.steps 400 there, 401 here' in done.stderr
  assert (out / layout.PLAN).read_bytes() == before


@pytest.mark.parametrize('ruleset', ['self', 'external'])
def test_all_can_race_in_both_rulesets(home, ruleset):
  flags = dict(suite=suite(home), submissions='all', ruleset=ruleset)
  done = run(home, 'plan', **flags)
  assert done.returncode == 0, done.stderr
  raced = {line.split()[0] for line in done.stdout.splitlines()[1:] if line}
  assert {'lion', 'muon', 'prodigy', 'restarts'} <= raced


def test_plan_and_status_need_little_and_no_jax(home):
  """Less of a processor's time than importing JAX takes at this moment."""
  toml = suite(home)
  watch = 'import time, jax; print(time.process_time())'
  jax_alone = subprocess.run(
    [sys.executable, '-c', watch], capture_output=True, text=True, check=True
  )
  probe = (
    'import sys, runpy, time, atexit\n'
    'seconds = time.process_time\n'
    'atexit.register(lambda: print("jax" in sys.modules, seconds()))\n'
    'runpy.run_module("runner", run_name="__main__", alter_sys=True)\n'
  )
  run(home, 'run', suite=toml, submissions=mine(home, 'm'), out=home / 'out')
  for words in (
    ['plan', f'--suite={toml}', '--submissions=lion'],
    ['status', f'--out={home / "out"}'],
  ):
    done = subprocess.run(
      [sys.executable, '-c', probe, *words],
      cwd=ROOT,
      capture_output=True,
      text=True,
      check=False,
    )
    imported, seconds = done.stdout.split()[-2:]
    assert imported == 'False', done.stderr
    assert float(seconds) < float(jax_alone.stdout)


def test_a_trial_is_charged_for_work_it_leaves_unfinished(home):
  """Half a second of matrix products is dispatched at every yield, and kept.

  Nothing waits for them but the clock, when it leaves the training account.
  """
  leak = mine(
    home,
    'leak',
    steps=2,
    build=(
      'kept = []; x = jnp.ones((400, 400)); slow = jax.jit(lambda x: '
      'jax.lax.fori_loop(0, 400, lambda _, x: x @ x / 400, x))\n'
      '  slow(x).block_until_ready(); times = [time.perf_counter()]\n'
      '  for _ in range(3):\n'
      '    slow(x).block_until_ready(); times.append(time.perf_counter())\n'
      '  took = (b - a for a, b in itertools.pairwise(times))\n'
      '  print("ALONE", min(took), flush=True)'
    ),
    step='kept.append(slow(x + len(kept)))',
  )
  out = home / 'out'
  done = run(home, 'run', suite=suite(home), submissions=leak, out=out)
  assert done.returncode == 0, done.stderr
  path = folder(out, 'leak')
  [alone] = [
    float(line.split()[1])
    for line in (path / 'trial.log').read_text().splitlines()
    if line.startswith('ALONE')
  ]
  rows = storage.read_rows(path / layout.EVALS)
  first, last = (float(row['score']) for row in rows)
  assert last - first > 0.5 * alone  # The second step is next to nothing.


FORGETFUL = '''"""Keeps a number that its state does not tell."""
import jax.numpy as jnp
from submissions.submission import Submission
def build(task):
  kept = {}
  def train(start):
    kept.update(model=start.model, number=0)
    total = jnp.zeros(3) if start.state is None else start.state
    for _ in start.batches(task.batch_size):
      kept['number'] += 1
      total = total + kept['number']
      yield total
  return Submission(train, lambda total: kept['model'])
SELF = {}
'''


def test_check_finds_a_state_that_does_not_say_everything(home):
  path = home / 'forgetful.py'
  share_compiled('forgetful')
  path.write_text(FORGETFUL)
  done = run(home, 'check', suite=suite(home), submissions=path)
  assert done.returncode == 1, done.stderr
  trains, looking, resumed = done.stdout.strip().splitlines()
  assert trains.startswith('ok   forgetful (self) on digits: trains')
  assert looking == (
    'ok   forgetful (self) on digits: looking does not change training'
  )
  assert resumed.startswith('FAIL')
  assert 'contain everything that train needs?' in resumed


def test_check_tells_what_a_broken_submission_raises(home):
  path = mine(home, 'broken', **BROKEN['first_step'])
  done = run(home, 'check', suite=suite(home), submissions=path)
  assert done.returncode == 1
  *_, line = done.stdout.strip().splitlines()  # After what its source shows.
  assert line.startswith('FAIL') and 'no step' in line
  number = path.read_text().split('no step')[0].count('\n') + 1
  assert f'(broken.py, line {number}, in train: `' in line
  assert 'traceback' not in line  # Of a folder that is gone.
