"""Forecasts of curves whose truth is known."""

import dataclasses
import math

import numpy as np
import pytest

from scoring.forecast import annealing, curve as curves, mixture
from scoring.forecast.baselines import last_value, pow3
from scoring.forecast.curve import Case, Scale
from scoring.forecast.nearest import nearest
from scoring.forecast.parametric import parametric
from scoring.forecast.paths import outlook, quantiles, widened

BY = Scale('lower', 0.1, 1.0, 0.0)
STEPS = np.arange(10, 401, 10)
LAST = 400
EVERYONE = {**mixture.BASELINES, **mixture.FORECASTERS}


def cosine(last=LAST):
  return (1 + np.cos(math.pi * np.arange(last) / last)) / 2


def seen(distances, share=1.0, rates=None, by=BY):
  """Return the first part of a curve that has these distances."""
  made = curves.curve(STEPS, by.value(distances), LAST, by, rates)
  return made.until(share)


def power_law(end, exponent=0.5):
  """Fall from 1 at the first evaluation to `end` at the last one."""
  way = (STEPS**-exponent - LAST**-exponent) / (10**-exponent - LAST**-exponent)
  return end + (1 - end) * way


def median(found):
  return float(quantiles(found.best, found.weights, [0.5])[0])


def test_the_last_value_stays():
  case = curves.case(seen(power_law(0.2), 0.3))
  found = outlook(case, last_value(case))
  assert found.chance == 0
  assert found.best == [case.seen.best]


@pytest.mark.parametrize('end', [-0.08, 0.4])
def test_power_laws_are_continued(end):
  truth = power_law(end)
  case = curves.case(seen(truth, 0.4))
  assert median(outlook(case, pow3(case))) == pytest.approx(end, abs=0.01)
  found = outlook(case, parametric(case))
  low, high = quantiles(found.best, found.weights, [0.05, 0.95])
  assert low < end < high
  assert (found.chance > 0.5) == (end < 0)


def test_the_step_to_the_target_is_foreseen():
  truth = power_law(-0.2)
  hit = STEPS[(truth <= 0).argmax()]
  case = curves.case(seen(truth, 0.9 * hit / LAST))
  for forecaster in (pow3, parametric):
    found = outlook(case, forecaster(case))
    assert found.steps([0.5])[0] == pytest.approx(hit, rel=0.15)


def test_the_nearest_trials_are_followed():
  """A late drop that the trial itself does not show yet."""
  late = np.where(STEPS < 300, 0.8, 0.8 - (STEPS - 300) * 0.0075)
  never = np.full(len(STEPS), 0.95)
  finished = [seen(late + n * 0.01) for n in range(-2, 3)]
  finished += [seen(never + n * 0.01) for n in range(-2, 3)]
  rising, flat = (
    outlook(case, nearest(case))
    for case in (
      curves.case(seen(late, 0.6), finished),
      curves.case(seen(never, 0.6), finished),
    )
  )
  assert median(rising) == pytest.approx(0.05, abs=0.03)
  assert median(flat) == pytest.approx(0.93, abs=0.03)
  assert flat.chance == 0


def test_trials_that_ended_at_the_target_tell_of_it():
  truth = power_law(-0.3)
  hit = (truth <= 0).argmax()
  finished = [
    seen(truth + n * 0.01).until(STEPS[hit] / LAST + n * 0.02) for n in range(5)
  ]
  case = curves.case(seen(truth, 0.2), finished)
  found = outlook(case, nearest(case))
  assert found.chance > 0.9
  assert found.steps([0.5])[0] == pytest.approx(STEPS[hit], rel=0.2)


@pytest.mark.parametrize('momentum', [0.98, 0.999])
def test_the_annealing_law_recovers_its_parameters(momentum):
  law = annealing.Law(level=2.0, forward=0.8, anneal=0.01, exponent=0.6)
  s1, s2 = annealing.areas(cosine(), momentum)
  found = annealing.fit(law.values(s1, s2), s1, s2)
  assert found == pytest.approx(law, rel=1e-4)


def test_areas_by_hand():
  """λ = 1/2: falls 0, 1, 2 have momenta 0, 1, 2.5."""
  s1, s2 = annealing.areas(np.array([4.0, 3.0, 1.0]), 0.5)
  assert s1.tolist() == [4, 7, 8]
  assert s2.tolist() == [0, 1, 3.5]


def test_only_the_annealing_law_knows_what_a_decay_brings():
  """Two schedules with the same past: one decays at the end, one does not."""
  constant = np.ones(LAST)
  decays = np.where(np.arange(LAST) < 280, 1, 1 - (np.arange(LAST) - 280) / 120)
  law = annealing.Law(level=0.3, forward=0.7, anneal=0.03, exponent=0.3)

  def truth(rates):
    return law.values(*annealing.areas(rates, 0.95))[STEPS - 1]

  first, last = truth(constant)[0], truth(decays)[-1]
  scaled = {
    name: (truth(rates) - last) / (first - last)
    for name, rates in (('constant', constant), ('decays', decays))
  }
  # Trials of the past say how much a decay is worth.
  finished = [
    seen(scaled['decays'] + n * 0.01, rates=decays) for n in range(-3, 4)
  ]
  found = {}
  for name, rates in (('constant', constant), ('decays', decays)):
    case = curves.case(seen(scaled[name], 0.65, rates), finished)
    found[name] = median(outlook(case, annealing.annealing(case)))
  assert found['decays'] == pytest.approx(0, abs=0.1)
  assert found['constant'] > found['decays'] + 0.1


def test_the_annealing_law_needs_a_schedule():
  case = curves.case(seen(power_law(0.2), 0.4))
  assert annealing.annealing(case) is None


@pytest.mark.parametrize('name', EVERYONE)
@pytest.mark.parametrize('count', [1, 2, 5])
def test_few_evaluations_are_enough(name, count):
  finished = [seen(power_law(n / 5), rates=cosine()) for n in range(4)]
  case = curves.case(
    seen(power_law(0.2), STEPS[count - 1] / LAST, cosine()), finished
  )
  found = outlook(case, EVERYONE[name](case))
  assert np.isfinite(found.best).all()
  assert 0 <= found.chance <= 1
  assert found.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize('finished', [0, 6])
@pytest.mark.parametrize(
  'values',
  [
    [],
    [math.nan] * 4,
    [0.5] * 4,
    [1e300, 2.0, 0.9, 0.8],
    [0.9, 0.05, 0.4, 0.4],
  ],
  ids=['none', 'all NaN', 'constant', 'diverged', 'reached'],
)
def test_the_mixture_has_a_forecast_of_everything(values, finished):
  others = [seen(power_law(n / 6)) for n in range(finished)]
  made = curves.curve(STEPS[: len(values)], values, LAST, BY)
  case = curves.case(made, others)
  found = mixture.forecast(case)
  assert not np.isnan(found.best).any()
  assert found.weights.sum() == pytest.approx(1)
  assert (found.best <= made.best).all()
  if made.reached:
    assert found.chance == pytest.approx(1)
    assert (found.steps([0.1, 0.9]) == STEPS[1]).all()


def test_nothing_is_ahead_at_the_end():
  case = curves.case(seen(power_law(0.3)))
  found = mixture.forecast(case)
  assert found.chance == 0
  assert found.values([0.1, 0.9], BY) == pytest.approx([BY.value(0.3)] * 2)


def test_higher_is_better_is_the_mirror_of_lower():
  higher = Scale('higher', 0.9, 0.0, 1.0)
  truth = power_law(-0.1)
  low, high = (
    mixture.forecast(curves.case(seen(truth, 0.4, by=by)))
    for by in (BY, higher)
  )
  assert high.chance == pytest.approx(low.chance)
  assert high.values([0.2, 0.8], higher) == pytest.approx(
    1 - low.values([0.2, 0.8], BY)
  )


def test_the_same_case_has_the_same_forecast():
  case = curves.case(seen(power_law(0.1), 0.3))
  one, two = mixture.forecast(case), mixture.forecast(case)
  assert (one.best == two.best).all()
  assert (one.share == two.share).all()


def test_intervals_cover_what_they_say():
  """Noisy power laws, 40 % seen, beside trials of the same kind."""
  rng = np.random.default_rng(1)
  truths = [
    power_law(rng.uniform(-0.2, 0.6), rng.uniform(0.2, 1.5))
    + 0.01 * rng.standard_normal(len(STEPS))
    for _ in range(60)
  ]
  finished = [seen(truth) for truth in truths[:20]]
  inside = 0
  for truth in truths[20:]:
    found = mixture.forecast(curves.case(seen(truth, 0.4), finished))
    low, high = quantiles(found.best, found.weights, [0.05, 0.95])
    inside += low <= truth.min() <= high
  assert inside >= 33  # Of 40; the binomial 1 % quantile of 90 % is 31.


def test_widening_keeps_the_median():
  case = curves.case(seen(power_law(0.3), 0.4))
  paths = parametric(case)
  wide = widened(paths, 2)
  middle = np.median(paths.distances, axis=0)
  assert np.median(wide.distances, axis=0) == pytest.approx(middle)
  spread = [np.std(one.distances, axis=0) for one in (paths, wide)]
  assert spread[1] == pytest.approx(2 * spread[0])


def test_weights_are_those_of_a_mixture():
  for weights in mixture.WEIGHTS.values():
    assert set(weights) <= set(mixture.MEMBERS)
    assert sum(weights.values()) == pytest.approx(1, abs=0.03)
    assert min(weights.values()) > 0
  for when in ('early', 'late'):
    for alone in ('', ', alone'):
      for rates in ('', ', rates'):
        assert when + alone + rates in mixture.WEIGHTS


def long_case(last):
  """Return a fresh case of `last` steps: nothing of it is cached."""
  rates = cosine(last)
  finished = [
    curves.curve(STEPS * (last // LAST), BY.value(power_law(end)), last, BY)
    for end in np.linspace(0, 0.5, 10)
  ]
  known = [dataclasses.replace(one, rates=rates) for one in finished]
  return curves.case(known[5].until(0.4), known)


def test_thinned_rates_have_the_same_forecast():
  short, long = (annealing.annealing(long_case(n)) for n in (800, 8000))
  middles = [np.median(one.distances, axis=0) for one in (short, long)]
  np.testing.assert_allclose(*middles, atol=0.01)


def test_a_case_without_anything_is_the_farthest():
  nothing = curves.curve([], [], LAST, BY)
  found = mixture.forecast(Case(nothing, (), np.array([0.5, 1.0])))
  assert found.chance == 0
