"""Submissions and their parts against independent numbers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import workloads
from submissions import schedules, transforms
from submissions.algorithms import baseline, nadamw
from submissions.submission import Start, Task

GRADS = np.random.default_rng(0).normal(size=(10, 5)).astype(np.float32)


def updates(tx):
  """What a transformation makes of GRADS, one after another."""
  params = jnp.ones(5)
  state = tx.init(params)
  found = []
  for grad in GRADS:
    update, state = tx.update(jnp.asarray(grad), state, params)
    found.append(update)
  return np.array(found)


def nadam(b1, b2, correct):
  """Plain numpy; `correct` is the power of b1 that corrects the mean."""
  m, v, found = np.zeros(5), np.zeros(5), []
  for t, g in enumerate(GRADS.astype(float), start=1):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    mean = (b1 * m + (1 - b1) * g) / (1 - b1 ** correct(t))
    found.append(mean / (np.sqrt(v / (1 - b2**t)) + 1e-8))
  return np.array(found)


def test_nadam_is_algoperfs():
  found = updates(transforms.scale_by_nadam(0.93, 0.99))
  np.testing.assert_allclose(found, nadam(0.93, 0.99, lambda t: t), rtol=2e-5)


def test_optax_corrects_nadam_differently():
  """Why there is a transformation of ours: 23 % at the first step.

  (1 + b1) g against (1 + b1 / (1 + b1)) g.
  """
  ours = updates(transforms.scale_by_nadam(0.93, 0.99))
  theirs = updates(optax.scale_by_adam(0.93, 0.99, nesterov=True))
  np.testing.assert_allclose(
    theirs[0] / ours[0], (1 + 0.93 / 1.93) / 1.93, rtol=1e-5
  )


def test_nadam_keeps_its_moments_in_eight_bytes_a_parameter():
  params = {'w': jnp.zeros((7, 3))}
  state = transforms.scale_by_nadam(0.9, 0.99).init(params)
  sizes = [x.nbytes for x in jax.tree.leaves((state.mu, state.nu))]
  assert sum(sizes) == 8 * 21


@pytest.mark.parametrize(
  'make',
  [
    schedules.warmup_cosine,
    schedules.warmup_linear,
    schedules.warmup_constant,
  ],
)
@pytest.mark.parametrize('warmup', [0.0, 0.1, 0.5])
def test_warmup_rises_to_the_peak_and_never_starts_at_zero(make, warmup):
  rates = jax.vmap(make(0.5, warmup, 100))(jnp.arange(100))
  first = max(1, int(warmup * 100))
  np.testing.assert_allclose(
    rates[:first], 0.5 * np.arange(1, first + 1) / first, rtol=1e-5
  )
  assert rates[0] > 0
  assert float(rates.max()) == pytest.approx(0.5)


@pytest.mark.parametrize('warmup', [0.0, 0.02, 0.1])
def test_the_published_warmup_starts_at_zero(warmup):
  """AlgoPerf's: t / W of the peak at step t, and a cosine from step W on."""
  steps, peak = 200, 0.5
  first = int(warmup * steps)
  found = jax.vmap(schedules.published_cosine(peak, warmup, steps))(
    jnp.arange(steps + 1)
  )
  t = np.arange(steps + 1)
  decay = (1 + np.cos(np.pi * (t - first) / (steps - first))) / 2
  expected = np.where(t < first, t / max(1, first), decay)
  np.testing.assert_allclose(found, peak * expected, rtol=1e-4, atol=1e-7)


def test_the_baseline_has_the_published_warmup_and_others_do_not():
  """With a rate of zero the first step of the baseline changes nothing."""
  task = Task(workloads.get('digits'), 100, 8, 80)
  batch = task.workload.fake_batch(jax.random.key(0), 8)
  start = task.workload.init(jax.random.key(1))
  for module in (baseline, nadamw):
    point = nadamw.SELF | {'warmup': 0.1, 'learning_rate': 0.02}
    submission = module.build(task, **point)
    begin = Start(start, jax.random.key(2), lambda *_: itertools.repeat(batch))
    states = itertools.islice(submission.train(begin), 3)
    rates, moved = [], []
    for state in states:
      rates.append(float(submission.scalars(state)['learning_rate']))
      params = submission.model(state).params
      same = jax.tree.map(np.array_equal, params, start.params)
      moved.append(not all(jax.tree.leaves(same)))
    later = module is nadamw
    expected = [0.02 * (t + later) / 10 for t in range(3)]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    assert moved == [later, True, True]


def test_linear_decay_may_end_early():
  """AlgoPerf's momentum ends it after 0.9 of what follows the warmup."""
  steps, first, length = 200, 10, int(0.9 * 190)
  schedule = schedules.warmup_linear(0.5, 0.05, steps, 0.01, 0.9)
  t = np.arange(first, steps + 5)
  share = np.minimum(1, (t - first) / length)
  expected = 0.5 * (1 - share * 0.99)
  np.testing.assert_allclose(jax.vmap(schedule)(t), expected, rtol=1e-5)


def test_cosine_and_linear_decay_to_zero():
  cosine = schedules.warmup_cosine(1.0, 0.2, 100)
  assert float(cosine(60)) == pytest.approx(0.5)
  assert float(cosine(100)) == pytest.approx(0.0, abs=1e-6)
  linear = schedules.warmup_linear(1.0, 0.2, 100, 0.1)
  assert float(linear(60)) == pytest.approx(0.55)
  assert float(linear(100)) == pytest.approx(0.1)
