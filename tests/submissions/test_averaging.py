"""Averaged parameters: what is averaged, and whose batch-norm statistics."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import submissions
from submissions.algorithms.dog import recent
from submissions.algorithms.ema import memory
from submissions.algorithms.lawa import latest_mean, queued
from submissions.averaging import average, averaged, follow_statistics
from submissions.submission import Start, Task, from_optax
from workloads.images.digits import Digits
from workloads.images.mnist import Mnist

RNG = np.random.default_rng(0)
GRADS = RNG.normal(size=(10, 4)).astype(np.float32)
DIGITS = Digits(widths=(4,))  # With batch norm.
KEY = jax.random.key(3)
forward = jax.jit(DIGITS.forward, static_argnums=3)
fake_batch = jax.jit(DIGITS.fake_batch, static_argnums=1)


def walk(tx):
  """States and parameters after each step of GRADS, from ones."""
  params = jnp.ones(4)
  state, update = tx.init(params), jax.jit(tx.update)
  for grad in GRADS:
    updates, state = update(grad, state, params)
    params = optax.apply_updates(params, updates)
    yield state, params


def plain():
  """Where SGD of rate 0.1 goes, in float64."""
  return 1 - 0.1 * GRADS.astype(float).cumsum(0)


def test_ema_is_the_average_of_its_formula():
  mean, found = np.ones(4), []
  for t, x in enumerate(plain(), start=1):
    d = min(0.6, (1 + t) / (10 + t))
    mean = d * mean + (1 - d) * x
    found.append(mean)
  means, params = zip(
    *((s.mean, p) for s, p in walk(averaged(optax.sgd(0.1), memory(0.6)))),
    strict=True,
  )
  np.testing.assert_allclose(means, found, rtol=1e-5)
  np.testing.assert_allclose(params, plain(), rtol=1e-5)


@pytest.mark.parametrize('gamma', [0, 8])
def test_dogs_average_weighs_the_last_parameters_most(gamma):
  """In proportion to t (t + 1) ... (t + gamma - 1); gamma 0 is the mean."""
  *_, (state, params) = walk(averaged(optax.sgd(0.1), recent(gamma)))
  t = np.arange(1, len(GRADS) + 1)
  weights = np.prod([t + k for k in range(gamma)], axis=0) * np.ones(len(t))
  wanted = weights @ plain() / weights.sum()
  np.testing.assert_allclose(average(state, params), wanted, rtol=1e-5)
  np.testing.assert_allclose(params, plain()[-1], rtol=1e-5)


def test_lawa_is_the_mean_of_the_latest_checkpoints():
  """Three of every second step; the parameters before there is one."""
  tx = queued(optax.sgd(0.1), kept=3, every=2)
  path = plain()
  for t, (state, params) in enumerate(walk(tx), start=1):
    due = [path[i - 1] for i in range(2, t + 1, 2)][-3:] or [path[t - 1]]
    np.testing.assert_allclose(
      latest_mean(state, params), np.mean(due, axis=0), rtol=1e-5
    )
    np.testing.assert_allclose(params, path[t - 1], rtol=1e-5)


class Drawn:
  """Batches 0, 1, 2 ... of made-up digits, from a certain one on."""

  def __init__(self, first=0):
    self.count = itertools.count(first)

  def __call__(self, size, stack=1):
    for number in self.count:
      keys = jax.random.split(jax.random.fold_in(KEY, number), stack)
      many = [fake_batch(key, size) for key in keys]
      yield (
        many[0] if stack == 1 else jax.tree.map(lambda *x: jnp.stack(x), *many)
      )


def started(**changes):
  return Start(DIGITS.init(KEY), KEY, Drawn())._replace(**changes)


@pytest.fixture(scope='module', params=['schedule_free', 'ema', 'lawa'])
def built(request):
  entry = submissions.find(request.param)
  return submissions.make(
    entry.path, Task(DIGITS, 100, 8, 100), entry.self_point
  )


def test_statistics_are_those_of_the_parameters_evaluated(built):
  """Batch norm looks at activations, and x has others than y.

  AlgoPerf's first schedule-free entry evaluated x with the statistics of y; the
  second reports gains from not doing so. Here they come from a forward pass at
  the average, on the batch just trained on, in steps 1, 4, 7 ...
  """
  statistics = DIGITS.init(KEY).state
  batches = Drawn()(8)
  for step, state in enumerate(built.train(started()), start=1):
    model, batch = built.model(state), next(batches)
    if step % 3 == 1:
      key = jax.random.fold_in(KEY, step)
      average = model._replace(state=statistics)
      statistics = forward(average, batch, key, 0.0)[1]
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
      model.state, statistics,
    )  # fmt: skip
    if step == 5:
      break
  trained = state.inner.state.model.state
  assert any(
    not np.allclose(a, b, rtol=1e-3)
    for a, b in zip(
      jax.tree.leaves(trained), jax.tree.leaves(model.state), strict=True
    )
  )


def test_collecting_again_does_not_compile_again(built, caplog):
  loop = built.train(started())
  list(itertools.islice(loop, 3))
  with jax.log_compiles():
    state = next(loop)  # The fourth step is the second to collect.
  assert state.inner.done == 4
  assert not [r for r in caplog.records if 'ompiling' in r.getMessage()]


def test_several_steps_at_once_collect_on_the_last_batch():
  task = Task(DIGITS, 100, 8, 100, per_dispatch=2)
  average = lambda state, params: params  # noqa: E731
  inner = from_optax(task, optax.sgd(0.0), eval_params=average)
  submission = follow_statistics(task, inner)
  state = next(submission.train(started()))
  [batch] = itertools.islice(Drawn()(8, 2), 1)
  last = jax.tree.map(lambda x: x[-1], batch)
  key = jax.random.fold_in(KEY, 2)
  expected = forward(DIGITS.init(KEY), last, key, 0.0)[1]
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
    submission.model(state).state, expected,
  )  # fmt: skip


def test_models_without_statistics_pay_nothing():
  task = Task(Mnist(width=4), 100, 8, 100)
  inner = from_optax(task, optax.sgd(0.1))
  assert follow_statistics(task, inner) is inner
