"""Trials whose states change their trees are killed, and go on."""

import functools
import uuid

import pytest

from runner import planning
from runner.launch import compiled, planned_trial
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.protocol.suites import suite as rules
from runner.protocol.trial_file import StepLimits
from tests.support import faults, suites
from tests.support.written import HERE

pytestmark = pytest.mark.apart  # Slow, and each on its own.

CHANGING = HERE / 'changing.py'
LIMITS = StepLimits(steps=9, eval_steps=2)
OURS = '''"""Descent of ours, with a state that grows."""
import os, signal
import jax, jax.numpy as jnp
from submissions.submission import Submission
from workloads.workload import Model, mean_loss
KILLED = {killed!r}
def build(task):
  @jax.jit
  def step(model, batch, key):
    loss = lambda p: mean_loss(task.workload, p, model.state, batch, key)
    grads, inner = jax.grad(loss, has_aux=True)(model.params)
    params = jax.tree.map(lambda p, g: p - 0.05 * g, model.params, grads)
    return Model(params, inner)
  def train(start):
    state = start.state or {{'model': start.model, 'norms': []}}
    for batch in start.batches(task.batch_size):
      if len(state['norms']) == 5 and not os.path.exists(KILLED):
        open(KILLED, 'w').close()
        os.kill(os.getpid(), signal.SIGKILL)
      model = step(state['model'], batch, start.key)
      norms = [*state['norms'], jnp.ones(2)]
      state = {{'model': model, 'norms': norms, 'n': 1}}
      yield state
  return Submission(train, lambda state: state['model'])
SELF = {{}}
'''


def planned(tmp_path, request):
  suite = tmp_path / 'tiny.toml'
  suite.write_text(suites.digits(target=0.01, steps=400))
  made = planning.make_endless(
    rules.load(str(suite)), 'self', [str(request)], hardware.describe()
  )
  return made, made.trials[0]


def trained(out, plan, trial):
  status = planned_trial.run_trial(
    out, plan, trial, lambda event: None, TrialOptions(), limits=LIMITS
  )
  return status, trial.folder(out)


def killed_and_left_alone(tmp_path, text):
  """The folders of both, after the killed one was run again.

  Args:
    tmp_path: For both.
    text: The submission, of a path where it says that it was killed.
  """
  folders = []
  for name in ('killed', 'alone'):
    home = tmp_path / name
    home.mkdir()
    path = home / 'changing.py'
    # It writes only there and to its own folder, where nothing of it is kept.
    kept = compiled.folder(home / 'out', 'changing')
    mark = kept / f'mark-{uuid.uuid4()}' if name == 'killed' else path
    path.write_text(text(str(mark)))
    table, trial = planned(home, path)
    status, folder = trained(home / 'out', table, trial)
    if name == 'killed':
      assert status.outcome == 'preempted', status.reason
      status, folder = trained(home / 'out', table, trial)
    assert status.outcome == 'ended', status.reason
    folders.append(folder)
  return folders


def theirs(mark, old='', new=''):
  text = CHANGING.read_text().replace(old, new)
  return text.replace("KILLED = ''", f'KILLED = {mark!r}')


def logged(folder):
  return (folder / 'trial.log').read_text()


@pytest.mark.parametrize('whose', ['theirs', 'ours'])
def test_a_killed_trial_ends_as_if_it_had_been_left_alone(whose, tmp_path):
  text = theirs if whose == 'theirs' else lambda mark: OURS.format(killed=mark)
  killed, alone = killed_and_left_alone(tmp_path, text)
  assert not faults.difference(faults.trace(alone), faults.trace(killed))
  assert 'starts over' not in logged(killed)


# Both come with the first evaluation, and are not in the first state.
LATE = {
  'a function without a name': ('lambda x: shown * x', 'The trial starts over'),
  'no data': ('object()', 'This trial cannot be resumed'),
}


@pytest.mark.parametrize('what', LATE)
def test_what_cannot_be_put_together_again_starts_over_and_says_so(
  what, tmp_path
):
  """Once it crashed at every attempt."""
  late, said = LATE[what]
  old = "'shown': shown}"
  new = f"'shown': shown, 'late': {late}}}"
  text = functools.partial(theirs, old=old, new=new)
  killed, alone = killed_and_left_alone(tmp_path, text)
  assert said in logged(killed)
  assert not faults.difference(faults.trace(alone), faults.trace(killed))
