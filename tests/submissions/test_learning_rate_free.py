"""Learning-rate-free methods against their papers, and the traps in them.

What the papers say is written out in numpy with float64, on one vector; what
runs is optax in float32, on a tree of two arrays.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from submissions import learning_rate_free
from submissions.algorithms import dog
from submissions.submission import Start, Task, from_optax
from tests.submissions.test_every_submission import Drawn
from workloads.images.digits import Digits

STEPS = 12
SHAPES = {'a': (2, 3), 'b': (4,)}
SIZE = 10
random = np.random.default_rng(0)
START = random.normal(size=SIZE)
BEST = START + random.normal(size=SIZE)
CURVE = np.exp(random.normal(size=SIZE))
NOISE = 0.3 * random.normal(size=(2 * STEPS, SIZE))
FLOOR = 0.5  # Of the loss.


def tree(vector, as_type=jnp.float32):
  vector = jnp.asarray(vector, as_type)
  return {'a': vector[:6].reshape(2, 3), 'b': vector[6:]}


def vector(params):
  return np.concatenate([np.ravel(params[name]) for name in SHAPES])


def slope(x, t):
  return CURVE * (x - BEST) + NOISE[t]


def loss(x):
  return FLOOR + 0.5 * np.sum(CURVE * (x - BEST) ** 2)


def walk(tx, steps=STEPS, start=START, slope=slope):
  """Where optax goes, [steps, SIZE], and the last state."""
  tx = optax.with_extra_args_support(tx)
  update = jax.jit(tx.update)
  params, found = tree(start), []
  state = tx.init(params)
  for t in range(steps):
    x = vector(params).astype(float)
    grads = tree(slope(x, t))
    value = jnp.asarray(loss(x), jnp.float32)
    updates, state = update(grads, state, params, value=value)
    params = optax.apply_updates(params, updates)
    found.append(vector(params))
  return np.array(found), state


def check(tx, reference, tolerance=1e-4, steps=STEPS):
  """Iterates agree, measured by how far they are from where they started."""
  found, _ = walk(tx, steps)
  wanted = np.array(list(itertools.islice(reference, steps)))
  scale = np.abs(wanted - START).max()
  assert np.abs(found - wanted).max() < tolerance * scale
  return wanted


def rise(t):
  """A schedule: from 0.25 to 1 in four steps. Works on numbers and arrays."""
  return (0.25 + 0.25 * t) * (t < 4) + 1.0 * (t >= 4)


# The papers, in numpy.


def dadapt_adamw(b1, b2, decay, d, eps=1e-8):
  x, m, v, s, r = START, 0 * START, 0 * START, 0 * START, 0.0
  root = np.sqrt(b2)
  for t in itertools.count():
    g = slope(x, t)
    correct = np.sqrt(1 - b2 ** (t + 1)) / (1 - b1 ** (t + 1))
    rate = d * rise(t) * correct
    along = np.dot(g, s / (np.sqrt(v) + eps))
    m = b1 * m + (1 - b1) * rate * g
    v = b2 * v + (1 - b2) * g * g
    s = root * s + (1 - root) * rate * g
    r = root * r + (1 - root) * rate * along
    d = max(d, r / ((1 - root) * np.abs(s).sum()))
    x = x - m / (np.sqrt(v) + eps) - rate * decay * x
    yield x


def prodigy(b1, b2, decay, d, safeguard, eps=1e-8):
  x, m, v, s, r, d0 = START, 0 * START, 0 * START, 0 * START, 0.0, d
  b3 = np.sqrt(b2)
  for t in itertools.count():
    g = slope(x, t)
    correct = np.sqrt(1 - b2 ** (t + 1)) / (1 - b1 ** (t + 1))
    rate = d * rise(t) * correct
    m = b1 * m + (1 - b1) * d * g
    v = b2 * v + (1 - b2) * d * d * g * g
    s = b3 * s + d / d0 * (d if safeguard else rate) * g
    r = b3 * r + d / d0 * rate * np.dot(g, START - x)
    d = max(d, r / np.abs(s).sum())
    x = x - rate * (m / (np.sqrt(v) + d * eps) + decay * x)
    yield x


def distance_over_gradients(relative, decay, layers, eps=1e-8):
  """DoG where `layers` is one slice of everything, else L-DoG."""
  x = START.copy()
  far = [relative * (1 + np.linalg.norm(START[part])) for part in layers]
  total = [0.0 for _ in layers]
  for t in itertools.count():
    g = slope(x, t) + decay * x
    for i, part in enumerate(layers):
      far[i] = max(far[i], np.linalg.norm(x[part] - START[part]))
      total[i] += np.sum(g[part] ** 2)
      x[part] -= rise(t) * far[i] / np.sqrt(total[i] + eps) * g[part]
    yield x.copy()


def dowg(square, decay, eps=1e-4):
  x, total = START, 0.0
  for t in itertools.count():
    g = slope(x, t) + decay * x
    square = max(square, np.sum((x - START) ** 2))
    total += square * np.sum(g**2)
    x = x - rise(t) * square / (np.sqrt(total) + eps) * g
    yield x


def mechanic(first, shrink, clip, eps=1e-8):
  """Of gradient descent with rates `rise`; six betas."""
  x, betas = START, 1 - 0.1 ** np.arange(1, 7)
  m, v, r, s = np.zeros(6), np.zeros(6), np.zeros(6), np.full(6, first)
  for t in itertools.count():
    g = slope(x, t)
    moved = (x - START) / (s.sum() + eps)
    pull = shrink * s.sum() * np.linalg.norm(g) / (np.linalg.norm(x) + eps) * x
    h = -np.dot(g + pull, moved)
    won = np.clip(h, -m, m) if clip else h
    m = np.maximum(betas * m, abs(h) + eps)
    v = betas**2 * v + h * h
    r = betas * r + won * s
    s = (first / 6 * m + np.maximum(r, 0)) / (np.sqrt(v) + eps)
    x = START + s.sum() * (moved - rise(t) * g)
    yield x


def momo(cap, beta, decay, floor, estimate):
  x, least = START, floor
  mean, f, gx = slope(x, 0), loss(x), np.dot(slope(x, 0), x)
  for t in itertools.count():
    g, rate = slope(x, t), cap * rise(t)
    mean = beta * mean + (1 - beta) * g
    f = beta * f + (1 - beta) * loss(x)
    gx = beta * gx + (1 - beta) * np.dot(g, x)
    grow, here, norm = 1 + rate * decay, np.dot(mean, x), np.dot(mean, mean)
    above = grow * (f - gx) + here
    if estimate and above < grow * floor:
      floor = max(above / (2 * grow), least)
    step = min(rate, max(above - grow * floor, 0) / norm)
    if estimate:
      floor = max(f + here - gx - step * norm / 2, least)
    x = (x - step * mean) / grow
    yield x


def momo_adam(cap, b1, b2, decay, floor, estimate, eps=1e-8):
  x, mean, v, f, gx, least = START, 0 * START, 0 * START, 0.0, 0.0, floor
  for t in itertools.count():
    g, rate, sure = slope(x, t), cap * rise(t), 1 - b1 ** (t + 1)
    mean = b1 * mean + (1 - b1) * g
    v = b2 * v + (1 - b2) * g * g
    scale = eps + np.sqrt(v / (1 - b2 ** (t + 1)))
    f = b1 * f + (1 - b1) * loss(x)
    gx = b1 * gx + (1 - b1) * np.dot(g, x)
    grow, here, norm = 1 + rate * decay, np.dot(mean, x), mean @ (mean / scale)
    above = grow * (f - gx) + here
    if estimate and above < grow * sure * floor:
      floor = max(above / (2 * grow * sure), least)
    step = min(rate / sure, max(above - grow * sure * floor, 0) / norm)
    if estimate:
      floor = max((f + here - gx - step * norm / 2) / sure, least)
    x = (x - step * mean / scale) / grow
    yield x


def cocob(alpha, decay, eps=1e-8):
  zero = 0 * START
  x, most, total, won, against = START, zero + eps, zero, zero, zero
  for t in itertools.count():
    g = slope(x, t) + decay * x
    most = np.maximum(most, np.abs(g))
    total = total + np.abs(g)
    won = np.maximum(won - g * (x - START), 0)
    against = against - g
    bet = against / (most * np.maximum(total + most, alpha * most))
    x = START + bet * (most + won)
    yield x


# What runs is what the papers say.


def test_dadapt_adamw_is_the_papers():
  tx = optax.contrib.dadapt_adamw(
    rise, (0.8, 0.95), estim_lr0=1e-3, weight_decay=0.1
  )
  tx = learning_rate_free.guard(tx)
  wanted = check(tx, dadapt_adamw(0.8, 0.95, 0.1, 1e-3), steps=2 * STEPS)
  assert np.abs(wanted[-1] - START).max() > 0.1  # The rate has grown.


@pytest.mark.parametrize('safeguard', [False, True])
def test_prodigy_is_the_papers(safeguard):
  tx = optax.contrib.prodigy(
    rise, (0.8, 0.95), estim_lr0=1e-3, weight_decay=0.1,
    safeguard_warmup=safeguard,
  )  # fmt: skip
  tx = learning_rate_free.guard(tx)
  paper = prodigy(0.8, 0.95, 0.1, 1e-3, safeguard)
  wanted = check(tx, paper, steps=2 * STEPS)
  assert np.abs(wanted[-1] - START).max() > 0.1


@pytest.mark.parametrize('layerwise', [False, True])
def test_dog_is_the_papers(layerwise):
  tx = optax.contrib.dog(rise, ('heuristic', 1e-2), weight_decay=0.1)
  if layerwise:
    tx = dog.each(tx, tree(START))
  layers = [slice(0, 6), slice(6, 10)] if layerwise else [slice(0, 10)]
  check(tx, distance_over_gradients(1e-2, 0.1, layers))


def test_dowg_is_the_papers():
  tx = optax.contrib.dowg(rise, init_estim_sq_dist=0.01, weight_decay=0.1)
  check(tx, dowg(0.01, 0.1))


def test_mechanic_is_the_papers_but_for_a_clip():
  """Its authors clip what they bet on to the largest bet so far since then."""
  tx = optax.contrib.mechanize(optax.sgd(rise), s_init=1e-2)
  clipped = check(tx, mechanic(1e-2, 0.01, clip=True))
  free = np.array(list(itertools.islice(mechanic(1e-2, 0.01, False), STEPS)))
  assert np.abs(free - clipped).max() > 0.1 * np.abs(clipped - START).max()


@pytest.mark.parametrize('estimate', [False, True])
def test_momo_is_the_papers(estimate):
  tx = optax.contrib.momo(
    rise, beta=0.8, lower_bound=0.2, weight_decay=0.3,
    adapt_lower_bound=estimate,
  )  # fmt: skip
  tx = learning_rate_free.proximal(tx, rise, 0.3)
  check(tx, momo(1.0, 0.8, 0.3, 0.2, estimate))


@pytest.mark.parametrize('estimate', [False, True])
def test_momo_adam_is_the_papers(estimate):

  def cap(t):
    return 0.5 * rise(t)

  tx = optax.contrib.momo_adam(
    cap, 0.8, 0.95, lower_bound=0.2, weight_decay=0.3,
    adapt_lower_bound=estimate,
  )  # fmt: skip
  tx = learning_rate_free.proximal(tx, cap, 0.3)
  check(tx, momo_adam(0.5, 0.8, 0.95, 0.3, 0.2, estimate))


def test_cocob_is_the_papers():
  check(optax.contrib.cocob(alpha=3.0, weight_decay=0.1), cocob(3.0, 0.1))


# Where optax is not what the authors have.


def test_optax_divides_only_half_of_momos_step_by_its_decay():
  """Why there is `proximal`: with c = 0.3, 30 % longer steps."""
  tx = optax.contrib.momo(1.0, weight_decay=0.3)
  theirs, _ = walk(tx, steps=1)
  ours, _ = walk(
    learning_rate_free.proximal(tx, optax.constant_schedule(1.0), 0.3), steps=1
  )
  decayed = START / 1.3
  np.testing.assert_allclose(
    theirs[0] - decayed, 1.3 * (ours[0] - decayed), rtol=1e-4, atol=1e-6
  )


def start_at_zero(t):
  return 0.1 * t


def from_zero(x, t):
  return slope(x, t) * (t > 1)


@pytest.mark.parametrize(
  'method', [optax.contrib.dadapt_adamw, optax.contrib.prodigy]
)
@pytest.mark.parametrize(
  ('rate', 'slope'), [(start_at_zero, slope), (1.0, from_zero)]
)
def test_nothing_learnt_at_first_is_not_nan_for_ever(method, rate, slope):
  """optax divides zero by zero where the first rate or gradient is zero."""
  theirs, _ = walk(method(rate), slope=slope)
  assert np.isnan(theirs[-1]).all()
  ours, state = walk(learning_rate_free.guard(method(rate)), slope=slope)
  assert np.isfinite(ours).all()
  assert (ours[0] == START.astype(np.float32)).all()
  assert float(state.estim_lr) > 1e-6


def test_a_gradient_that_is_nan_is_not_hidden():
  tx = learning_rate_free.guard(optax.contrib.prodigy(1.0))
  found, _ = walk(tx, 2, slope=lambda x, t: slope(x, t) * np.nan)
  assert np.isnan(found).all()


@pytest.mark.parametrize(
  'tx',
  [
    optax.contrib.dog(init_step=('heuristic', 1e-2)),
    optax.contrib.dowg(),
    optax.contrib.cocob(),
    optax.contrib.prodigy(estim_lr0=1e-3),
  ],
)
def test_zeros_for_initial_parameters_lead_elsewhere(tx):
  """These measure distances from where they started; `init` must know it."""
  right, _ = walk(tx)
  deceived = tx._replace(
    init=lambda params: tx.init(jax.tree.map(jnp.zeros_like, params))
  )
  wrong, _ = walk(deceived)
  assert np.abs(wrong - right).max() > 0.1 * np.abs(right - START).max()


def test_the_harness_hands_init_the_real_parameters():
  """AlgoPerf's own baselines hand it zeros."""
  workload = Digits(widths=(8,))
  keeper = optax.GradientTransformation(
    lambda params: params, lambda updates, state, params: (updates, state)
  )
  submission = from_optax(Task(workload, 100, 16, 1000), keeper)
  model = workload.init(jax.random.key(0))
  start = Start(model, jax.random.key(1), Drawn(workload, 16))
  state = next(submission.train(start)).state
  jax.tree.map(np.testing.assert_array_equal, state.opt, model.params)


def test_clipping_changes_the_distance_that_prodigy_estimates():
  """Ten times as long gradients do not; as long ones all along do.

  The estimate weighs gradients by their length.
  """
  tx = learning_rate_free.guard(optax.contrib.prodigy(estim_lr0=1e-2))

  def shrinking(x, t):
    return slope(x, t) / (1 + t) ** 2

  def longer(x, t):
    return 10 * shrinking(x, t)

  def clipped(x, t):
    return shrinking(x, t) * min(1.0, 1e-3 / np.linalg.norm(shrinking(x, t)))

  plain, same, other = (
    float(walk(tx, slope=how)[1].estim_lr)
    for how in (shrinking, longer, clipped)
  )
  assert same == pytest.approx(plain, rel=1e-3)
  assert abs(other - plain) > 0.1 * plain


def test_momo_needs_to_know_the_floor():
  """Half way to the best of c x^2 / 2 + 1 if it does; beyond it, if not."""

  def first(floor):
    tx = optax.contrib.momo(learning_rate=100.0, lower_bound=floor)
    state = tx.init(jnp.asarray(1.0))
    x, c = jnp.asarray(1.0), 0.5
    update, _ = tx.update(c * x, state, x, value=c * x**2 / 2 + 1)
    return float(x + update)

  assert first(1.0) == pytest.approx(0.5)
  assert first(0.0) == pytest.approx(0.5 - 1 / 0.5)


@pytest.mark.parametrize('times', [0.1, 10.0])
def test_a_rate_does_nothing_to_cocob(times):
  """It does not depend on the scale of gradients, all that a rate is to it."""
  plain, _ = walk(optax.contrib.cocob(1.0))
  scaled, _ = walk(optax.contrib.cocob(times))
  np.testing.assert_allclose(scaled, plain, rtol=1e-5)
