"""Ten steps at rates that rise and fall, against the formulas in plain numpy.

A constant rate does not show whose rate a step or an average takes: the one of
before, its own or the next. What has its own formulas is in test_strongest,
test_factored, test_learning_rate_free and test_schedule_submissions.
"""

import jax
import numpy as np
import optax
import pytest

from submissions import schedules
from submissions.algorithms.ema import memory
from submissions.algorithms.lawa import latest_mean, queued
from submissions.algorithms.schedule_free import adamw
from submissions.averaging import average, averaged
from tests.support import quadratic_workload
from tests.support.quadratic_workload import (
  ADAM,
  FIRST,
  GRADS,
  STEPS,
  adam,
  assert_close,
  nadam,
)


def adamw_step(t, w, g, memory, role):
  return adam(t, g, memory, 0.9, 0.99) + 0.1 * w


def plain_adam(t, w, g, memory, role):
  return adam(t, g, memory, 0.9, 0.99)


def nadamw(t, w, g, memory, role):
  return nadam(t, g, memory, 0.9, 0.99) + 0.1 * w


def lion(t, w, g, memory, role):
  m = memory.get('m', 0)
  memory['m'] = 0.99 * m + 0.01 * g
  return np.sign(0.9 * m + 0.1 * g) + 0.1 * w


def heavy_ball(t, w, g, memory, role):
  memory['m'] = 0.9 * memory.get('m', 0) + g + 0.1 * w
  return memory['m']


def nesterov(t, w, g, memory, role):
  return 0.9 * heavy_ball(t, w, g, memory, role) + g + 0.1 * w


def sgd(t, w, g, memory, role):
  return g + 0.1 * w


def lamb(t, w, g, memory, role):
  u = adam(t, g, memory, 0.9, 0.99, eps=1e-6)
  if role == 'vector':
    return u
  u = u + 0.1 * w
  return u * np.linalg.norm(w) / np.linalg.norm(u)


def falling(share):
  """Linear, to a tenth."""
  return 1 - 0.9 * share


LION = {'beta1': 0.9, 'beta2': 0.99, 'weight_decay': 0.1, 'grad_clip': None}
FALLING = ADAM | {
  'end_factor': 0.1, 'decay_steps_factor': 1.0, 'shape': falling
}  # fmt: skip
CASES = {
  'adamw': (adamw_step, ADAM | {'beta2': 0.99}),
  'adamw_8bit': (adamw_step, ADAM | {'beta2': 0.99}),
  'adam_8bit': (
    plain_adam, {'one_minus_beta1': 0.1, 'beta2': 0.99, 'grad_clip': None}
  ),
  'baseline': (nadamw, ADAM | {'beta2': 0.99, 'dropout': 0.0, 'start': 0}),
  'nadamw': (nadamw, ADAM | {'beta2': 0.99}),
  'lion': (lion, LION),
  'lion_8bit': (lion, LION),
  'momentum': (heavy_ball, FALLING),
  'momentum_8bit': (heavy_ball, FALLING),
  'nesterov': (nesterov, FALLING),
  'sgd': (sgd, {'weight_decay': 0.1, 'learning_rate': 0.05}),
  'lamb_8bit': (lamb, ADAM | {'beta2': 0.99, 'floor': 0.0}),
}  # fmt: skip


@pytest.mark.parametrize('name', CASES)
def test_a_step_has_its_own_rate(name):
  """Arrays are small, so what has eight bits elsewhere has 32 here."""
  update, changes = CASES[name]
  quadratic_workload.check(name, update, **changes)


def free(rates, b1=0.9, b2=0.99, weight_decay=0.1):
  """Schedule-free AdamW as the authors' code has it: y and x, float64."""
  leaves, structure = jax.tree.flatten(FIRST)
  y, z = leaves, leaves
  v, total, largest = [0.0 for _ in y], 0.0, 0.0
  for t, (rate, grads) in enumerate(zip(rates, GRADS, strict=True), start=1):
    g = jax.tree.leaves(grads)
    largest = max(rate, largest)
    total += largest**2
    c = largest**2 / total
    v = [b2 * a + (1 - b2) * b**2 for a, b in zip(v, g, strict=True)]
    u = [
      b / (np.sqrt(a / (1 - b2**t)) + 1e-8) + weight_decay * w
      for a, b, w in zip(v, g, y, strict=True)
    ]
    y = [
      (1 - c) * a + c * b + rate * (b1 * (1 - c) - 1) * d
      for a, b, d in zip(y, z, u, strict=True)
    ]
    z = [b - rate * d for b, d in zip(z, u, strict=True)]
    x = [a + (1 - 1 / b1) * (b - a) for a, b in zip(y, z, strict=True)]
    yield structure.unflatten(y), structure.unflatten(x)


def walk(tx):
  """State and parameters of a transformation after each of the gradients."""
  params = quadratic_workload.Given().init(None).params
  state, update = tx.init(params), jax.jit(tx.update)
  for batch in quadratic_workload.batches(1):
    updates, state = update(batch['g'], state, params)
    params = optax.apply_updates(params, updates)
    yield state, params


def test_schedule_free_weighs_parameters_by_the_rate_of_their_step():
  """Four steps of warmup and beyond; the submission shows the average x.

  optax takes the rate of the next step: 20 % off in the fourth.
  """
  rates, path = quadratic_workload.train(
    'schedule_free', shape=quadratic_workload.constant, learning_rate=0.05,
    beta2=0.99, **ADAM,
  )  # fmt: skip
  schedule = schedules.warmup_constant(0.05, 0.25, 2 * STEPS)
  trained = walk(adamw(schedule, 0.9, 0.99, 0.1))
  for found, (_, params), (y, x) in zip(
    path, trained, free(rates), strict=True
  ):
    assert_close(found, x, rtol=1e-3)
    assert_close(params, y)


def test_optax_weighs_them_by_the_rate_of_the_next_step():
  """Averages of optax are 10 to 40 % off in the warmup: hence one of ours."""
  schedule = schedules.warmup_constant(0.05, 0.25, 2 * STEPS)
  tx = optax.contrib.schedule_free_adamw(
    schedule, b1=0.9, b2=0.99, weight_decay=0.1
  )
  rates = quadratic_workload.moving(
    0.05, 0.25, 2 * STEPS, quadratic_workload.constant
  )
  apart = []
  for (state, params), (_, x) in zip(walk(tx), free(rates), strict=True):
    shown = optax.contrib.schedule_free_eval_params(state, params)
    away = jax.tree.map(
      lambda a, b, w: (np.abs(a - b).sum(), np.abs(b - w).sum()),
      shown, x, FIRST,
    )  # fmt: skip
    off, moved = np.array(jax.tree.leaves(away)).reshape(-1, 2).sum(0)
    apart.append(off / moved)
  assert 0.1 < max(apart) < 0.4


def sgd_path():
  """SGD at rates that rise and fall: the schedule and where it goes."""
  schedule = schedules.warmup_cosine(0.1, 0.25, 2 * STEPS)
  rates = quadratic_workload.moving(0.1, 0.25, 2 * STEPS)
  return schedule, list(
    quadratic_workload.follow(rates, lambda t, w, g, memory, role: g)
  )


def test_an_average_is_of_parameters_after_their_steps():
  schedule, path = sgd_path()
  mean = FIRST
  tx = averaged(optax.sgd(schedule), memory(0.6))
  for t, ((state, params), x) in enumerate(
    zip(walk(tx), path, strict=True), start=1
  ):
    d = min(0.6, (1 + t) / (10 + t))
    mean = jax.tree.map(lambda m, w, d=d: d * m + (1 - d) * w, mean, x)
    assert_close(average(state, params), mean)


def test_lawa_keeps_parameters_after_their_steps():
  schedule, path = sgd_path()
  tx = queued(optax.sgd(schedule), kept=2, every=3)
  for t, (state, params) in enumerate(walk(tx), start=1):
    due = [path[i - 1] for i in range(3, t + 1, 3)][-2:] or [path[t - 1]]
    mean = jax.tree.map(lambda *x: np.mean(x, axis=0), *due)
    assert_close(latest_mean(state, params), mean)
