"""Every schedule against its formula in plain numpy, and at its edges."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import ndimage

from submissions import schedules
from submissions.algorithms import refined, wsd_s

PEAK, STEPS, FIRST = 0.5, 100, 20  # A warmup of 20 steps.
DECAYING = ('cosine', 'linear', 'rex', 'wsd', 'power', 'one_cycle')
every = pytest.mark.parametrize('kind', schedules.KINDS)


def rates(schedule, count):
  """Under jit, with traced steps."""
  return np.array(jax.jit(jax.vmap(schedule))(jnp.arange(count)), float)


def made(kind, warmup=FIRST / STEPS, steps=STEPS, count=STEPS + 20):
  schedule, _ = schedules.by_name(kind, PEAK, warmup, steps)
  return rates(schedule, count)


def share(t, begin, end):
  return min(max((t - begin) / (end - begin), 0.0), 1.0)


def rex(t):
  left = 1 - share(t, 20, 100)
  return left / (1 / 2 + left / 2)


def infinite(t):
  """Cosine from 20 to 40 down to a half; from 80, by decades to 1 %."""
  cosine = (1 + math.cos(math.pi * share(t, 20, 40))) / 2
  return (0.5 + 0.5 * cosine) * 0.02 ** share(t, 80, 100)


def power(t):
  """Of n = t + 1 steps made, from 20 on; the last ten fall linearly."""
  return min(1.0, ((t + 1) / 20) ** -0.51) * (1 - share(t, 90, 100))


def one_cycle(t):
  """To 4 % at step 85 in a straight line from the top at 20; then to zero."""
  return np.interp(t, [20, 85, 100], [1.0, 0.04, 0.0])


AFTER_WARMUP = {  # By t >= 20, relative to the peak.
  'cosine': lambda t: (1 + math.cos(math.pi * share(t, 20, 100))) / 2,
  'linear': lambda t: 1 - share(t, 20, 100),
  'constant': lambda t: 1.0,
  'rex': rex,
  'wsd': lambda t: 1 - math.sqrt(share(t, 80, 100)),
  'power': power,
  'infinite': infinite,
  'inverse_sqrt': lambda t: math.sqrt(20 / (t + 1)),
  'one_cycle': one_cycle,
}  # fmt: skip


@every
def test_a_schedule_is_its_formula(kind):
  found = made(kind)
  expected = [PEAK * AFTER_WARMUP[kind](t) for t in range(FIRST, len(found))]
  np.testing.assert_allclose(found[FIRST:], expected, rtol=1e-4, atol=1e-6)


@every
def test_the_warmup_rises_in_a_line_to_the_peak_and_is_never_zero(kind):
  found = made(kind)
  line = PEAK * np.arange(1, FIRST + 1) / FIRST
  if kind == 'one_cycle':  # From low at the first step to the peak at FIRST.
    line = PEAK * np.linspace(0.04, 1, FIRST + 1)[:-1]
  np.testing.assert_allclose(found[:FIRST], line, rtol=1e-5)
  assert found.max() == pytest.approx(PEAK)


@every
def test_nothing_jumps(kind):
  """Of a thousand steps; WSD's decay begins with the slope of a root."""
  change = np.abs(np.diff(made(kind, steps=1000, count=1020))).max()
  assert change < PEAK * (0.08 if kind == 'wsd' else 0.02)


@every
def test_beyond_the_horizon_nothing_grows(kind):
  found = made(kind, count=4 * STEPS)[STEPS:]
  assert np.isfinite(found).all()
  assert (found >= 0).all()
  assert (np.diff(found) <= 0).all()
  if kind in DECAYING:
    np.testing.assert_allclose(found, 0, atol=1e-6)
  else:
    assert (found > 0).all()


@every
@pytest.mark.parametrize('warmup', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('steps', [1, 2, 3, 7])
def test_the_shortest_runs_have_rates(kind, steps, warmup):
  """From the first step on, up to the peak, whatever is rounded to nothing."""
  found = made(kind, warmup, steps, steps + 5)
  assert np.isfinite(found).all()
  assert (found >= 0).all()
  assert (found[:steps] > 0).all()
  assert found.max() == pytest.approx(PEAK)


@every
def test_a_python_step_is_enough(kind):
  """Hosts ask, too: without jit and without an array."""
  schedule, _ = schedules.by_name(kind, PEAK, 0.2, STEPS)
  top = FIRST if kind == 'one_cycle' else FIRST - 1
  assert float(schedule(top)) == pytest.approx(PEAK)


@pytest.mark.parametrize('steps', [10, 97, 1000])
@pytest.mark.parametrize('warmup', [0.1, 0.3])
def test_one_cycle_is_that_of_optax_at_every_step(warmup, steps):
  """Its peak was one step early. At the end optax has 4e-6 of it, not zero."""
  theirs = optax.linear_onecycle_schedule(steps, PEAK, warmup)
  found = made('one_cycle', warmup, steps, steps)
  np.testing.assert_allclose(found, rates(theirs, steps), atol=4e-6 * PEAK)


def test_rex_with_beta_one_is_linear():
  found = rates(schedules.warmup_rex(PEAK, 0.2, STEPS, beta=1.0), STEPS)
  np.testing.assert_allclose(found, made('linear', count=STEPS), atol=1e-7)


def test_rex_is_the_papers_and_not_the_copied_one():
  """1/2 + (1 - s)/2 below; much copied code has 1/10 + 9/10 (1 - s)."""
  halfway = made('rex')[60] / PEAK
  assert halfway == pytest.approx(2 / 3)
  assert abs(halfway - 0.5 / 0.55) > 0.2


def test_endless_schedules_are_those_that_do_not_decay_to_the_horizon():
  """AdamW goes on beyond the steps with these; infinite has an end."""
  for kind in schedules.KINDS:
    beyond = made(kind)[STEPS] / PEAK
    assert (beyond > 0.1) == (kind in schedules.ENDLESS), kind


def test_a_misspelt_schedule_is_an_error_that_helps():
  with pytest.raises(ValueError, match=r"'cosin'.*mean 'cosine'.*rex"):
    schedules.by_name('cosin', 1.0, 0.1, 10)


def test_wsd_s_decays_at_each_end_and_jumps_back():
  """Ends 30, 50, 100 of 100: the last tenth of each cycle decays."""
  at = wsd_s.decays([0.3, 0.5, 1.0], 0.1, STEPS)
  assert at == wsd_s.Decays([27, 48, 95], [30, 50, 100])
  found = rates(wsd_s.warmup_wsd_s(PEAK, 0.2, STEPS, at, 0.1), STEPS + 10)
  expected = np.full(STEPS + 10, PEAK)
  expected[:20] = PEAK * np.arange(1, 21) / 20
  for begin, end in ((27, 30), (48, 50), (95, 100)):
    x = np.arange(1, end - begin + 1) / (end - begin)
    expected[begin:end] = 1 / ((1 - x) / PEAK + x / (0.1 * PEAK))
  expected[100:] = 0.1 * PEAK
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_wsd_s_ends_on_whole_dispatches():
  """The decayed parameters can be taken only where the loop yields."""
  at = wsd_s.decays([0.333, 0.5, 1.0], 0.2, 96, stride=8)
  assert at.ends == [32, 48, 96]


@pytest.mark.parametrize('steps', [1, 2, 3, 5])
def test_wsd_s_has_rates_in_the_shortest_runs(steps):
  at = wsd_s.decays([0.333, 0.5, 0.667, 1.0], 0.1, steps)
  found = rates(wsd_s.warmup_wsd_s(PEAK, 0.5, steps, at, 0.1), steps + 3)
  assert ((found > 0) & (found <= PEAK + 1e-6)).all()


def test_constant_norms_are_refined_to_linear_decay():
  """1 - t/T, exactly, also for a horizon that is not the recorded one."""
  factors = refined.refine(np.full(40, 3.0))
  np.testing.assert_allclose(factors, 1 - np.arange(40) / 39)
  for steps in (1, 2, 17, 40, 500):
    found = refined.stretched(factors, steps)
    np.testing.assert_allclose(found, 1 - np.arange(steps) / steps)


@pytest.mark.parametrize('power', [1, 2])
@pytest.mark.parametrize('steps', [30, 101])
def test_refined_factors_are_the_papers(steps, power):
  """w_t = G_t^-p of smoothed norms; eta_t = w_t sum_{p>t} w_p, largest one."""
  norms = np.exp(np.random.default_rng(0).normal(size=steps))
  width = 2 * math.floor(0.1 * steps / 2) + 1
  mirrored = norms[-2 : -2 - 2 * width : -1]
  smooth = ndimage.median_filter(
    np.concatenate([norms, mirrored]), size=width, mode='nearest'
  )[:steps]
  w = smooth ** (-power)
  eta = np.array([w[t] * w[t + 1 :].sum() for t in range(steps)])
  found = refined.refine(norms, power)
  np.testing.assert_allclose(found, eta / eta.max(), rtol=1e-9, atol=1e-12)
  assert found.max() == 1
  assert found[-1] == 0


def test_large_first_gradients_make_a_warmup_and_last_ones_a_fast_end():
  norms = np.ones(100)
  norms[:20] = np.linspace(5, 1, 20)
  norms[80:] = np.linspace(1, 5, 20)
  factors = refined.refine(norms)
  assert factors[0] < 0.3
  assert 10 < factors.argmax() < 30
  assert factors[90] < 0.4 * (1 - 0.9)


@pytest.mark.parametrize('norms', [[0.0], [0.0, 0.0], [2.0, 0.0, 1.0]])
def test_gradients_of_zero_are_refined_to_numbers(norms):
  """A divisor of zero would make every later rate NaN."""
  factors = refined.refine(np.array(norms))
  assert np.isfinite(factors).all()
  assert ((factors >= 0) & (factors <= 1)).all()
  assert np.isfinite(refined.stretched(factors, 5)).all()
