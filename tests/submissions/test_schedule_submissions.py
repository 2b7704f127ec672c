"""Submissions whose subject is the learning rate, against their formulas."""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import submissions
from runner.trial import checkpoint
from runner.trial.state_tree import Flattener
from submissions import rate_search
from submissions.algorithms import hypergradient, refined
from submissions.submission import Start, Task
from tests.support import quadratic_workload
from workloads.workload import Model, Workload

LOOPS = {'refined': 20, 'wsd_s': 20, 'auto_lrs': 80}  # And a task's steps.
loops = pytest.mark.parametrize('name', LOOPS)


@dataclasses.dataclass(frozen=True)
class Counting(Workload):
  """The given gradients, with a model state that counts steps."""

  loss_kind = 'absolute'
  source = fake_batch = predict = eval_stats = summarize = (
    quadratic_workload.Given.source
  )

  def init(self, key):
    return Model(quadratic_workload.Given().init(key).params, jnp.zeros(()))

  def forward(self, model, batch, key, dropout):
    outputs, _ = quadratic_workload.Given().forward(model, batch, key, dropout)
    return outputs, model.state + 1

  def losses(self, outputs, batch, label_smoothing):
    return quadratic_workload.Given().losses(outputs, batch, label_smoothing)


ADAMW = {'learning_rate': 0.008, 'one_minus_beta1': 0.1, 'weight_decay': 0.05}


def built(name, steps=20, per_dispatch=1, **changes):
  entry = submissions.find(name)
  point = {k: v for k, v in entry.self_point.items() if k != 'label_smoothing'}
  point |= {name: value for name, value in ADAMW.items() if name in point}
  task = quadratic_workload.task()._replace(
    steps=steps, per_dispatch=per_dispatch
  )
  return submissions.make(entry.path, task, point | changes)


def begin(drawn=0, state=None):
  """A start after so many batches; they go round."""

  def batches(size, stack=1):
    nonlocal drawn
    while True:
      grads = [quadratic_workload.GRADS[(drawn + i) % 10] for i in range(stack)]
      drawn += stack
      many = [
        {'g': jax.tree.map(jnp.float32, g), 'weights': jnp.ones(1)}
        for g in grads
      ]
      yield (
        many[0] if stack == 1 else jax.tree.map(lambda *x: jnp.stack(x), *many)
      )

  model = quadratic_workload.Given().init(None)
  return Start(model, jax.random.key(0), batches, state=state)


def copied(state):
  """As a checkpoint keeps it: the loop donates its own."""
  return jax.tree.map(
    lambda x: jnp.copy(x) if isinstance(x, jax.Array) else x, state
  )


def run(name, start=None, **changes):
  submission = built(name, **changes)
  for state in submission.train(start or begin()):
    yield submission, copied(state), submission.scalars(state)


def params(submission, state):
  return jax.tree.map(np.array, submission.model(state).params)


def flat(tree):
  return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


def assert_same(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


@loops
def test_it_resumes_to_the_bit_from_everywhere(name, tmp_path):
  """Also where one run or one rate is followed by the next.

  A checkpoint fits only what has the same structure, so it is the same in every
  phase.
  """
  steps = LOOPS[name]
  submission = built(name, steps=steps)
  whole = [copied(state) for state in submission.train(begin())]
  assert len(whole) == steps
  for cut in range(1, steps, steps // 20):
    folder = tmp_path / str(cut)
    checkpoint.save(
      folder, cut, checkpoint.snapshot(Flattener()(whole[cut - 1]).leaves), {}
    )
    arrays = checkpoint.load(folder).arrays
    half = checkpoint.restore(whole[0], arrays)
    again = submission.train(begin(cut, half))
    for state, expected in zip(again, whole[cut : cut + 2], strict=False):
      assert_same(state, expected)
  *_, last = submission.train(begin(steps // 2, copied(whole[steps // 2 - 1])))
  assert_same(last, whole[-1])


@loops
def test_all_its_phases_are_one_compiled_step(name, caplog):
  """A second compilation would be on the clock: seconds of a short race."""
  with jax.log_compiles():
    assert list(built(name, steps=LOOPS[name]).train(begin()))
  compiled = [
    record.getMessage()
    for record in caplog.records
    if record.getMessage().startswith('Compiling jit(advance)')
  ]
  assert len(compiled) == 1


@loops
def test_several_steps_at_once_make_as_many_steps(name):
  loop = built(name, steps=LOOPS[name], per_dispatch=2).train(begin())
  assert 2 * sum(1 for _ in loop) == LOOPS[name]


@pytest.mark.parametrize('name', [*LOOPS, 'hypergradient'])
def test_scalars_outlive_the_steps_after_them(name):
  """Recorded some states later, when the state itself has been donated.

  A rate that is part of the optimizer's state would be gone by then.
  """
  submission = built(name)
  loop = submission.train(begin())
  kept = [submission.scalars(next(loop)) for _ in range(6)]
  for scalars in kept:
    assert all(math.isfinite(float(x)) for x in scalars.values())


def recorded(name, steps, **changes):
  made = run(name, **changes)
  return [
    float(s['learning_rate']) for _, _, s in itertools.islice(made, steps)
  ]


def test_refined_trains_twice_the_second_time_as_the_first_one_taught_it():
  """A quarter of 20 steps decay linearly; the other 15 follow their norms."""
  rates = recorded('refined', 100, share=0.25, warmup=0.4)
  first = 0.008 * np.minimum(np.arange(1, 6) / 2, 1) * (1 - np.arange(5) / 5)
  np.testing.assert_allclose(rates[:5], first, rtol=1e-5)
  norms = [np.abs(flat(g)).sum() for g in quadratic_workload.GRADS[:5]]
  table = np.interp(
    np.arange(15) / 15 * 4, np.arange(5), refined.refine(np.array(norms))
  )
  second = 0.008 * np.minimum(np.arange(1, 16) / 6, 1) * table
  np.testing.assert_allclose(rates[5:], second, rtol=1e-5)


def test_refined_begins_again_from_the_initial_parameters():
  """Adam's first step is the sign of the gradient; moments are new as well."""
  after = list(itertools.islice(run('refined', share=0.25), 6))
  submission, state, scalars = after[-1]
  rate, gradient = float(scalars['learning_rate']), quadratic_workload.GRADS[5]
  expected = jax.tree.map(
    lambda w, g: w - rate * (np.sign(g) + 0.05 * w),
    quadratic_workload.FIRST,
    gradient,
  )
  assert (state.number, state.inner.done) == (1, 1)
  quadratic_workload.assert_close(params(submission, state), expected)


def test_wsd_s_is_adamw_at_those_rates_and_never_goes_back():
  """Ten steps with a decay that ends after the seventh, and the jump."""

  def update(t, w, g, memory, role):
    return quadratic_workload.adam(t, g, memory, 0.9, 0.999) + 0.05 * w

  made = list(itertools.islice(run('wsd_s', shares=[0.35, 1.0], decay=0.4), 10))
  rates = [float(scalars['learning_rate']) for *_, scalars in made]
  low = [1 / (1 - x + 10 * x) for x in (1 / 3, 2 / 3, 1)]
  np.testing.assert_allclose(
    rates, 0.008 * np.array([1, 1, 1, 1, *low, 1, 1, 1]), rtol=1e-5
  )
  for (_, state, _), expected in zip(
    made, quadratic_workload.follow(rates, update), strict=True
  ):
    found = jax.tree.map(np.array, state.inner.state.model.params)
    quadratic_workload.assert_close(found, expected)


def test_wsd_s_shows_the_decayed_model_while_the_rate_is_high():
  """An evaluation after the jump would see none of what the decay gained."""
  made = list(run('wsd_s', shares=[0.4, 1.0], decay=0.25))
  running = [
    jax.tree.map(np.array, state.inner.state.model) for _, state, _ in made
  ]
  for done, (submission, state, _) in enumerate(made, start=1):
    high = 8 < done <= 17  # The second decay begins after 17 steps.
    expected = running[(8 if high else done) - 1]
    assert_same(submission.model(state), expected)


def test_wsd_s_shows_the_batch_norm_statistics_of_the_decayed_model():
  """Those of the running point belong to other parameters."""
  task = Task(Counting(), 8, 1, 100)
  entry = submissions.find('wsd_s')
  point = entry.self_point | {'shares': [0.25, 1.0], 'label_smoothing': 0.0}
  submission = submissions.make(entry.path, task, point)
  start = begin()._replace(model=Counting().init(None))
  shown = [float(submission.model(s).state) for s in submission.train(start)]
  assert shown == [1, 2, 2, 2, 2, 2, 2, 8]


def test_auto_lrs_tries_every_rate_from_the_stages_start():
  """Four steps each of five rates, from the same point, then twenty of one."""
  made = list(run('auto_lrs', steps=80, weight_decay=0.0))
  assert len(made) == 80
  for stage in range(2):
    turns = made[40 * stage : 40 * stage + 40]
    tried = [float(scalars['learning_rate']) for *_, scalars in turns[:20:4]]
    assert len(set(tried)) == 5
    best = turns[20][1].turn
    assert best.rate == best.rates[int(np.argmin(best.forecasts))]
    assert best.rates == pytest.approx(tuple(tried))
    for first in turns[:21:4]:
      _, state, scalars = first
      assert_same(state.origin, turns[0][1].origin)
      moved = flat(state.inner.state.model.params) - flat(
        state.origin.model.params
      )
      rate = float(scalars['learning_rate'])
      if stage == 0:  # Adam's first step: the sign of the gradient.
        np.testing.assert_allclose(np.abs(moved), rate, rtol=1e-2)
      assert np.abs(moved).max() < 3 * rate
    assert_same(params(*turns[19][:2]), params(*turns[0][:2]))
    assert_same(params(*turns[39][:2]), turns[39][1].inner.state.model.params)
  assert_same(made[40][1].origin.model, made[39][1].inner.state.model)


def test_auto_lrs_forecasts_from_the_losses_of_the_turn():
  """And not from those of another rate, which are in the same places."""
  made = list(run('auto_lrs', steps=40))
  losses = [float(scalars['loss']) for *_, scalars in made[:20]]
  expected = [np.mean(losses[i + 2 : i + 4]) for i in range(0, 20, 4)]
  found = made[20][1].turn.forecasts
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_rate_that_fails_does_not_end_the_trial():
  """The harness ends a trial whose loss is not finite; a search must fail."""
  submission = built('auto_lrs')
  state = next(submission.train(begin()))
  scalars = {'loss': jnp.array(jnp.nan), 'grad_norm': jnp.array(jnp.inf)}
  failed = state._replace(inner=state.inner._replace(scalars=scalars))
  assert all(np.isfinite(float(x)) for x in submission.scalars(failed).values())
  trains = failed._replace(turn=failed.turn._replace(number=5))
  assert np.isnan(float(submission.scalars(trains)['loss']))

  plan = rate_search.Plan([4], 3, 1e-4, 1e-2)
  turn = rate_search.opening(plan, 0)
  for losses in ([1.0, np.nan, 1, 1], [3.0] * 4, [2.0] * 4):
    turn = rate_search.following(plan, turn, np.array(losses))
  assert turn.forecasts == (1e6, 3.0, 2.0)
  assert turn.rate == turn.rates[2]
  assert rate_search.trains(plan, turn)
  assert rate_search.length(plan, turn) == 12


def test_hypergradient_is_the_formula():
  """The rate of every step, and the parameters, in plain numpy.

  The schedule rises for five steps, and then falls.
  """
  step, bound, b1, b2, decay = 0.5, 1.4, 0.9, 0.999, 0.05
  made = list(
    itertools.islice(
      run(
        'hypergradient', step=step, bound=bound, schedule='cosine', warmup=0.25
      ),
      10,
    )
  )  # fmt: skip
  rates = quadratic_workload.moving(0.008, 0.25, 20)
  w, m, v, last, factor = flat(quadratic_workload.FIRST), 0.0, 0.0, None, 1.0
  factors = []
  for t, grads in enumerate(quadratic_workload.GRADS, start=1):
    g = flat(grads)
    if last is not None:
      cosine = g @ last / np.linalg.norm(g) / np.linalg.norm(last)
      factor = min(max(factor * (1 + step * cosine), 1 / bound), bound)
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
    last = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
    rate = rates[t - 1] * factor
    w = w - rate * (last + decay * w)
    submission, state, scalars = made[t - 1]
    assert float(scalars['learning_rate']) == pytest.approx(rate, rel=1e-4)
    np.testing.assert_allclose(flat(params(submission, state)), w, rtol=1e-4)
    factors.append(factor)
  assert len(set(factors)) > 5


@pytest.mark.parametrize(('sign', 'end'), [(1, 3.0), (-1, 1 / 3)])
def test_agreeing_gradients_raise_the_rate_up_to_the_bound(sign, end):
  tx = hypergradient.hypergradient(lambda t: 0.1, 0.0, 0.9, 0.0, 0.5, 3.0)
  w = jnp.ones(4)
  state, gradient = tx.init(w), jnp.arange(1.0, 5.0)
  for _ in range(12):
    _, state = tx.update(gradient, state, w)
    gradient = sign * gradient
  assert float(state.factor) == pytest.approx(end)
  assert float(state.rate) == pytest.approx(0.1 * end)


def test_a_tiny_gradient_changes_the_rate_by_one_step_at_most():
  """Its squares are zero in float32: the rate once jumped to its bound."""
  tx = hypergradient.hypergradient(lambda t: 0.1, 0.9, 0.9, 0.0, 0.02, 3.0)
  w = jnp.ones(4)
  state = tx.init(w)
  for gradient in (jnp.ones(4), jnp.full(4, 1e-25)):
    before = float(state.factor)
    _, state = tx.update(gradient, state, w)
  assert 1.0 <= float(state.factor) / before <= 1.02 + 1e-6


def test_a_gradient_of_zero_leaves_the_rate_alone():
  tx = hypergradient.hypergradient(lambda t: 0.1, 0.9, 0.9, 0.0, 0.5, 3.0)
  w = jnp.ones(4)
  state = tx.init(w)
  for gradient in (jnp.zeros(4), jnp.zeros(4)):
    update, state = tx.update(gradient, state, w)
    np.testing.assert_array_equal(update, jnp.zeros(4))
  assert float(state.factor) == 1


def test_adamws_points_differ_from_its_own_in_nothing_but_the_schedule():
  """One cycle is also defined by its long rise."""
  entry = submissions.find('adamw')
  for name, point in entry.points.items():
    changed = {k: v for k, v in point.items() if entry.self_point.get(k) != v}
    assert changed.pop('schedule') == name
    assert changed == ({'warmup': 0.3} if name == 'one_cycle' else {})


@pytest.mark.parametrize(
  ('schedule', 'ends'),
  [('cosine', True), ('linear', True), ('inverse_sqrt', False)],
)
def test_adamw_ends_where_the_rate_does(schedule, ends):
  loop = run('adamw', steps=5, schedule=schedule)
  assert len(list(itertools.islice(loop, 8))) == (5 if ends else 8)


def test_adamw_of_a_misspelt_schedule_is_an_error():
  with pytest.raises(ValueError, match=r"'liner'.*'linear'"):
    built('adamw', schedule='liner')
