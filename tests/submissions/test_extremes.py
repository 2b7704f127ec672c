"""Gradients of zero, of a huge size and of NaN; parameters of other types.

What must hold for every submission. A new one is tested by being there.
"""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import submissions
import workloads
from runner.trial import checkpoint, evaluate
from runner.trial.state_tree import Flattener
from submissions.norm import clip, global_norm
from submissions.submission import Start, Task
from tests.support.tiny import FIELDS, tiny
from workloads.workload import Model, Workload, mean_loss

SHAPES = {  # One is large enough for eight bits, and for XLA to drop NaN.
  'Embed_0': {'embedding': (6, 2)},
  'Dense_0': {'kernel': (64, 65), 'bias': (65,)},
  'Attention_0': {'query': {'kernel': (3, 2, 2)}},
  'head': {'kernel': (5, 4)},
}
STATES, ODD = 24, 3  # Shampoo takes its first roots after 20 steps.
HUGE = (1e18, 1e20, 1e30)
every = pytest.mark.parametrize(
  'name',
  [
    pytest.param(name, marks=pytest.mark.xdist_group(f'extreme {name}'))
    for name in submissions.names()
  ],
)


def gradient(seed, dtype=np.float32):
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda shape: jnp.asarray(rng.normal(size=shape), dtype),
    SHAPES,
    is_leaf=lambda x: isinstance(x, tuple),
  )


@dataclasses.dataclass(frozen=True)
class Slope(Workload):
  """The loss is <w, g>, so its gradient is the g of the batch."""

  dtype: str = 'float32'
  loss_kind = 'absolute'

  def source(self, split, data_dir):
    raise NotImplementedError

  def fake_batch(self, key, batch_size):
    return {'g': gradient(0, self.dtype), 'weights': jnp.ones(1, jnp.float32)}

  def init(self, key):
    return Model(gradient(9, self.dtype))

  def forward(self, model, batch, key, dropout):
    products = jax.tree.map(
      lambda w, g: (w * g).sum(), model.params, batch['g']
    )
    return sum(jax.tree.leaves(products)), ()

  def losses(self, outputs, batch, label_smoothing):
    return outputs[None], jnp.ones(1, jnp.float32)

  def predict(self, model, batch):
    raise NotImplementedError

  def eval_stats(self, model, batch):
    raise NotImplementedError

  def summarize(self, stats):
    raise NotImplementedError


def made(name, problem, per_dispatch=1):
  entry = submissions.find(name)
  task = Task(problem, 40, 1, 100, per_dispatch)
  point = dict(entry.self_point)
  if 'grad_clip' in point:
    point['grad_clip'] = None
  return submissions.make(entry.path, task, point)


@functools.cache
def built(name):
  return made(name, Slope())


def path(name, odd):
  """Parameters and scalars after each of some steps, the first without slope.

  odd(gradient) takes the place of one of the gradients.
  """
  plain = [gradient(t) for t in range(5)]
  grads = [jax.tree.map(jnp.zeros_like, plain[0]), *plain[1:]]
  grads = [*grads[:ODD], odd(plain[0]), *grads[ODD:]]

  drawn = itertools.count()  # Goes on where a loop calls for batches again.

  def batches(size, stack=1):
    for t in drawn:
      g = grads[t] if t < len(grads) else plain[t % 5]
      yield {'g': g, 'weights': jnp.ones(1, jnp.float32)}

  submission = built(name)
  start = Start(Slope().init(None), jax.random.key(0), batches)
  for state in itertools.islice(submission.train(start), STATES):
    params = jax.tree.map(np.array, submission.model(state).params)
    yield params, jax.tree.map(float, submission.scalars(state))


def finite(tree):
  return all(np.isfinite(x).all() for x in jax.tree.leaves(tree))


def everywhere(grads, value):
  return jax.tree.map(lambda x: value * jnp.sign(x), grads)


def one(grads, value):
  """The same, but for one number in the second half of every array."""
  return jax.tree.map(
    lambda x: x.ravel().at[-(x.size // 3)].set(value).reshape(x.shape), grads
  )


@every
def test_zero_and_huge_gradients_leave_parameters_finite(name):
  """The first gradient is zero; a later one is huge, all of it or one number.

  SAM divided zero by zero. The factors of Shampoo and SOAP, Mechanic's bets and
  second moments of eight bits became infinite, and never were numbers again.
  """
  for huge, odd in itertools.product(HUGE, (everywhere, one)):
    for params, scalars in path(name, functools.partial(odd, value=huge)):
      assert finite(params), (huge, odd)
      assert np.isfinite(scalars['grad_norm'])


@every
def test_a_nan_is_not_hidden(name):
  """One number of one gradient makes parameters NaN that are shown.

  A NaN times the zero of a comparison is zero to XLA: cautious held the
  parameter still, and nothing was seen for ever. AutoLRS goes back to where
  there was none.
  """

  def odd(grads):
    return grads | {'Dense_0': one(grads['Dense_0'], jnp.nan)}

  seen = any(not finite(params) for params, _ in path(name, odd))
  assert seen == (name != 'auto_lrs')


def types(tree):
  return [(jnp.shape(x), jnp.result_type(x)) for x in jax.tree.leaves(tree)]


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32', 'float64'])
@every
def test_parameters_keep_their_type_and_a_state_its_own(name, dtype):
  """Types stay in the mode of 64 bits too, and with several steps at once.

  The recorded norm had 32 bits in one branch and the gradient's in the other.
  """
  problem = Slope(dtype)

  def batches(size, stack=1):
    batch = problem.fake_batch(None, size)
    while True:
      yield jax.tree.map(lambda *x: jnp.stack(x), *[batch] * stack)

  def two(submission, key):
    start = Start(problem.init(key), key, batches)
    states = itertools.islice(submission.train(start), 2)
    return [(submission.model(state).params, state) for state in states]

  with jax.enable_x64(dtype != 'bfloat16'):
    run = functools.partial(two, made(name, problem, per_dispatch=2))
    key = jax.random.key(0)
    try:
      found = jax.eval_shape(run, key)
    except jax.errors.ConcretizationTypeError:
      found = run(key)  # Loops that look at values.
    first = types(jax.eval_shape(problem.init, key).params)
    assert first == types(found[0][0]) == types(found[1][0])
    assert types(found[0][1]) == types(found[1][1])


@pytest.mark.parametrize(
  'name', ['adamw', 'adamw_8bit', 'muon', 'schedule_free', 'shampoo', 'soap']
)
def test_it_trains_parameters_of_16_bits(name):
  """LAPACK has none of them: what is decomposed has 32."""
  problem = Slope('bfloat16')
  batch = problem.fake_batch(None, 1)
  start = Start(
    problem.init(None), jax.random.key(0), lambda *_: itertools.repeat(batch)
  )
  submission = made(name, problem)
  *_, last = itertools.islice(submission.train(start), STATES)
  params = submission.model(last).params
  moved = jax.tree.map(
    lambda a, b: float(jnp.abs(a - b).max()), params, start.model.params
  )
  assert finite(jax.tree.map(lambda x: np.asarray(x, np.float32), params))
  assert min(jax.tree.leaves(moved)) > 0


@pytest.mark.parametrize('size', [0.0, 1e-30, 1e-10, 1.0, 1e18, 1e30, 1e36])
@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_a_norm_is_a_number_wherever_it_can_be(size, dtype):
  tree = {'a': jnp.full((5, 5), size, dtype), 'b': jnp.zeros((0, 2), dtype)}
  norm = jax.jit(global_norm)(tree)
  assert norm.dtype == jnp.float32
  assert float(norm) == pytest.approx(5 * size, rel=1e-2)
  found = jax.jit(clip, static_argnums=2)(tree, norm, 0.5)
  assert found['a'].dtype == dtype
  length = float(global_norm(found))
  assert length == pytest.approx(min(5 * size, 0.5), rel=1e-2)


def test_a_norm_compiles_two_reductions_an_array():
  """A third one, of the largest number, took a third of its compilation."""
  tree = {'a': jnp.ones((5, 5)), 'b': jnp.ones(3), 'c': jnp.ones(7)}
  program = str(jax.make_jaxpr(global_norm)(tree))
  assert program.count('reduce_sum[') == 2 * len(tree)
  assert 'reduce_max' not in program


@pytest.mark.parametrize(('bad', 'norm'), [(np.nan, np.nan), (np.inf, np.inf)])
@pytest.mark.parametrize('scale', [1.0, 1e30])
def test_a_norm_of_what_is_not_finite_is_not(scale, bad, norm):
  x = jnp.full((100, 100), scale).at[50, 50].set(bad)
  found = float(jax.jit(global_norm)({'x': x}))
  np.testing.assert_equal(found, norm)
  clipped = clip({'x': x}, jnp.float32(found), 1.0)
  assert not finite(clipped)


def test_statistics_of_nan_end_a_trial_though_the_metrics_are_numbers():
  """XLA drops NaN in the ReLU after a batch norm."""
  problem = tiny('cifar/mini')
  model = problem.init(jax.random.key(0))
  batch = problem.fake_batch(jax.random.key(1), 64)
  leaves, structure = jax.tree.flatten(model.state)
  spoiled = [leaves[0].at[0].set(jnp.nan), *leaves[1:]]
  model = model._replace(state=structure.unflatten(spoiled))
  assert finite(jax.jit(problem.eval_stats)(model, batch))
  assert evaluate.not_finite(model).startswith("State ['BatchNorm_0']")


FAMILIES = sorted(
  name
  for name in workloads.names()
  if name in FIELDS or name.removesuffix('/mini') in FIELDS
)


@pytest.mark.parametrize('dtype', ['bfloat16', 'float64'])
@pytest.mark.parametrize('name', FAMILIES)
def test_workloads_take_parameters_of_any_type(name, dtype):
  """Losses, gradients and statistics; real batches have 32 bits in any mode.

  In the mode of 64 bits ogbg's loop over pools counted in another type than it
  began with, and the beam search of wmt wrote to a cache of another type.
  """
  problem = tiny(name)

  def narrow(x):
    kind = {'float64': jnp.float32, 'int64': jnp.int32}.get(x.dtype.name)
    return jax.ShapeDtypeStruct(x.shape, kind or x.dtype)

  def typed(x):
    floating = jnp.issubdtype(x.dtype, jnp.floating)
    return jax.ShapeDtypeStruct(x.shape, dtype if floating else x.dtype)

  def slope(params, state, batch, key):
    return jax.value_and_grad(
      lambda params: mean_loss(
        problem, params, state, batch, key, dropout=0.1, label_smoothing=0.1
      ),
      has_aux=True,
    )(params)

  with jax.enable_x64(dtype == 'float64'):
    key = jax.random.key(0)
    batch = jax.tree.map(
      narrow, jax.eval_shape(lambda: problem.fake_batch(key, 2))
    )
    model = jax.eval_shape(problem.init, key)
    params = jax.tree.map(typed, model.params)
    (loss, _), grads = jax.eval_shape(slope, params, model.state, batch, key)
    assert loss.dtype != jnp.bfloat16
    assert types(grads) == types(params)
    stats = jax.eval_shape(
      problem.eval_stats, Model(params, model.state), batch
    )
    assert jnp.bfloat16 not in [x.dtype for x in jax.tree.leaves(stats)]


def test_a_checkpoint_keeps_types(tmp_path):
  with jax.enable_x64(True):
    state = {
      str(dtype): jnp.arange(5).astype(dtype)
      for dtype in ('bfloat16', 'float16', 'float64', 'uint8', 'int64', 'bool')
    }
    checkpoint.save(
      tmp_path / 'all', 1, checkpoint.snapshot(Flattener()(state).leaves), {}
    )
    arrays = checkpoint.load(tmp_path / 'all').arrays
    again = checkpoint.restore(state, arrays)
    assert types(again) == types(state)
    jax.tree.map(np.testing.assert_array_equal, again, state)
    assert checkpoint.digest(arrays) == checkpoint.digest(
      checkpoint.snapshot(Flattener()(again).leaves)
    )
