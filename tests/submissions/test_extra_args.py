"""What optax's documentation hands to `update` reaches it from `from_optax`.

The loss is <w, g> + |w|^2 / 2 on one batch: its minimum is at w = -g.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from submissions import extra_args
from submissions.submission import Start, Task, from_optax
from tests.submissions.test_every_submission import TINY, Drawn
from tests.support import quadratic_workload as given

PROBLEM = given.Given(1.0)
BATCH = next(given.batches(1))


def steps(tx, count=8, per_dispatch=1, **options):
  task = Task(PROBLEM, 100, 1, 100, per_dispatch)
  submission = from_optax(task, tx, **options)
  batch = BATCH
  if per_dispatch > 1:
    batch = jax.tree.map(lambda x: jnp.stack([x] * per_dispatch), BATCH)
  start = Start(
    PROBLEM.init(None), jax.random.key(0), lambda *_: itertools.repeat(batch)
  )
  for state in itertools.islice(submission.train(start), count):
    params = jax.tree.map(np.array, submission.model(state).params)
    yield params, float(submission.scalars(state)['loss'])


def distance(params):
  """To the minimum."""
  away = jax.tree.map(lambda w, g: w + np.asarray(g), params, BATCH['g'])
  return float(np.sqrt(sum((x**2).sum() for x in jax.tree.leaves(away))))


SEARCHES = {
  'lbfgs': optax.lbfgs(),
  'zoom': optax.chain(
    optax.sgd(1.0), optax.scale_by_zoom_linesearch(max_linesearch_steps=15)
  ),
  'backtracking': optax.chain(
    optax.adam(1.0),
    optax.scale_by_backtracking_linesearch(15, store_grad=True),
  ),
}


@pytest.mark.parametrize('name', SEARCHES)
def test_line_searches_search(name):
  """They ask for value, grad and value_fn, and refuse what they do not know."""
  found = list(steps(SEARCHES[name], 6))
  losses = [loss for _, loss in found]
  assert losses == sorted(losses, reverse=True)
  assert distance(found[-1][0]) < (5.0 if name == 'backtracking' else 1e-3)


def test_a_search_sees_the_gradient_before_it_is_clipped():
  """The slope along an update is that of the loss, however short the update."""

  def keeping(params):
    return params

  def update(updates, state, params=None, *, grad, **given):
    return updates, grad

  tx = optax.GradientTransformationExtraArgs(keeping, update)
  submission = from_optax(Task(PROBLEM, 100, 1, 100), tx, grad_clip=0.1)
  start = Start(
    PROBLEM.init(None), jax.random.key(0), lambda *_: itertools.repeat(BATCH)
  )
  state = next(submission.train(start))
  expected = jax.tree.map(np.add, start.model.params, BATCH['g'])
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
    state.state.opt, expected,
  )  # fmt: skip


SAM = {
  'opaque': lambda: optax.contrib.sam(
    optax.sgd(0.5),
    optax.chain(optax.contrib.normalize(), optax.sgd(0.3)),
    opaque_mode=True,
  ),
  'transparent': lambda: optax.contrib.sam(
    optax.sgd(0.5), optax.chain(optax.contrib.normalize(), optax.sgd(0.3))
  ),
}
SAM['in a chain'] = lambda: optax.chain(optax.identity(), SAM['opaque']())
SAM['masked'] = lambda: optax.masked(SAM['opaque'](), lambda params: True)


@pytest.mark.parametrize('mode', SAM)
def test_sam_of_optax_takes_its_second_gradient(mode):
  """It takes no keyword but grad_fn. Of a quadratic: -0.5 (g + 0.3 g / |g|)."""
  count = 2 if mode == 'transparent' else 1
  *_, (params, _) = steps(SAM[mode](), count)
  first = jax.tree.map(np.array, PROBLEM.init(None).params)
  slope = jax.tree.map(lambda w, g: w + np.asarray(g), first, BATCH['g'])
  longer = 1 + 0.3 / distance(first)
  expected = jax.tree.map(lambda w, g: w - 0.5 * longer * g, first, slope)
  given.assert_close(params, expected)


@pytest.mark.parametrize(
  'tx',
  [
    optax.polyak_sgd(),
    optax.contrib.momo(),
    optax.contrib.momo_adam(0.1),
    optax.chain(optax.sgd(0.1), optax.contrib.reduce_on_plateau(patience=2)),
    optax.contrib.sophia(0.1),
    optax.contrib.mechanize(optax.contrib.momo()),
    optax.inject_hyperparams(optax.contrib.momo)(learning_rate=1.0),
    optax.MultiSteps(optax.contrib.momo(), 2),
    optax.apply_if_finite(optax.lbfgs(), 3),
    optax.partition(
      {'a': optax.polyak_sgd(), 'b': optax.contrib.momo()},
      lambda params: {n: 'a' if n == 'head' else 'b' for n in params},
    ),
  ],
  ids=[
    'polyak', 'momo', 'momo_adam', 'plateau', 'sophia', 'mechanic', 'inject',
    'multi', 'finite', 'partition',
  ],
)  # fmt: skip
def test_whoever_asks_for_the_loss_is_told(tx):
  """Two steps at a time: the state keeps its types."""
  for params, loss in steps(tx, 3, per_dispatch=2):
    assert np.isfinite(loss)
    assert np.isfinite(distance(params))


def test_a_plateau_is_noticed():
  """Ten steps of a rate of zero: the scale is halved after every two."""
  tx = optax.contrib.reduce_on_plateau(factor=0.5, patience=2)
  submission = from_optax(
    Task(PROBLEM, 100, 1, 100), optax.chain(optax.set_to_zero(), tx)
  )
  start = Start(
    PROBLEM.init(None), jax.random.key(0), lambda *_: itertools.repeat(BATCH)
  )
  *_, last = itertools.islice(submission.train(start), 9)
  assert float(last.state.opt[1].scale) < 0.3


def test_a_search_works_with_dropout_and_batch_norm():
  task = Task(TINY, 100, 16, 1000)
  submission = from_optax(task, optax.lbfgs(), label_smoothing=0.1, dropout=0.1)
  start = Start(
    TINY.init(jax.random.key(0)), jax.random.key(1), Drawn(TINY, 16)
  )
  losses = [
    float(submission.scalars(state)['loss'])
    for state in itertools.islice(submission.train(start), 4)
  ]
  assert losses[-1] < losses[0]


def test_only_keywords_are_refused_and_every_other_error_is_the_users():
  def update(updates, state, params=None, *, value):
    del params
    return updates, state + value

  closed = optax.GradientTransformationExtraArgs(lambda params: 0.0, update)
  told = extra_args.extra_args(
    lambda x: x.sum(), 3.0, jnp.ones(2), jax.random.key(0)
  )
  _, state = extra_args.call(closed.update, jnp.ones(2), 1.0, jnp.ones(2), told)
  assert state == 4.0
  assert 'grad' in told  # They are dropped of a copy.

  def wrong(updates, state, params=None, **given):
    return sum(given), state

  broken = optax.GradientTransformationExtraArgs(lambda params: 0.0, wrong)
  with pytest.raises(TypeError, match='unsupported operand'):
    extra_args.call(broken.update, jnp.ones(2), 1.0, jnp.ones(2), told)
