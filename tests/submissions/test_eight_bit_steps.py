"""Whole steps of eight-bit optimizers: their formulas, memory and devices.

The formulas here are applied to whole arrays, and parameters get an update as
optax's do. What takes their place makes one pass over memory.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from submissions import eight_bit, quantization, schedules, trust_ratio
from submissions.norm import clip, global_norm
from tests.conftest import QUICK
from tests.support import several
from tests.support.several import Case

BLOCK, CHUNK, STEPS, DECAY = 256, 1024, 6, 0.1
SHAPES = {
  'short': (70, 65),  # The last block is short, and the last part.
  'long': (33, 256),  # Several parts; their number does not divide the rows.
  'even': (2, 16, 256),
  'vector': (4200,),
  'table': (40, 128),
  'small': (7, 5),
}
EXEMPT = {name: name == 'table' for name in SHAPES}
WEIGHTS = {name: name not in ('vector', 'small') for name in SHAPES}
SCHEDULE = schedules.warmup_cosine(0.03, 0.3, STEPS + 2)
BOOKS = quantization.dynamic(True), quantization.dynamic(False)


def drawn(seed):
  """Gradients of all sizes."""
  rng = np.random.default_rng(seed)
  return {
    name: jnp.float32(np.exp(rng.normal(size=s)) * rng.normal(size=s))
    for name, s in SHAPES.items()
  }


def stored(x, signed):
  """Numbers in eight bits and back; the maximum is that of float32."""
  book = BOOKS[not signed]
  rows = jnp.pad(x.ravel(), (0, -x.size % BLOCK)).reshape(-1, BLOCK)
  spoiled = jnp.isnan(rows).any(-1)
  largest = jnp.where(spoiled, jnp.inf, jnp.abs(rows).max(-1))
  power = jnp.where(largest > 2.0**64, 2.0**-64, 1.0)
  normal = largest >= np.finfo(np.float32).tiny
  inverse = jnp.where(normal, 1 / jnp.where(normal, largest * power, 1), 0)
  scaled = rows * power[:, None] * inverse[:, None]
  codes = quantization.encode(scaled, book, not signed)
  back = quantization.decode(codes, book) * largest[:, None]
  return back.ravel()[: x.size].reshape(x.shape)


def kept(name, x, signed=True):
  short = EXEMPT[name] or x.size < eight_bit.SMALLEST
  return x if short else stored(x, signed)


def adam(t, name, g, memory, eps=1e-8):
  beyond = (jnp.abs(g) > 1e19) & (jnp.abs(g) < jnp.inf)
  g = jnp.where(beyond, jnp.sign(g) * 1e19, g)
  m = 0.9 * memory[0] + 0.1 * g
  v = 0.99 * memory[1] + 0.01 * g * g
  u = m / (1 - 0.9**t) / (jnp.sqrt(v / (1 - 0.99**t)) + eps)
  return u, (kept(name, m), kept(name, v, signed=False))


def momentum(t, name, g, memory):
  m = 0.9 * memory[0] + g
  return m, (kept(name, m),)


def lion(t, name, g, memory):
  u = jnp.sign(0.9 * memory[0] + 0.1 * g)
  return u, (kept(name, 0.99 * memory[0] + 0.01 * g),)


def adamw_step(t, name, g, w, memory, decay=DECAY):
  u, memory = adam(t, name, g, memory)
  return u + decay * w, memory


def lion_step(t, name, g, w, memory):
  u, memory = lion(t, name, g, memory)
  return u + DECAY * w, memory


def momentum_step(t, name, g, w, memory):
  return momentum(t, name, g + DECAY * w, memory)


def lamb_step(t, name, g, w, memory):
  u, memory = adam(t, name, g, memory, eps=1e-6)
  if not WEIGHTS[name]:
    return u, memory
  return trust_ratio.trusted(u + DECAY * w, w, floor=1.0), memory


ADAM, LION = eight_bit.adam(0.9, 0.99), eight_bit.lion(0.9, 0.99)
LAMB = eight_bit.adam(0.9, 0.99, eps=1e-6)
TRUST = eight_bit.Trust(WEIGHTS, floor=1.0)
KINDS = {
  'adam': (functools.partial(adamw_step, decay=0.0), ADAM, {}),
  'adamw': (adamw_step, ADAM, {'weight_decay': DECAY}),
  'lion': (lion_step, LION, {'weight_decay': DECAY}),
  'momentum': (
    momentum_step, eight_bit.momentum(0.9),
    {'weight_decay': DECAY, 'coupled': True},
  ),
  'lamb': (lamb_step, LAMB, {'weight_decay': DECAY, 'trust': TRUST}),
}  # fmt: skip


@functools.cache
def formulas(kind):
  """Return a compiled step of one array."""
  update = KINDS[kind][0]

  @functools.partial(jax.jit, static_argnums=0)
  def one(name, t, g, w, memory):
    u, memory = update(t, name, g, w, memory)
    return w - SCHEDULE(t - 1) * u, memory

  return one


def plain(kind, grads):
  """Parameters after each step, by the formulas."""
  one, params = formulas(kind), drawn(99)
  memory = {
    name: (jnp.zeros_like(w), jnp.zeros_like(w)) for name, w in params.items()
  }
  for t, g in enumerate(grads, start=1):
    made = {
      name: one(name, jnp.float32(t), g[name], w, memory[name])
      for name, w in params.items()
    }
    params = {name: w for name, (w, _) in made.items()}
    memory = {name: m for name, (_, m) in made.items()}
    yield jax.tree.map(np.asarray, params)


@functools.cache
def writer(kind):
  """Return a writer's first state, and its compiled step."""
  _, rule, options = KINDS[kind]
  tx = eight_bit.writer(rule, SCHEDULE, EXEMPT, chunk=CHUNK, **options)
  return tx.init, jax.jit(tx.write)


def in_place(kind, grads):
  """Parameters after each step, written in place."""
  init, write = writer(kind)
  params = drawn(99)
  state = init(params)
  for g in grads:
    params, state = write(g, state, params)
    yield jax.tree.map(np.asarray, params)


def clipped(grads, longest=3.0):
  return clip(grads, global_norm(grads), longest)


def spiked(grads, value):
  return {n: g.at[(1,) * g.ndim].set(value) for n, g in grads.items()}


USUAL = [drawn(t) for t in range(STEPS)]
EDGES = {
  'usual': USUAL,
  'clipped': [clipped(g) for g in USUAL],
  'zeros': [jax.tree.map(jnp.zeros_like, USUAL[0])] * 2 + USUAL[:3],
  'tiny': [jax.tree.map(lambda g: g * 1e-30, USUAL[0]), *USUAL[:3]],
  'huge': [*USUAL[:2], spiked(USUAL[0], 1e17), *USUAL[:3]],
  'nan': [*USUAL[:2], spiked(USUAL[0], np.nan), *USUAL[:2]],
  'infinite': [*USUAL[:2], spiked(USUAL[0], -np.inf), *USUAL[:2]],
}


@pytest.mark.parametrize('edge', EDGES)
@pytest.mark.parametrize(
  'kind', [pytest.param(k, marks=pytest.mark.xdist_group(k)) for k in KINDS]
)
def test_steps_in_place_are_those_of_the_formulas(kind, edge):
  """Numbers that are not finite are the same ones.

  A number between two codes, up to the precision of float32, may get the other
  code: a few of a thousand do.
  """
  for found, expected in zip(
    in_place(kind, EDGES[edge]), plain(kind, EDGES[edge]), strict=True
  ):
    for name in SHAPES:
      a, b = found[name], expected[name]
      np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
      finite = np.isfinite(b)
      same = np.isclose(a[finite], b[finite], rtol=1e-4, atol=1e-5)
      assert same.mean() > 0.99 if finite.any() else True
      off = np.linalg.norm(a[finite] - b[finite])
      assert off <= 2e-3 * np.linalg.norm(b[finite]) + 1e-6


def test_parameters_of_16_bits_are_computed_in_32():
  tx = eight_bit.writer(LION, SCHEDULE, EXEMPT)
  params = jax.tree.map(lambda w: w.astype(jnp.bfloat16), drawn(99))
  grads = jax.tree.map(lambda g: g.astype(jnp.bfloat16), USUAL[0])
  state = tx.init(params)
  for _ in range(3):
    params, state = jax.jit(tx.write)(grads, state, params)
  assert {x.dtype for x in params.values()} == {jnp.dtype('bfloat16')}
  moved = jax.tree.map(
    lambda a, b: jnp.abs(a.astype('f') - b).max(), params, drawn(99)
  )
  assert all(0 < float(x) < 0.2 for x in moved.values())


WIDTH, DEEP = 1024, 3


def step(kind):
  """A step of a network with three matrices, and its arguments' shapes."""
  _, rule, options = KINDS[kind]
  masks = {str(i): False for i in range(DEEP)}
  if 'trust' in options:
    options = options | {'trust': eight_bit.Trust({k: True for k in masks})}
  tx = eight_bit.writer(rule, SCHEDULE, masks, **options)
  params = {k: jax.ShapeDtypeStruct((WIDTH, WIDTH), 'f') for k in masks}

  def loss(params, x):
    for w in params.values():
      x = jnp.tanh(x @ w)
    return x.sum()

  def whole(params, state, x):
    return tx.write(jax.grad(loss)(params, x), state, params)

  def given(params, state, grads):
    return tx.write(grads, state, params)

  x = jax.ShapeDtypeStruct((8, WIDTH), 'f')
  return whole, given, params, jax.eval_shape(tx.init, params), x


def temporary(function, *shapes):
  lowered = jax.jit(function, donate_argnums=(0, 1)).lower(*shapes)
  return lowered.compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize('kind', KINDS)
def test_a_step_needs_memory_for_one_part_and_no_update(kind):
  """XLA plans few temporary bytes: alone, and where the gradient is made.

  LAMB writes directions over gradients, which are not its own if they are the
  caller's: one is copied then.
  """
  whole, given, params, state, x = step(kind)
  part = 4 * 4 * eight_bit.CHUNK
  matrix = 4 * WIDTH**2
  spare = DEEP * matrix if kind == 'lamb' else 0
  assert temporary(given, params, state, params) < part + spare
  network = 64 * x.size * 4
  assert temporary(whole, params, state, x) < DEEP * matrix + part + network


CASES = [
  Case('digits', 'adamw_8bit', shard=True),
  Case('digits', 'lamb_8bit', stack=2),
]


def test_eight_devices_train_as_one_does(tmp_path, monkeypatch):
  """Sharded state, and two steps at once."""
  monkeypatch.setenv('XLA_FLAGS', QUICK)
  found = several.on(8, CASES, tmp_path)
  for case in CASES:
    one = several.figures(case)
    assert several.difference(one, found[case]) < 1e-4
