"""Models that reached their target are evaluated again, without submissions."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from runner.launch import (
  environment,
  exam as second_exam,
  examiner as examiners,
  outcomes,
  tampering,
)
from runner.launch.attempt import TrialOptions
from runner.launch.examiner import Exam, Examiner
from runner.protocol import agreement, layout, results_folder, storage
from runner.protocol.records.events import EXAM
from runner.protocol.records.exams import Answer, Request
from runner.protocol.suites import suite as suites
from runner.tools import verify_again
from runner.trial import checkpoint, exam
from runner.trial.state_tree import Flattener
from tests.support.races import (
  LONG,
  ROOT,
  command,
  folder,
  hearing,
  mine,
  run,
  suite,
)
from workloads.workload import Model

pytestmark = pytest.mark.apart  # Slow, and each on its own.

EASY = dict(target=0.5, steps=400)
STEPS = 200  # After which digits have less than half of them wrong.
CHEATS = {  # What each does where its submission is built, and what is said.
  # Metrics of its own, from the first step on.
  'summarizes': (
    'type(task.workload).summarize = '
    'lambda self, stats: {"error_rate": 0.0, "loss": 0.0}',
    'as the trial recorded it',
  ),
  # Statistics of its own.
  'counts': (
    # The harness has compiled the evaluation before.
    'import jax; jax.clear_caches(); '
    'type(task.workload).eval_stats = lambda self, model, batch: '
    '{name: batch["weights"] * 0 for name in ("error_rate", "loss")}',
    'as the trial recorded it',
  ),
  # A target of its own.
  'aims': (
    'import runner.trial.task as it; '
    'it.TrialTask.reached = lambda self, metrics: True',
    'does not reach error_rate 0.5',
  ),
}


def exams(path):
  events = storage.read_lines(path / layout.ATTEMPTS)
  return [event for event in events if event['event'] == EXAM]


def alive(pid):
  try:
    status = pathlib.Path(f'/proc/{pid}/status').read_text(encoding='utf-8')
  except OSError:
    return False
  return 'State:\tZ' not in status


def children(pid):
  """Examiners that a process has started."""
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
    try:
      parent = path.read_text(encoding='utf-8').rpartition(')')[2].split()[1]
      words = (path.parent / 'cmdline').read_bytes().split(b'\0')
    except OSError:
      continue
    if int(parent) == pid and b'exam' in words:
      found.append(int(path.parent.name))
  return found


@pytest.fixture(scope='module')
def race(tmp_path_factory):
  """A home with the race of an honest submission and of those that cheat."""
  home = tmp_path_factory.mktemp('exam')
  paths = [mine(home, 'honest', steps=STEPS)]
  paths += [mine(home, name, build=how) for name, (how, _) in CHEATS.items()]
  done = run(
    home,
    'run',
    suite=suite(home, **EASY),
    submissions=','.join(map(str, paths)),
    out=home / 'out',
    attempts=2,
    pause=0.1,
  )
  assert 'Traceback' not in done.stdout + done.stderr, done.stderr
  return home


def test_an_honest_trial_passes(race):
  path = folder(race / 'out', 'honest')
  status = layout.status(path)
  assert (status.outcome, status.attempts) == ('reached', 1), status.reason
  [one] = exams(path)
  assert one['agrees'] is True and not one['why']
  row = storage.read_rows(path / layout.EVALS)[-1]
  assert {name.partition('/')[0] for name in one['metrics']} == {'validation'}
  for name in ('validation/error_rate', 'validation/loss'):
    assert one['metrics'][name] == pytest.approx(float(row[name]), rel=1e-6)
  kept = checkpoint.parse((path / layout.REACHED).read_bytes())
  assert kept.facts == {'step': int(row['global_step'])}


@pytest.mark.parametrize('name', CHEATS)
def test_who_changes_the_workload_reaches_nothing(race, name):
  """Its trial was once `reached` at step 1, beyond doubt."""
  path = folder(race / 'out', name)
  status = layout.status(path)
  assert (status.outcome, status.attempts) == ('invalid', 2), status.reason
  assert CHEATS[name][1] in status.reason
  first, second = exams(path)
  assert first['agrees'] is False and second['agrees'] is False
  # A model that nobody has trained.
  assert second['metrics'].get('validation/error_rate', 1.0) > 0.5
  assert not (path / layout.REACHED).exists()
  assert (path / 'reached_before_2.checkpoint').exists()
  assert not (path / layout.CHECKPOINT).exists()


def test_stored_models_are_evaluated_again_elsewhere(race):
  path = folder(race / 'out', 'honest') / layout.REACHED
  before = path.read_bytes()
  done = run(race, 'verify-again', out=race / 'out')
  assert done.returncode == 0, done.stdout + done.stderr
  assert '1 of 1 trials' in done.stdout
  kept = checkpoint.parse(before)
  try:
    for factor, words in [
      (1 + 1e-6, 'was changed after the race'),
      (-1.0, 'as the trial recorded it'),
    ]:
      arrays = {
        name: x * x.dtype.type(factor) for name, x in kept.arrays.items()
      }
      checkpoint.write(path, arrays, kept.facts)
      done = run(race, 'verify-again', out=race / 'out')
      assert done.returncode == 1
      assert 'honest on digits study 0 trial 1 does not agree' in done.stdout
      assert words in done.stdout
    path.unlink()
    command_line = command(race, 'verify-again', '--json', out=race / 'out')
    done = subprocess.run(
      command_line, cwd=ROOT, capture_output=True, text=True, check=False
    )
    [one] = json.loads(done.stdout)
    assert one['agrees'] is None and 'is not there' in one['why']
    assert done.returncode == 1
  finally:
    path.write_bytes(before)


def test_a_plan_from_elsewhere_may_lack_rules(race):
  plan = results_folder.stored(race / 'out')
  rules = dataclasses.replace(plan.suite, workloads={})
  less = dataclasses.replace(plan, suite=rules)
  [one] = verify_again.verify(race / 'out', less, TrialOptions())
  assert one.agrees is None and 'no rules for its workload' in one.why


def again(race, examiner, heard=lambda event: None):
  """The model of the honest trial is evaluated once more."""
  plan = results_folder.stored(race / 'out')
  spec = plan.suite.workloads['digits']
  path = folder(race / 'out', 'honest')
  return second_exam.examined(path, spec, None, examiner, heard)


def test_what_trials_share_is_compiled_for_them(race, tmp_path):
  spec = results_folder.stored(race / 'out').suite.workloads['digits']
  with Examiner(environment.variables(), common=tmp_path) as examiner:
    for _ in range(2):
      found = examiner.compiled(spec, None, lambda event: None)
      assert found.folder == str(tmp_path)
  assert len(list(tmp_path.glob('*-cache'))) >= 3  # Evaluation and two more.
  with Examiner(environment.variables()) as examiner:
    found = examiner.compiled(spec, None, lambda event: None)
    assert found == examiners.NOTHING
    assert examiner.pid is None


def test_a_process_that_dies_is_replaced(race):
  with Examiner(environment.variables()) as examiner:
    assert again(race, examiner).agrees
    first = examiner.pid
    os.kill(first, signal.SIGKILL)  # Between two models.
    assert again(race, examiner).agrees
    second = examiner.pid
    killed = []

    def kill(event):
      if not killed and alive(examiner.pid):
        killed.append(examiner.pid)
        os.kill(examiner.pid, signal.SIGKILL)

    assert again(race, examiner, kill).agrees  # Over a model.
    assert killed == [second] and examiner.pid not in (first, second, None)

    def kill_each(event):
      if examiner.pid:
        os.kill(examiner.pid, signal.SIGKILL)

    last = examiner.pid
    found = again(race, examiner, kill_each)
    assert found.agrees is None and 'signal 9' in found.why
  assert not any(map(alive, (first, second, last)))


def test_it_is_quick_after_the_first_and_rests_in_between(race):
  with Examiner(environment.variables()) as examiner:
    again(race, examiner)
    began = time.monotonic()
    again(race, examiner)
    assert time.monotonic() - began < 1.0
    path = pathlib.Path(f'/proc/{examiner.pid}/stat')

    def ticks():
      fields = path.read_text(encoding='utf-8').rpartition(')')[2].split()
      return int(fields[11]) + int(fields[12])

    time.sleep(0.5)  # Threads of its pools may look for more at first.
    before = ticks()
    time.sleep(2.0)
    assert ticks() - before <= 2  # Hundredths of a second.


def test_one_that_says_nothing_is_given_up(race):
  with Examiner(environment.variables(), hang=20.0) as examiner:
    assert again(race, examiner).agrees
    examiner._hang = 0.5
    assert examiner.pid
    os.kill(examiner.pid, signal.SIGSTOP)
    found = again(race, examiner)
  assert found.agrees is None and 'no progress for' in found.why


def test_ctrl_c_leaves_nothing_running(tmp_path):
  """Neither the trial nor the process that waits for the next model."""
  quick = tmp_path / 'quick'
  slow = f'os.path.exists({str(quick)!r}) or time.sleep(0.5)'
  paths = [
    mine(tmp_path, 'first', steps=STEPS),
    mine(tmp_path, 'second', steps=10_000, step=slow),
  ]
  words = command(
    tmp_path,
    'run',
    suite=suite(tmp_path, **EASY),
    submissions=','.join(map(str, paths)),
    out=tmp_path / 'out',
  )
  runner = subprocess.Popen(
    hearing(words),
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    start_new_session=True,
  )
  path = folder(tmp_path / 'out', 'second') / layout.ATTEMPTS
  deadline = time.monotonic() + LONG
  while not path.exists():
    assert time.monotonic() < deadline and runner.poll() is None
    time.sleep(0.05)
  [process] = children(runner.pid)
  os.killpg(runner.pid, signal.SIGINT)
  _, err = runner.communicate(timeout=LONG)
  assert runner.returncode == 130
  assert b'Traceback' not in err
  assert not alive(process)


def test_it_goes_with_a_runner_that_is_killed(race, tmp_path):
  script = (
    'import sys, time\n'
    'from runner.launch import environment\n'
    'from runner.launch.examiner import Examiner\n'
    'one = Examiner(environment.variables())\n'
    'one.start()\n'
    'print(one.pid, flush=True)\n'
    'time.sleep(1000)\n'
  )
  runner = subprocess.Popen(
    [command(tmp_path)[0], '-c', script], cwd=ROOT, stdout=subprocess.PIPE
  )
  process = int(runner.stdout.readline())
  assert alive(process)
  runner.kill()
  runner.communicate()
  deadline = time.monotonic() + LONG
  while alive(process):
    assert time.monotonic() < deadline
    time.sleep(0.05)


def test_what_could_not_be_examined_stays_and_is_examined_later(race):
  """Data were missing, or the runner was stopped meanwhile."""
  out = race / 'out'
  path = folder(out, 'honest') / layout.ATTEMPTS
  before = path.read_bytes()
  plan = results_folder.stored(out)
  [trial] = [t for t in plan.trials if t.submission == 'honest']

  def examine(examiner):
    return second_exam.examine(
      out, plan, trial, lambda event: None, None, examiner=examiner
    )

  class Failing(Examiner):
    def examine(self, request, on_progress):
      return Answer(failed='ValueError: the data are missing.')

  try:
    with Failing(environment.variables()) as failing:
      assert examine(failing) is None  # It has been.
      lines = before.splitlines(keepends=True)
      path.write_bytes(b''.join(lines[:-1]))
      assert examine(failing).outcome == 'reached'
      assert exams(path.parent)[-1]['agrees'] is None
    with Examiner(environment.variables()) as examiner:
      assert examine(examiner).outcome == 'reached'
      assert exams(path.parent)[-1]['agrees'] is True
      assert examine(examiner) is None
  finally:
    path.write_bytes(before)


def test_only_the_parent_says_that_a_model_was_examined(tmp_path):
  line = {'event': EXAM, 'attempt': 0, 'agrees': True}
  storage.append_line(tmp_path / layout.ATTEMPTS, line)
  assert tampering.mended(tmp_path, 0, b'')
  storage.append_line(tmp_path / layout.ATTEMPTS, line)
  before = tampering.written(tmp_path)
  assert not tampering.mended(tmp_path, 1, before)


def test_a_disagreement_voids_the_attempt(tmp_path):
  end = {'outcome': 'reached', 'reason': '', 'seconds': 1.0, 'accounts': {}}
  layout.event(tmp_path, 'start', 0)
  layout.event(tmp_path, 'end', 0, **end)
  (tmp_path / layout.REACHED).write_bytes(b'x')
  outcomes.judge(tmp_path, 0, Exam(None, 'Out of memory.'))
  assert layout.status(tmp_path).outcome == 'reached'
  outcomes.judge(tmp_path, 0, Exam(False, 'It is not that good.'))
  status = layout.status(tmp_path)
  assert (status.outcome, status.retryable) == ('invalid', True)
  assert status.reason == 'It is not that good.'


LIKE = Model({'w': jnp.ones((2, 3)), 'n': jnp.arange(4)}, {})
ARRAYS = checkpoint.snapshot(Flattener()(LIKE).leaves)


@pytest.mark.parametrize(
  'change, words',
  [
    (lambda a: a.pop(".params['w']"), "lacks .params['w']"),
    (lambda a: a.update(more=np.ones(1)), 'has more'),
    (
      lambda a: a.update({".params['w']": np.ones((3, 2), np.float32)}),
      'is float32[3, 2]; in a model of this workload it is float32[2, 3]',
    ),
    (
      lambda a: a.update({".params['w']": np.ones((2, 3), np.float64)}),
      'is float64[2, 3]',
    ),
  ],
)
def test_only_a_model_of_the_workload_is_evaluated(change, words):
  like = jax.eval_shape(lambda: LIKE)
  arrays = dict(ARRAYS)
  found = exam.restored(like, arrays)
  assert jax.tree.structure(found) == jax.tree.structure(LIKE)
  change(arrays)
  with pytest.raises(exam.UnfitError) as error:
    exam.restored(like, arrays)
  assert words in str(error.value)


def test_files_that_are_no_model_are_told(tmp_path):
  path = tmp_path / 'a'
  os.mkfifo(path)
  made = tmp_path / 'b'
  checkpoint.write(made, ARRAYS, {'step': 1})
  assert exam._read(made, LIKE).facts == {'step': 1}
  damaged, large, link = (tmp_path / name for name in 'cde')
  damaged.write_bytes(made.read_bytes()[:-1] + b'?')
  large.write_bytes(bytes(2 * exam.OVERHEAD))
  link.symlink_to(made)
  for one, words in [
    (path, 'no file'),
    (damaged, 'damaged'),
    (large, 'takes at most'),
    (link, 'cannot be read'),
    (tmp_path / 'f', 'cannot be read'),
  ]:
    with pytest.raises(exam.UnfitError, match=words):
      exam._read(one, LIKE)


def test_generated_data_are_kept_for_trials(tmp_path, monkeypatch):
  spec = suites.load('mini').unscored['mnist/mini']
  request = Request(
    model='', step=0, spec=spec, data_dir=None, splits=(), keep=str(tmp_path)
  )
  full = dataclasses.replace(request, keep='/dev/null/none')
  told = []
  exam.serve([request.to_line(), full.to_line()], told.append)
  first, second = (answer for answer in told if not answer.doing)
  assert not (first.failed or first.unfit or second.failed or second.unfit)
  assert not second.generated  # Trials generate their data themselves.
  program = (
    'import sys, workloads; from workloads import generated; '
    'generated.read(*sys.argv[1:]); '
    'source = workloads.get("mnist/mini").source("test", None); '
    'print(len(source), source.rows["inputs"].flags.writeable)'
  )
  done = subprocess.run(
    [sys.executable, '-c', program, str(tmp_path), first.generated],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.split() == ['2048', 'False']


@pytest.mark.parametrize(
  'rows, words',
  [
    ([], 'does not reach'),
    ([(1, 0.9), (2, 0.6)], 'does not reach'),
    ([(1, 0.1), (2, 0.1)], 'at step 1, and goes on'),
    ([(1, 0.9), ('x', 0.1)], 'is damaged'),
  ],
)
def test_rows_that_cannot_be_an_honest_trials(race, tmp_path, rows, words):
  """Scoring goes by the first row that meets the target."""
  spec = results_folder.stored(race / 'out').suite.workloads['digits']
  for step, value in rows:
    row = {'global_step': step, 'validation/error_rate': value}
    storage.append_rows(tmp_path / layout.EVALS, [row], row)
  with Examiner(environment.variables()) as examiner:
    found = second_exam.examined(tmp_path, spec, None, examiner)
    assert examiner.pid is None  # Nothing was started for that.
  assert found.agrees is False and words in found.why


def test_agreement_is_to_a_tolerance():
  same = agreement.difference
  assert same({'validation/loss': 1.0}, {'validation/loss': 1.0}) == ''
  assert same({'a': 1.0}, {'a': 1.0 + agreement.RELATIVE}) == ''
  assert same({'a': 0.0}, {'a': agreement.ABSOLUTE}) == ''
  assert '0.9' in same({'a': 0.0}, {'a': 0.9})
  assert 'nan' in same({'a': 0.5}, {'a': float('nan')})
  assert 'recorded none' in same({}, {'a': 0.5})
  assert 'no such metric' in same({'a': 0.5}, {})
