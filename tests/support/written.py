"""Write and run submissions with AlgoPerf's interface."""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import pytest

import submissions
import workloads
from runner.trial import devices
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from submissions.algoperf import folders, import_shims, spec, workload_adapter
from submissions.algoperf.goal import Goal
from submissions.submission import Start, Task
from tests.support.tiny import tiny

HERE = pathlib.Path(__file__).parent / 'foreign'
V06, V05, TWIN = HERE / 'of_v06', HERE / 'of_v05', HERE / 'twin.py'
KEY = jax.random.key(0)
WORDS = jax.random.PRNGKey(0)
MARKS = [
  pytest.mark.usefixtures('alone'),
  # Submissions use functions of JAX that have newer names today.
  pytest.mark.filterwarnings('ignore::DeprecationWarning'),
]


@pytest.fixture
def alone(monkeypatch):
  """Undo what a trial changes in its own process."""
  for package in import_shims.PACKAGES:
    for name in (package, *(f'{package}.{m}' for m in import_shims.OFFERED)):
      monkeypatch.delitem(sys.modules, name, raising=False)
  monkeypatch.setattr(sys, 'meta_path', list(sys.meta_path))
  monkeypatch.setattr(jax, 'tree_map', None, raising=False)
  monkeypatch.setattr(jnp, 'clip', jnp.clip)
  yield
  for name in [n for n in sys.modules if n.startswith(import_shims.OWN)]:
    del sys.modules[name]


def goal(name='digits', **changes):
  """Return a goal for a workload, with some fields changed."""
  return Goal(
    name,
    'loss',
    True,
    0.5,
    0.6,
    100.0,
    10.0,
    50,
    {'train': 20, 'validation': 30, 'test': 40},
    lambda model, split: {f'{split}/loss': 1.0},
    lambda: {'evaluate': 1.0, 'record': 2.0, 'checkpoint': 3.0},
  )._replace(**changes)


def seen(name, workload=None, generation='v0.6'):
  """Return a workload as an AlgoPerf submission sees it, and its model.

  Args:
    name: The workload's name.
    workload: The workload; None: the tiny one of this name.
    generation: The version of AlgoPerf's interface.
  """
  workload = workload or tiny(name)
  task = Task(workload, 40, 8, 100)
  found = workload_adapter.Workload(spec, task, goal(name), generation)
  return found, jax.jit(workload.init)(KEY)


def write(folder, text, space=None):
  """Write a submission and return its folder.

  Args:
    folder: The submission's folder.
    text: Content of submission.py.
    space: The search space, or None.
  """
  folder.mkdir(exist_ok=True)
  (folder / 'submission.py').write_text(text)
  if space is not None:
    (folder / folders.SPACE).write_text(json.dumps(space))
  return folder


REST = """
def get_batch_size(name):
  return 8
def init_optimizer_state(workload, model_params, model_state,
                         hyperparameters, rng):
  return {}
def data_selection(workload, input_queue, *rest):
  return next(input_queue)
"""
IDLE = (
  REST
  + """
def update_params(workload, current_param_container, model_state,
                  optimizer_state, **rest):
  return optimizer_state, current_param_container, model_state
"""
)


def started(path, steps=40, name='digits', **changes):
  """Start a submission without a runner.

  Args:
    path: The submission's folder or file.
    steps: Number of steps of the task.
    name: The workload's name.
    **changes: Changes of the goal, see `goal`.

  Returns:
    The submission, its training loop and its start.
  """
  workload = workloads.get(name)
  source = workload.source('train', None)
  entry = submissions.find(str(path))
  point = entry.space[0] if entry.self_point is None else entry.self_point
  submission = submissions.make(
    entry.path,
    Task(workload, steps, 16, len(source)),
    point,
    goal(name, **changes),
  )
  feed = Feed(source, 1, Clock())
  model = devices.replicate(jax.jit(workload.init)(KEY))
  start = Start(model, jax.random.key(1), feed, [])
  return submission, submission.train(start), start
