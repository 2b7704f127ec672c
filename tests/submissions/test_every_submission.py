"""What must hold for every submission. A new one is tested by being there."""

import dataclasses
import functools
import inspect
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import submissions
from submissions.submission import Start, Task, from_optax
from tests.support.tiny import FIELDS, tiny
from workloads import batches
from workloads.images import classification
from workloads.images.digits import Digits
from workloads.workload import Model, Workload

STEPS = 256
KEY = jax.random.key(0)
TINY = Digits(widths=(8,))
every = pytest.mark.parametrize(
  'name',
  [
    pytest.param(name, marks=pytest.mark.xdist_group(name))
    for name in submissions.names()
  ],
)
POINTS = [
  f'{name}@{point}'
  for name in submissions.names()
  for point in submissions.find(name).points
]
# One of each kind, shrunk. Digits are trained above.
KINDS = sorted(FIELDS.keys() - {'digits', 'mnist', 'cifar'})
SIDE = 512


@dataclasses.dataclass(frozen=True)
class Square(Workload):
  """One square matrix, to count the bytes that an algorithm keeps for it."""

  loss_kind = 'softmax'

  def source(self, split, data_dir):
    raise NotImplementedError

  def fake_batch(self, key, batch_size):
    fake = classification.fake_batch(key, batch_size, 1, SIDE, SIDE)
    return fake | {'inputs': fake['inputs'].reshape(batch_size, SIDE)}

  def init(self, key):
    return Model({'Dense_0': {'kernel': jax.random.normal(key, (SIDE, SIDE))}})

  def forward(self, model, batch, key, dropout):
    return batch['inputs'] @ model.params['Dense_0']['kernel'], ()

  def losses(self, outputs, batch, label_smoothing):
    return classification.losses(outputs, batch, label_smoothing)

  def predict(self, model, batch):
    raise NotImplementedError

  def eval_stats(self, model, batch):
    raise NotImplementedError

  def summarize(self, stats):
    raise NotImplementedError


@functools.cache
def made_up(workload, size):
  if workload == TINY:  # Real images: they can be learnt.
    return batches.train_batch(TINY.source('train', None), 0, 0, size)
  with jax.ensure_compile_time_eval():
    return jax.jit(workload.fake_batch, static_argnums=1)(KEY, size)


class Drawn:
  """The same batch in every step, and how many were drawn."""

  def __init__(self, workload, size, steps=0):
    self._batch = functools.partial(made_up, workload, size)
    self.steps = steps

  def __call__(self, size, stack=1):
    while True:
      self.steps += stack
      many = [self._batch()] * stack
      yield (
        many[0] if stack == 1 else jax.tree.map(lambda *x: jnp.stack(x), *many)
      )


@functools.cache
def built(name, per_dispatch=1):
  entry = submissions.find(name)
  task = Task(TINY, STEPS, 16, 1000, per_dispatch)
  return submissions.make(entry.path, task, entry.self_point)


@functools.cache
def initial():
  return jax.jit(TINY.init)(jax.random.key(0))


@jax.jit
def loss(model):
  return TINY.eval_stats(model, made_up(TINY, 16))['loss'].mean()


def begin(**changes):
  feed = Drawn(TINY, 16)
  return Start(initial(), jax.random.key(2), feed)._replace(**changes)


def states(name, count, start=None, **options):
  loop = built(name, **options).train(start or begin())
  return itertools.islice(loop, count)


def copied(tree):
  return jax.tree.map(np.array, tree)


def assert_same(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


@every
def test_it_learns(name):
  submission = built(name)
  *_, last = states(name, STEPS)
  assert loss(submission.model(last)) < 0.98 * loss(initial())


@every
def test_same_key_same_result(name):
  *_, a = states(name, 3)
  *_, b = states(name, 3)
  assert_same(a, b)


@every
def test_looking_does_not_change_training(name):
  """Evaluating is a view: averaged weights never leak into training."""
  submission = built(name)
  *_, quiet = states(name, 5)
  for watched in states(name, 5):
    submission.model(watched)
    submission.scalars(watched)
  assert_same(quiet, watched)


@every
def test_a_resumed_run_is_the_same_run(name):
  """From a state that went through the host, as a checkpoint does."""
  *_, whole = states(name, 6)
  *_, half = states(name, 3)
  half = jax.tree.map(
    lambda x: jnp.asarray(x) if isinstance(x, jax.Array) else x, half
  )
  start = begin(state=half, batches=Drawn(TINY, 16, steps=3))
  *_, again = states(name, 3, start)
  assert_same(whole, again)


@every
def test_the_initial_model_survives(name):
  """A submission donates its state; the harness keeps its own copy."""
  before = copied(initial())
  list(states(name, 2))
  assert_same(before, initial())


@every
def test_the_second_step_does_not_compile(name, caplog):
  loop = states(name, 4)
  next(loop)
  next(loop)
  with jax.log_compiles():
    next(loop)
  assert not [r for r in caplog.records if 'ompil' in r.getMessage()]


@every
def test_it_records_its_loss(name):
  *_, last = states(name, 2)
  scalars = built(name).scalars(last)
  assert {'loss', 'grad_norm', 'learning_rate'} <= scalars.keys()
  assert all(np.isfinite(float(value)) for value in scalars.values())


@every
def test_the_file_is_short_and_says_where_the_algorithm_is_from(name):
  lines = submissions.find(name).path.read_text().splitlines()
  assert len(lines) <= 150
  assert lines[0].startswith('"""')


def built_for(name, workload, **more):
  """With a step budget that it can be asked for, as a race would build it."""
  entry = submissions.find(name)
  task = Task(workload, STEPS, 2, 1000)
  known = {k: v for k, v in more.items() if k in (entry.optional or ())}
  return submissions.make(entry.path, task, entry.self_point | known)


@functools.cache
def traced_once(method, *static):
  return jax.jit(method, static_argnames=('self', *static))


@every
@pytest.mark.parametrize('family', KINDS)
def test_it_makes_two_steps_on_every_kind_of_workload(
  name, family, monkeypatch
):
  """With dropout, batch norm and losses of tokens; what it does to shapes.

  Loops that look at values have none when only shapes are asked for: they run.
  """
  problem = tiny(f'{family}/mini')
  # All submissions have these of a workload in common.
  cls, static = type(problem), ('dropout', 'frozen')
  monkeypatch.setattr(cls, 'init', traced_once(cls.init))
  monkeypatch.setattr(cls, 'forward', traced_once(cls.forward, *static))
  submission = built_for(name, problem, dropout=0.1, label_smoothing=0.1)

  def two_steps(key):
    start = Start(problem.init(key), key, Drawn(problem, 2))
    *_, last = itertools.islice(submission.train(start), 2)
    return submission.model(last)

  before = jax.eval_shape(problem.init, KEY)
  try:
    after = jax.eval_shape(two_steps, KEY)
  except jax.errors.ConcretizationTypeError:
    after = two_steps(KEY)
  assert jax.tree.map(jnp.shape, before) == jax.tree.map(jnp.shape, after)
  assert jax.tree.map(lambda x: x.dtype, before) == jax.tree.map(
    lambda x: x.dtype, after
  )


@every
def test_it_keeps_as_many_bytes_as_it_says(name):
  """Of a square matrix of float32, without the matrix itself."""
  said = re.search(
    r'State:\s+([\d.]+)\s+bytes\s+a\s+parameter',
    submissions.find(name).path.read_text(),
  )
  assert said, 'The docstring lacks "State: N bytes a parameter."'
  problem = Square()
  submission = built_for(name, problem)
  start = Start(problem.init(KEY), KEY, Drawn(problem, 2))
  state = next(submission.train(start))

  def size(tree):
    arrays = [x for x in jax.tree.leaves(tree) if isinstance(x, jax.Array)]
    return sum(x.nbytes for x in arrays)

  kept = (size(state) - size(submission.model(state))) / SIDE**2
  assert kept == pytest.approx(float(said[1]), rel=0.01, abs=0.01)


@every
def test_every_point_fits_what_build_takes(name):
  entry = submissions.find(name)
  space = entry.space or []  # Of ranges, the names.
  listed = space if isinstance(space, list) else [space]
  for point in [entry.self_point, *listed, *entry.points.values()]:
    submissions.check_point(entry, point, 'A point')


@every
def test_it_has_a_search_space(name):
  assert submissions.find(name).space


@every
def test_a_misspelt_hyperparameter_is_an_error(name):
  entry = submissions.find(name)
  point = entry.self_point | {'label_smothing': 0.1}
  with pytest.raises(submissions.SubmissionError, match='label_smothing'):
    submissions.check_point(entry, point, 'SELF')
  with pytest.raises(TypeError, match='label_smothing'):
    submissions.make(entry.path, Task(TINY, STEPS, 16, 1000), point)


@pytest.mark.parametrize('name', POINTS)
def test_further_points_train(name):
  *_, last = states(name, 2)
  assert np.isfinite(float(built(name).scalars(last)['loss']))


def test_a_further_point_is_entered_by_its_name(tmp_path):
  """lion@default: other hyperparameters, and a name of its own."""
  path = tmp_path / 'mine.py'
  path.write_text(
    'def build(task, *, rate): ...\n'
    "SELF = {'rate': 1.0}\nSPACE = [{'rate': 1.0}]\n"
    "POINTS = {'default': {'rate': 2.0}}\n"
  )
  entry = submissions.find(f'{path}@default')
  assert (entry.name, entry.self_point) == ('mine@default', {'rate': 2.0})
  assert entry.space is None  # Points are of the self-tuning ruleset.
  assert submissions.find(str(path)).self_point == {'rate': 1.0}
  with pytest.raises(submissions.SubmissionError, match=r'mine\.py@default'):
    submissions.find(f'{path}@defalt')


def test_several_steps_per_dispatch_are_the_same_steps():
  *_, single = states('nadamw', 8)
  *_, several = states('nadamw', 2, per_dispatch=4)
  assert several.done == single.done == 8
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5),
    single.state,
    several.state,
  )


def test_restarts_begin_again_from_the_initial_parameters():
  first = int(0.35 * STEPS)
  *_, (turn, last) = states('restarts', first)
  assert (turn, last.done) == (0, first)
  *_, (turn, last) = states('restarts', first + 1)
  assert (turn, last.done) == (1, 1)
  distance = jax.tree.map(
    lambda a, b: float(jnp.abs(a - b).max()),
    last.state.model.params, initial().params,
  )  # fmt: skip
  assert max(jax.tree.leaves(distance)) < 0.01


def test_the_gradient_is_clipped_as_algoperf_does():
  """g min(1, clip / (|g| + 1e-6)), and the recorded norm is the raw one."""
  import optax

  task = Task(TINY, STEPS, 16, 1000)
  runs = {}
  for clip in (None, 0.1):
    submission = from_optax(task, optax.sgd(1.0), grad_clip=clip)
    runs[clip] = next(submission.train(begin()))
  norm = float(runs[None].scalars['grad_norm'])
  assert norm > 0.1
  assert float(runs[0.1].scalars['grad_norm']) == pytest.approx(norm)
  after = runs[0.1].state.model.params
  moved = jax.tree.map(jnp.subtract, after, initial().params)
  assert float(optax.tree.norm(moved)) == pytest.approx(0.1, rel=1e-4)


def test_options_of_from_optax_are_known_to_the_planner():
  names = inspect.signature(from_optax).parameters
  planned = submissions.find('nadamw').optional
  assert planned <= names.keys()
  assert {'dropout', 'label_smoothing', 'grad_clip', 'batch_size'} <= planned
