"""Submissions that change what a batch is: how often, how large, how fine."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import submissions
from submissions import phases
from submissions.algorithms import multigrid
from submissions.submission import Start, Task, from_optax
from tests.support.tiny import tiny
from workloads.images import classification
from workloads.images.digits import Digits
from workloads.workload import Model, Workload

PROBLEM = Digits(widths=(4,))  # With batch norm.
TASK = Task(PROBLEM, steps=40, batch_size=4, train_examples=100)
POINT = {
  'learning_rate': 0.01, 'one_minus_beta1': 0.1, 'beta2': 0.99,
  'weight_decay': 0.0, 'warmup': 0.1,
}  # fmt: skip


class Feed:
  """Batches that differ, and the sizes that were asked for and drawn."""

  def __init__(self, problem=PROBLEM, drawn=0):
    self.problem, self.drawn, self.sizes = problem, drawn, []

  def __call__(self, size, stack=1):
    while True:
      key = jax.random.key(self.drawn)
      self.drawn += 1
      self.sizes.append(size)
      batch = self.problem.fake_batch(key, size)
      yield (
        batch
        if stack == 1
        else jax.tree.map(lambda x: jnp.stack([x] * stack), batch)
      )


def made(name, task=TASK, **changes):
  return submissions.make(submissions.find(name).path, task, POINT | changes)


def trained(submission, feed, state=None):
  key = jax.random.key(0)
  start = Start(jax.jit(feed.problem.init)(key), key, feed, state=state)
  for found in submission.train(start):
    yield jax.tree.map(
      lambda x: jnp.copy(x) if isinstance(x, jax.Array) else x, found
    )


def assert_same(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def test_echoing_draws_each_batch_once_and_steps_on_it_thrice():
  feed = Feed()
  states = list(trained(made('data_echoing', echoes=3), feed))
  assert [state.done for state in states] == list(range(3, 40, 3))
  assert feed.drawn == len(states) == 13


def test_the_last_step_of_echoing_is_yielded_whatever_a_dispatch_has():
  """Steps after the last yielded state once deleted its arrays."""
  task = TASK._replace(per_dispatch=4, record_every=4)
  submission = made('data_echoing', task, echoes=3)
  start = Start(
    jax.jit(PROBLEM.init)(jax.random.key(0)), jax.random.key(0), Feed()
  )
  *_, last = submission.train(start)
  assert last.done == 36
  assert all(
    np.isfinite(x).all() for x in jax.tree.leaves(submission.model(last))
  )


def test_echoing_once_is_adamw():
  *_, one = trained(made('data_echoing', echoes=1), Feed())
  *_, plain = trained(made('adamw'), Feed())
  assert_same(one, plain)


def test_echoes_are_steps_on_the_same_batch():
  """As AdamW makes them on a feed that repeats itself."""

  def twice(size, stack=1):
    for batch in Feed()(size, stack):
      yield from [batch, batch]

  twice.problem = PROBLEM
  echoed = list(itertools.islice(trained(made('data_echoing', echoes=2),
                                         Feed()), 3))  # fmt: skip
  plain = list(itertools.islice(trained(made('adamw'), twice), 6))
  for a, b in zip(echoed, plain[1::2], strict=True):
    assert_same(a, b)


GROWING = {'shares': [0.5, 0.25, 0.25], 'factors': [1, 2, 5]}


def test_batches_grow_and_as_many_examples_are_seen():
  feed = Feed()
  list(trained(made('growing_batches', **GROWING), feed))
  assert feed.sizes == [4] * 20 + [8] * 5 + [20] * 2
  assert sum(feed.sizes) == 40 * 4


def test_growing_batches_resume_in_any_phase():
  """Also where one has just ended; the feed goes on where it was."""
  submission = made('growing_batches', **GROWING)
  whole = list(trained(submission, Feed()))
  for cut in (1, 19, 20, 21, 25, 26):
    again = list(trained(submission, Feed(drawn=cut), whole[cut - 1]))
    assert len(again) == 27 - cut
    assert_same(again[-1], whole[-1])


def test_a_phase_compiles_its_step_and_no_other_does(caplog):
  with jax.log_compiles():
    list(trained(made('growing_batches', **GROWING), Feed()))
  steps = [
    r for r in caplog.records
    if r.getMessage().startswith('Compiling jit(advance)')
  ]  # fmt: skip
  assert len(steps) == 3


def test_the_rate_of_phases():
  """Warmup over a tenth of ten steps, roots of 1, 2 and 4, then to zero."""
  plan = [phases.Phase(4, 8), phases.Phase(3, 16), phases.Phase(4, 32)]
  rate = phases.scaled(0.1, 0.2, plan, power=0.5)
  found = [float(rate(step)) for step in range(11)]
  root = 0.1 * 2**0.5
  expected = [0.05, 0.1, 0.1, 0.1, *[root] * 3, 0.2, 0.15, 0.1, 0.05]
  np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_phases_that_do_not_fit_say_so():
  with pytest.raises(ValueError, match=r'\[0.5, 0.6\].*sum to 1'):
    made('growing_batches', shares=[0.5, 0.6], factors=[1, 2])
  with pytest.raises(ValueError, match='as many of both'):
    made('growing_batches', shares=[1.0], factors=[1, 2])


def test_several_steps_at_once_stay_in_their_phases():
  task = TASK._replace(per_dispatch=2)
  feed = Feed()
  states = list(trained(made('growing_batches', task, **GROWING), feed))
  assert [state.done for state in states] == list(range(2, 29, 2))
  assert feed.sizes == [4] * 10 + [8] * 3 + [20] * 1


TRACED = []  # Shapes of inputs, whenever Pooled is traced.


@dataclasses.dataclass(frozen=True)
class Pooled(Workload):
  """The mean of an image of any size, and a linear layer."""

  loss_kind = 'softmax'
  source = predict = eval_stats = summarize = Digits.source
  losses = Digits.losses

  def fake_batch(self, key, batch_size):
    return classification.fake_batch(key, batch_size, 8, 1, 10)

  def init(self, key):
    return Model({'head': {'kernel': jnp.ones((1, 10))}})

  def forward(self, model, batch, key, dropout):
    TRACED.append(batch['inputs'].shape)
    return batch['inputs'].mean((1, 2)) @ model.params['head']['kernel'], ()


def test_multigrid_shows_small_images_first_and_whole_ones_at_last():
  """In batches four times and twice as large; each shape is traced once."""
  task, feed = Task(Pooled(), 40, 4, 100), Feed(Pooled())
  submission = made(
    'multigrid', task, shares=[0.4, 0.2, 0.4], scales=[0.5, 0.7071, 1.0]
  )
  TRACED.clear()
  list(trained(submission, feed))
  assert feed.sizes == [16] * 4 + [8] * 4 + [4] * 16
  assert TRACED == [(16, 4, 4, 1), (8, 6, 6, 1), (4, 8, 8, 1)]


@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('imagenet_resnet/mini', True),
    ('imagenet_vit/mini', True),
    ('mnist/mini', False),
    ('wmt/mini', False),
    ('fastmri/mini', False),
    ('librispeech_deepspeech/mini', False),
    ('ogbg/mini', False),
    ('criteo1tb/mini', False),
    ('finewebedu_lm/mini', False),
  ],
)
def test_only_classifiers_of_images_of_any_size_are_shown_small_ones(
  name, expected
):
  task = Task(tiny(name), 10, 2, 100)
  assert multigrid.fits(task, 0.5) == expected


def test_where_images_cannot_shrink_batches_are_the_usual_ones():
  feed = Feed(tiny('mnist/mini'))
  task = Task(feed.problem, 10, 4, 100)
  list(trained(made('multigrid', task, shares=[0.5, 0.5], scales=[0.5, 1.0]),
               feed))  # fmt: skip
  assert feed.sizes == [4] * 10


def test_shrinking_keeps_a_flat_image_and_all_but_the_sides():
  batch = {'inputs': jnp.full((2, 3, 8, 6, 1), 0.7), 'targets': jnp.ones(3)}
  small = multigrid.shrink(batch, 0.5)
  assert small['inputs'].shape == (2, 3, 4, 3, 1)
  np.testing.assert_allclose(small['inputs'], 0.7, rtol=1e-6)
  assert_same(small['targets'], batch['targets'])


def test_phases_hand_on_the_optimizers_state():
  """Ten steps in three phases of one size are ten steps in one."""
  task = Task(Digits(widths=(4,)), 10, 4, 100)
  sgd = from_optax(task, optax.sgd(0.1, 0.9))
  runs = []
  for lengths in ([10], [4, 5, 1]):
    plan = [phases.Phase(steps, 4) for steps in lengths]
    *_, last = trained(phases.in_turn(task, sgd, plan), Feed(task.workload))
    runs.append(last)
  assert_same(*runs)
