"""Eight-bit optimizers against plain numpy, and where the paper's break."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import submissions
import workloads
from submissions import eight_bit, quantization, row_kernels
from submissions.quantization import Quantized
from submissions.submission import Start, Task
from tests.submissions.test_quantization import paper

SIZE, BLOCK = 5000, 256  # The last block is short.
RNG = np.random.default_rng(0)
SCALES = np.exp(RNG.normal(size=SIZE))
GRADS = [(SCALES * RNG.normal(size=SIZE)).astype('f') for _ in range(10)]
ONE, NO = {'w': jnp.ones(SIZE)}, {'w': False}


def stored(x, values, never_zero=False):
  """Quantized and back, block by block, by brute force in float64."""
  found = np.empty_like(x)
  for start in range(0, len(x), BLOCK):
    part = x[start : start + BLOCK]
    largest = np.abs(part).max()
    distance = np.abs(part[:, None] / largest - values)
    code = distance.argmin(1)
    if never_zero:
      code = np.where(part > 0, np.maximum(code, 1), code)
    found[start : start + BLOCK] = values[code] * largest
  return found


def adam(t, g, memory, b1=0.9, b2=0.99):
  m = b1 * memory.get('m', 0) + (1 - b1) * g
  v = b2 * memory.get('v', 0) + (1 - b2) * g**2
  memory['m'] = stored(m, paper(True))
  memory['v'] = stored(v, paper(False), never_zero=True)
  return m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8)


def momentum(t, g, memory):
  m = 0.9 * memory.get('m', 0) + g
  memory['m'] = stored(m, paper(True))
  return m


def lion(t, g, memory):
  before = memory.get('m', np.zeros(SIZE))
  memory['m'] = stored(0.99 * before + 0.01 * g, paper(True))
  return np.sign(0.9 * before + 0.1 * g)


def directions(tx, grads=GRADS):
  state, update = tx.init(ONE), jax.jit(tx.update)
  for g in grads:
    direction, state = update({'w': jnp.asarray(g)}, state)
    yield np.asarray(direction['w'], float), state


@pytest.mark.parametrize('chunk', [1 << 16, 1024])
@pytest.mark.parametrize(
  ('rule', 'reference'),
  [
    (eight_bit.adam(0.9, 0.99), adam),
    (eight_bit.momentum(0.9), momentum),
    (eight_bit.lion(0.9, 0.99), lion),
  ],
  ids=['adam', 'momentum', 'lion'],
)
def test_ten_steps_are_the_papers(rule, reference, chunk):
  """The update from moments in 32 bits; what is carried on, in eight.

  A number that lies between two values up to the precision of float32 may get
  the other one: a few do, and differ from then on.
  """
  tx, memory = eight_bit.scale_by(rule, NO, BLOCK, chunk=chunk), {}
  for t, (found, _) in enumerate(directions(tx), start=1):
    expected = reference(t, GRADS[t - 1].astype(float), memory)
    same = np.isclose(found, expected, rtol=1e-3, atol=1e-5)
    assert same.mean() > 0.995
    assert np.linalg.norm(found - expected) < 0.02 * np.linalg.norm(expected)


def test_blocks_larger_than_a_chunk_are_not_multiplied():
  """One block for the whole array once took as many as there were chunks."""
  tx = eight_bit.scale_by(eight_bit.lion(0.9, 0.99), NO, 8192, chunk=1024)
  [q] = tx.init(ONE).moments['w']
  assert q.codes.shape == (1, 8192)


def test_chunks_are_no_other_algorithm():
  """Five thousand numbers at once, and two or four blocks at a time."""
  runs = [
    [d for d, _ in directions(eight_bit.scale_by(
      eight_bit.adam(0.9, 0.99), NO, BLOCK, chunk=chunk))]
    for chunk in (1 << 20, 1024, 512)
  ]  # fmt: skip
  for other in runs[1:]:
    np.testing.assert_allclose(runs[0], other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('block', [256, 2048])
def test_updates_are_close_to_those_in_32_bits(block):
  """Of dense gradients: five parts in a hundred, and never thrice as large."""
  tx = eight_bit.scale_by(eight_bit.adam(0.9, 0.99), NO, block)
  exact, dense = optax.scale_by_adam(0.9, 0.99), [g / SCALES for g in GRADS]
  for (found, _), (expected, _) in zip(
    directions(tx, dense), directions(exact, dense), strict=True
  ):
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error < 0.05
    assert np.abs(found).max() < 3 * np.abs(expected).max()


@pytest.mark.parametrize('never_zero', [True, False])
def test_a_second_moment_of_zero_is_where_eight_bits_die(never_zero):
  """One row of an embedding is in every batch, another one was in the first.

  Its gradient is 10,000 times smaller than the largest of its block: the square
  has no code but zero, while the first moment has one. The next update is that
  moment over eps, a hundred thousand times too long.
  """
  first = np.zeros(SIZE, 'f')
  first[0], first[1] = 1.0, 1e-4
  later = np.where(np.arange(SIZE) == 0, 1.0, 0.0).astype('f')
  tx = eight_bit.scale_by(
    eight_bit.adam(0.9, 0.99), NO, BLOCK, never_zero=never_zero
  )
  *_, (found, _) = directions(tx, [first, later])
  *_, (exact, _) = directions(optax.scale_by_adam(0.9, 0.99), [first, later])
  assert 0.1 < exact[1] < 1
  if never_zero:
    assert 0 < found[1] <= exact[1]
  else:
    assert found[1] > 100


@pytest.mark.parametrize('spike', [1e18, 2e20, 1e30])
@pytest.mark.parametrize('b2', [0.99, 0.999])
def test_a_spike_does_not_make_an_update_of_its_size(b2, spike):
  """One number of a block, once; its square is infinite from 1.8e19 on.

  The block's second moments decoded to zero, or to NaN: the update was of 3e21,
  or NaN for ever. A spike's own update is Adam's first, and then it fades.
  """
  spiked = GRADS[3].copy()
  spiked[7] = spike
  grads = [*GRADS[:3], spiked, *GRADS[4:]]
  tx = eight_bit.scale_by(eight_bit.adam(0.9, b2), NO, BLOCK)
  for direction, _ in directions(tx, grads):
    assert np.isfinite(direction).all()
    assert np.abs(direction).max() < 20


@pytest.mark.parametrize('bad', [np.nan, np.inf])
@pytest.mark.parametrize('name', ['adam', 'lion'])
def test_a_gradient_that_is_not_finite_is_not_hidden(name, bad):
  spoiled = GRADS[0].copy()
  spoiled[7] = bad
  tx = eight_bit.scale_by(getattr(eight_bit, name)(0.9, 0.99), NO, BLOCK)
  *_, (direction, _) = directions(tx, [spoiled, GRADS[1]])
  assert np.isnan(direction[:BLOCK]).any()
  assert np.isfinite(direction[BLOCK:]).all()


def test_small_arrays_and_exempt_ones_are_in_32_bits():
  params = {'small': jnp.ones(4095), 'table': jnp.ones(8192),
            'kernel': jnp.ones((64, 64))}  # fmt: skip
  exempt = {'small': False, 'table': True, 'kernel': False}
  tx = eight_bit.scale_by(eight_bit.adam(0.9, 0.99), exempt)
  moments = tx.init(params).moments
  kinds = {k: {type(m) is Quantized for m in v} for k, v in moments.items()}
  assert kinds == {'small': {False}, 'table': {False}, 'kernel': {True}}


@pytest.mark.parametrize(
  'name', ['adam_8bit', 'adamw_8bit', 'momentum_8bit', 'lion_8bit', 'lamb_8bit']
)
def test_embeddings_of_a_language_model_are_in_32_bits(name):
  problem = workloads.get('finewebedu_lm/mini')
  task, entry = Task(problem, 10, 2, 100), submissions.find(name)
  submission = submissions.make(entry.path, task, entry.self_point)

  def after_a_step(key):
    batch = problem.fake_batch(key, 2)
    start = Start(problem.init(key), key, lambda *_: itertools.repeat(batch))
    return next(iter(submission.train(start))).state.opt

  states = jax.tree.leaves(
    jax.eval_shape(after_a_step, jax.random.key(0)),
    is_leaf=lambda x: isinstance(x, eight_bit.EightBitState),
  )
  [state] = [x for x in states if isinstance(x, eight_bit.EightBitState)]
  short = jax.tree.map(
    lambda moments: isinstance(moments[0], Quantized),
    state.moments,
    is_leaf=lambda x: type(x) is tuple,
  )
  expected = jax.tree.map(
    lambda x, table: x.size >= 4096 and not table,
    task.shapes.params,
    task.mask('embedding'),
  )
  assert short == expected
  assert any(jax.tree.leaves(short))
  assert not all(jax.tree.leaves(short))


@pytest.mark.parametrize(
  ('short', 'exact'),
  [('adamw_8bit', 'adamw'), ('adam_8bit', 'adamw'), ('lion_8bit', 'lion'),
   ('momentum_8bit', 'momentum'), ('lamb_8bit', 'lamb')],
)  # fmt: skip
def test_their_points_are_those_of_32_bits(short, exact):
  """What eight bits cost is seen only where nothing else differs."""
  point = submissions.find(short).self_point
  other = submissions.find(exact).self_point
  extra = {'block': 256, 'never_zero': True}
  changed = {k: v for k, v in point.items() if other.get(k) != v}
  assert changed.items() <= extra.items()
  assert other.keys() - point.keys() <= {'weight_decay'}


def test_the_state_is_small_and_so_is_what_a_step_needs():
  """Naively a step has both moments of all arrays in 32 bits at once."""
  params = {str(i): jnp.zeros((2048, 1024)) for i in range(2)}
  exempt = dict.fromkeys(params, False)
  count = sum(x.size for x in params.values())

  def needed(chunk):
    tx = optax.chain(
      eight_bit.scale_by(eight_bit.adam(0.9, 0.99), exempt, chunk=chunk),
      optax.scale(-1e-3),
    )

    def step(params, state, grads):
      updates, state = tx.update(grads, state, params)
      return optax.apply_updates(params, updates), state

    state = tx.init(params)
    size = sum(x.nbytes for x in jax.tree.leaves(state))
    jitted = jax.jit(step, donate_argnums=(0, 1))
    memory = jitted.lower(params, state, params).compile().memory_analysis()
    return size / count, memory.temp_size_in_bytes / count

  state, temporary = needed(eight_bit.CHUNK)
  assert state < 2.1
  assert temporary < 0.5 * needed(1 << 30)[1]


def test_books_of_the_ablation_are_values_of_a_field():
  rule = eight_bit.adam(0.9, 0.99, book=quantization.linear)
  tx = eight_bit.scale_by(rule, NO, BLOCK)
  found, _ = next(iter(directions(tx)))
  np.testing.assert_allclose(np.abs(found), 1, rtol=1e-3)


def test_state_survives_a_checkpoint_as_plain_arrays():
  tx = eight_bit.scale_by(eight_bit.adam(0.9, 0.99), NO)
  *_, (_, state) = itertools.islice(directions(tx), 2)
  kinds = {str(x.dtype) for x in jax.tree.leaves(state)}
  assert kinds == {'uint8', 'float32', 'int32'}


def rows_of(rule, written, read=()):
  height = row_kernels.count(written.size, BLOCK)
  return row_kernels.Rows(
    written,
    tuple(quantization.zeros((height, BLOCK), b) for b in rule.books),
    read,
  )


@pytest.mark.parametrize('size', [12 * BLOCK, 12 * BLOCK - 5])
@pytest.mark.parametrize('name', ['adam', 'lion'])
def test_the_kernel_for_gpus_is_the_same_function(name, size):
  """Interpreted. Twelve rows, of which four go to a program."""
  rule = getattr(eight_bit, name)(0.9, 0.99)
  make = functools.partial(
    eight_bit.stages,
    rule=rule,
    gradient=lambda rows: rows.read[0],
    finish=lambda rows, direction, rate: 0.99 * rows.written - rate * direction,
  )
  here, there = make(eight_bit.Storage()), make(eight_bit.Storage(folds=0))
  rng = np.random.default_rng(0)
  plain = kernel = rows_of(rule, jnp.ones(size))
  for t in range(1, 6):
    g = jnp.float32(rng.normal(size=size))
    scalars = (jnp.float32(t), jnp.float32(0.1), *rule.scalars(jnp.array(t)))
    plain = row_kernels.Rows(
      *jax.jit(
        functools.partial(row_kernels.in_parts, here, block=BLOCK, chunk=1024)
      )(plain._replace(read=(g,)), scalars)
    )
    kernel = row_kernels.Rows(
      *row_kernels.as_kernel(
        there, kernel._replace(read=(g,)), scalars, BLOCK, interpret=True
      )
    )
    np.testing.assert_allclose(
      kernel.written, plain.written, rtol=1e-3, atol=1e-6
    )
    for a, b in zip(kernel.stored, plain.stored, strict=True):
      assert a.codes.dtype == jnp.uint8
      assert np.abs(a.codes.astype(int) - b.codes.astype(int)).max() <= 1
      np.testing.assert_allclose(a.largest, b.largest, rtol=1e-6)


def test_a_gpu_would_get_one_kernel_for_an_array():
  """Lowered for CUDA on this machine, without one: through Triton."""
  tx = eight_bit.scale_by(eight_bit.adam(0.9, 0.99), NO, BLOCK)
  traced = jax.jit(tx.update).trace(ONE, tx.init(ONE))
  text = traced.lower(lowering_platforms=('cuda',)).as_text()
  assert text.count('triton') >= 1
  assert 'while' not in text
  here = jax.jit(tx.update).lower(ONE, tx.init(ONE)).as_text()
  assert 'triton' not in here
