"""Submissions in AlgoPerf's manner, and what is needed to run them here."""

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
  # They use what has newer names by now.
  pytest.mark.filterwarnings('ignore::DeprecationWarning'),
]


@pytest.fixture
def alone(monkeypatch):
  """What a trial does to its own process is undone."""
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
  """A workload as a submission sees it, with its model."""
  workload = workload or tiny(name)
  task = Task(workload, 40, 8, 100)
  found = workload_adapter.Workload(spec, task, goal(name), generation)
  return found, jax.jit(workload.init)(KEY)


def write(folder, text, space=None):
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
  """A loop of the submission in a folder or file, and its view."""
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
