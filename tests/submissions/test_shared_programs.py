"""Numbers of a point become arguments of a program that all points share."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import submissions
from submissions import shared_programs
from submissions.submission import Start, Task
from workloads import batches
from workloads.images.digits import Digits

TINY = Digits(widths=(8,))
X = jnp.linspace(-1.0, 1.0, 6)


def program(function, *args):
  """Return the text of a function's program, and what it computes."""
  shared = shared_programs.shared(function, args)
  text = shared.call.lower(shared.constants, *args).as_text()
  return text, shared.call(shared.constants, *args)


def scanned(rate, x):
  def step(carry, y):
    return carry * rate + y, jnp.sum(carry - rate)

  return jax.lax.scan(step, x, jnp.stack([x, x + 1]))


def looped(rate, x):
  return jax.lax.while_loop(
    lambda y: jnp.max(y) < 40 * rate, lambda y: y * (1 + rate), x + 1
  )


def branched(rate, x):
  return jax.lax.cond(x[0] < rate, lambda y: y - rate, lambda y: y * rate, x)


def nested(rate, x):
  inner = jax.jit(lambda y: jax.nn.relu(y - rate) + jax.nn.gelu(rate * y))
  return jax.grad(lambda y: jnp.sum(inner(y) ** 2))(x), inner(x)


@jax.custom_vjp
def squared(x):
  return x * x * 1.25


squared.defvjp(lambda x: (squared(x), x), lambda x, g: (2.5 * x * g,))


def own_gradient(rate, x):
  return jax.grad(lambda y: jnp.sum(squared(rate * y)))(x), squared(rate * x)


def half(rate, x):
  return (x.astype(jnp.bfloat16) * jnp.bfloat16(rate)).astype(jnp.float32)


def scheduled(rate, x):
  """A number of steps is an integer."""
  count = jnp.argmax(x)
  warm = jnp.where(count < round(100 * rate), count / round(100 * rate), 1.0)
  return warm * x, rate


@pytest.mark.parametrize(
  'function',
  [scanned, looped, branched, nested, own_gradient, half, scheduled],
)
def test_points_share_a_program_that_computes_the_same(function):
  found = {}
  for rate in (0.3, 0.7):
    at_point = functools.partial(function, rate)
    found[rate], result = program(at_point, X)
    jax.tree.map(
      functools.partial(np.testing.assert_allclose, rtol=1e-5),
      result,
      jax.jit(at_point)(X),
    )
  assert found[0.3] == found[0.7]


def test_zero_and_one_stay_since_programs_are_faster_that_know_them():
  def scaled(rate, x):
    return rate * x

  zero, _ = program(functools.partial(scaled, 0.0), X)
  some, _ = program(functools.partial(scaled, 0.3), X)
  assert zero != some
  shared = shared_programs.shared(functools.partial(scaled, 1.0), (X,))
  assert not shared.constants


def test_what_is_computed_again_keeps_its_constants():
  """They are inside of what `jax.checkpoint` marks."""

  def remembered(rate, x):
    again = jax.checkpoint(lambda y: jnp.sin(y * rate))
    return jax.grad(lambda y: jnp.sum(again(y)))(x)

  at_point = functools.partial(remembered, 0.3)
  _, result = program(at_point, X)
  np.testing.assert_allclose(result, jax.jit(at_point)(X), rtol=1e-5)


def test_an_index_of_an_array_stays():
  def picked(index, x):
    return jax.lax.dynamic_slice(x, (index,), (2,))

  text, result = program(functools.partial(picked, 3), X)
  assert np.array_equal(result, X[3:5])
  assert text != program(functools.partial(picked, 4), X)[0]


def test_other_shapes_are_traced_anew_and_others_are_not():
  traced = []

  def doubled(x):
    traced.append(x.shape)
    return x * 3.5

  call = shared_programs.jit(doubled)
  for x in (X, X + 1, X[:2], X):
    np.testing.assert_allclose(call(x), x * 3.5)
  assert traced == [(6,), (2,)]


def test_a_donated_argument_is_given_away():
  call = shared_programs.jit(lambda x, y: x * 0.3 + y, donate_argnums=(0,))
  mine = X + 0
  np.testing.assert_allclose(call(mine, X), X * 0.3 + X, rtol=1e-6)
  assert mine.is_deleted() and not X.is_deleted()


def trained(name, share, per_dispatch=1, **more):
  entry = submissions.find(name)
  task = Task(TINY, 64, 16, 1000, per_dispatch)
  submission = submissions.make(entry.path, task, entry.self_point | more)
  one = batches.train_batch(TINY.source('train', None), 0, 0, 16)

  def drawn(size, stack=1):
    many = {k: np.stack([x] * stack) for k, x in one.items()}
    return itertools.repeat(one if stack == 1 else many)

  model = jax.jit(TINY.init)(jax.random.key(0))
  start = Start(model, jax.random.key(1), drawn, share_programs=share)
  *_, last = itertools.islice(submission.train(start), 4)
  return submission.model(last).params, submission.scalars(last)


@pytest.mark.parametrize(
  ('name', 'per_dispatch'),
  [('nadamw', 1), ('nadamw', 2), ('lion_8bit', 1), ('muon', 1)],
)
def test_a_submission_trains_alike(name, per_dispatch):
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=2e-3, atol=2e-5),
    trained(name, share=True, per_dispatch=per_dispatch),
    trained(name, share=False, per_dispatch=per_dispatch),
  )


def test_points_of_a_submission_share_its_step(monkeypatch):
  """The cache of compiled programs goes by their text."""
  made, texts = shared_programs.shared, []

  def noted(function, args, donate_argnums=()):
    found = made(function, args, donate_argnums)
    texts.append(found.call.lower(found.constants, *args).as_text())
    return found

  monkeypatch.setattr(shared_programs, 'shared', noted)
  trained('nadamw', share=True, warmup=0.1)
  other = {'learning_rate': 7e-4, 'warmup': 0.4, 'one_minus_beta1': 0.19}
  trained('nadamw', share=True, **other)
  assert len(texts) == 2 and texts[0] == texts[1]
