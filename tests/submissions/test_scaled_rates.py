"""Rates that follow from the sizes of batch, model and data."""

import itertools

import jax
import pytest

import submissions
from submissions.algorithms import step_law
from submissions.algorithms.scaled_batch import scaled_rate
from submissions.submission import Start, Task
from tests.support import quadratic_workload
from tests.support.tiny import tiny
from workloads.images.digits import Digits


def test_the_rate_follows_the_batch_linearly_or_as_its_root():
  assert scaled_rate(0.1, 4, 'linear') == pytest.approx(0.4)
  assert scaled_rate(0.1, 4, 'sqrt') == pytest.approx(0.2)
  assert scaled_rate(0.1, 0.25, 'sqrt') == pytest.approx(0.05)
  assert scaled_rate(0.1, 4, 'none') == pytest.approx(0.1)
  with pytest.raises(ValueError, match=r"'cubic'.*linear, sqrt, none"):
    scaled_rate(0.1, 4, 'cubic')
  with pytest.raises(ValueError, match='-1 times'):
    scaled_rate(0.1, -1, 'sqrt')


@pytest.mark.parametrize(
  ('optimizer', 'factor', 'peak'),
  [('adam', 4.0, 0.2), ('sgd', 4.0, 0.4), ('sgd', 0.5, 0.05)],
)
def test_a_scaled_batch_sees_as_many_examples(optimizer, factor, peak):
  drawn = []

  def batches(size, stack=1):
    drawn.append(size)
    yield from itertools.cycle(quadratic_workload.batches(size))

  point = {
    'optimizer': optimizer, 'batch_factor': factor, 'learning_rate': 0.1,
    'warmup': 0.0, 'one_minus_beta1': 0.1, 'weight_decay': 0.0,
  }  # fmt: skip
  entry = submissions.find('scaled_batch')
  task = quadratic_workload.task()._replace(steps=16, batch_size=8)
  submission = submissions.make(entry.path, task, point)
  start = Start(
    quadratic_workload.Given().init(None), jax.random.key(0), batches
  )
  states = [submission.scalars(s) for s in submission.train(start)]
  assert drawn == [8 * factor]
  assert len(states) == 16 / factor
  assert float(states[0]['learning_rate']) == pytest.approx(peak)


def test_sgd_of_a_scaled_batch_is_momentum_with_coupled_decay():
  def update(t, w, g, memory, role):
    memory['m'] = 0.8 * memory.get('m', 0) + g + 0.1 * w
    return memory['m']

  quadratic_workload.check(
    'scaled_batch', update, optimizer='sgd', one_minus_beta1=0.2,
    weight_decay=0.1, learning_rate=0.05, batch_factor=1.0,
  )  # fmt: skip


def test_adam_of_a_scaled_batch_is_adamw():
  def update(t, w, g, memory, role):
    return quadratic_workload.adam(t, g, memory, 0.9, 0.99) + 0.1 * w

  quadratic_workload.check(
    'scaled_batch',
    update,
    one_minus_beta1=0.1,
    beta2=0.99,
    weight_decay=0.1,
    batch_factor=1.0,
  )


def test_the_step_law_is_the_papers():
  """Worked by hand: 1e8 parameters, 2e9 tokens."""
  assert step_law.law_rate(10**8, 2e9) == pytest.approx(2.53e-3, rel=0.01)
  assert step_law.law_batch(2e9) == pytest.approx(118_600, rel=0.01)
  twice = step_law.law_rate(10**8, 4e9) / step_law.law_rate(10**8, 2e9)
  assert twice == pytest.approx(2**0.307)


def test_the_step_law_counts_what_is_no_vocabulary_and_terms_of_the_loss():
  """A language model's terms are its tokens; a sentence's, its real ones."""
  problem = tiny('finewebedu_lm/mini')
  task = Task(problem, 10, 4, 100)
  names = jax.tree_util.tree_flatten_with_path(task.shapes.params)[0]
  expected = sum(
    leaf.size
    for path, leaf in names
    if not {'embedding', 'head'} & {key.key for key in path}
    or path[-1].key == 'bias'
  )
  assert 0 < step_law.hidden_parameters(task) == expected
  assert step_law.terms(task) == problem.length
  assert step_law.terms(Task(tiny('cifar/mini'), 10, 4, 100)) == 1
  labels = step_law.terms(Task(tiny('ogbg/mini'), 10, 4, 100))
  assert 1 < labels < tiny('ogbg/mini').tasks


@pytest.mark.parametrize('own_batch', [False, True])
@pytest.mark.parametrize('highest', [2.0, 0.001])
def test_the_step_law_sets_rate_and_batch(own_batch, highest):
  problem = Digits(widths=(8,))
  task = Task(problem, 1000, 16, 100)
  hidden = 3 * 3 * 8 + 2 * 8 + 10  # A convolution, its norm, the last bias.
  law = 1.79 * hidden**-0.713 * 16000**0.307
  batch = round(0.58 * 16000**0.571)
  assert batch == 146  # The power of two nearest to it is 128.
  sizes = []

  def batches(size, stack=1):
    sizes.append(size)
    while True:
      yield problem.fake_batch(jax.random.key(0), size)

  entry = submissions.find('step_law')
  point = entry.self_point | {
    'own_batch': own_batch, 'highest': highest, 'warmup': 0.0,
  }  # fmt: skip
  submission = submissions.make(entry.path, task, point)
  start = Start(problem.init(jax.random.key(0)), jax.random.key(0), batches)
  scalars = submission.scalars(next(submission.train(start)))
  expected = min(highest, law)
  assert float(scalars['learning_rate']) == pytest.approx(expected, rel=1e-4)
  assert sizes == [128 if own_batch else 16]
