"""Codes against brute force, and blocks against what they stand for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from submissions import quantization as q

TINY = np.finfo(np.float32).tiny
signs = pytest.mark.parametrize('signed', [True, False])
encode = jax.jit(q.encode, static_argnums=(1, 2))
decode = jax.jit(q.decode, static_argnums=1)
quantize = jax.jit(q.quantize, static_argnums=(1, 2))


def paper(signed):
  """The 256 values as the paper has them: decades, cells, middles."""
  positive = [1.0]
  for decade in range(7):
    cells = 2 ** (decade + (not signed))
    edges = np.linspace(0.1, 1, cells + 1) * 10.0 ** (decade - 6)
    positive += list((edges[:-1] + edges[1:]) / 2)
  negative = [-x for x in positive if x != 1] if signed else []
  return np.sort([*negative, 0.0, *positive])


@signs
def test_the_values_are_the_papers(signed):
  expected = paper(signed)
  assert len(set(expected)) == 256
  found = decode(jnp.arange(256, dtype=jnp.uint8), q.dynamic(signed))
  np.testing.assert_allclose(found, expected, rtol=1e-6)
  assert float(found[127 if signed else 0]) == 0
  assert float(found[255]) == 1


@signs
def test_known_values(signed):
  """As bitsandbytes' table has them, to the digits that are given."""
  found = np.asarray(
    decode(jnp.arange(256, dtype=jnp.uint8), q.dynamic(signed))
  )
  smallest, largest = (5.5e-7, 0.99297) if signed else (3.25e-7, 0.99648)
  assert found[found > 0].min() == pytest.approx(smallest)
  assert found[254] == pytest.approx(largest, abs=1e-5)
  assert found[0] == pytest.approx(-0.99297 if signed else 0.0, abs=1e-5)


@signs
def test_every_code_is_the_code_of_its_value(signed):
  book, codes = q.dynamic(signed), jnp.arange(256, dtype=jnp.uint8)
  np.testing.assert_array_equal(encode(decode(codes, book), book, False), codes)


@signs
def test_codes_are_the_nearest_by_brute_force(signed):
  """Of every size, and of what lies just beside the middle of two values."""
  values = paper(signed)
  middles = (values[1:] + values[:-1]) / 2
  rng = np.random.default_rng(0)
  sizes = np.exp(rng.uniform(np.log(1e-9), 0, 4000))
  x = [rng.uniform(0, 1, 4000), sizes, middles * (1 - 2e-6)]
  x = np.concatenate([*x, middles * (1 + 2e-6)]).astype(np.float32)
  if signed:
    x *= rng.choice([-1, 1], len(x))
  distance = np.abs(x[:, None].astype(float) - values)
  found = np.asarray(encode(x, q.dynamic(signed), False), int)
  wrong = found != distance.argmin(1)
  # A tie, but for the precision of float32.
  gap = np.abs(distance[np.arange(len(x)), found] - distance.min(1))
  assert (gap[wrong] < 1e-6 * np.abs(x[wrong])).all()
  assert wrong.sum() < 10
  assert (np.abs(found - distance.argmin(1)) <= 1).all()


def test_linear_codes_are_evenly_spaced():
  for signed, step in ((True, 1 / 127), (False, 1 / 255)):
    book = q.linear(signed)
    x = np.linspace(-1 if signed else 0, 1, 1001)
    found = decode(encode(jnp.float32(x), book, False), book)
    assert np.abs(found - x).max() < 0.51 * step


@signs
def test_blocks_come_back_to_half_a_cell(signed):
  """Each block by its own largest: one is a million times the other."""
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 256)) * np.array([[1.0], [1e-6]])
  x = x if signed else x**2
  book = q.dynamic(signed)
  stored = q.quantize(jnp.float32(x), book)
  assert stored.codes.dtype == jnp.uint8
  np.testing.assert_allclose(stored.largest, np.abs(x).max(1), rtol=1e-6)
  error = np.abs(q.dequantize(stored, book) - x).max(1) / np.abs(x).max(1)
  assert (error < (0.0071 if signed else 0.0036)).all()


@signs
def test_a_blocks_largest_is_exact(signed):
  rng = np.random.default_rng(0)
  x = jnp.float32(rng.uniform(0.1, 1, size=(64, 16)) * 3.7e-5)
  book = q.dynamic(signed)
  found = q.dequantize(q.quantize(x, book), book)
  np.testing.assert_array_equal(found.max(1), x.max(1))


@signs
@pytest.mark.parametrize('size', [0.0, TINY / 8])
def test_blocks_of_nothing_are_zero(size, signed):
  """The inverse of the largest would be infinite."""
  book = q.dynamic(signed)
  stored = q.quantize(jnp.full((1, 8), size), book, True)
  found = q.dequantize(stored, book)
  assert np.isfinite(found).all()
  assert (np.asarray(found) <= TINY).all()


@signs
@pytest.mark.parametrize('never_zero', [False, True])
@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('shape', [(2, 2), (2, 256), (64, 256)])
def test_what_is_not_finite_spoils_its_block(shape, bad, never_zero, signed):
  """A block that forgot it would hide a run that has diverged.

  XLA's maximum over an axis drops NaN on a CPU, in arrays of some thousands of
  numbers: the maximum of the others was taken, and the NaN got some code.
  """
  rng = np.random.default_rng(0)
  x = np.abs(rng.normal(size=shape)).astype('f')
  book = q.dynamic(signed)
  for place in (0, shape[1] // 2, shape[1] - 1):
    spoiled = x.copy()
    spoiled[1, place] = bad
    stored = quantize(jnp.array(spoiled), book, never_zero)
    found = np.asarray(q.dequantize(stored, book))
    assert not np.isfinite(found[1]).any()
    assert np.isfinite(np.delete(found, 1, axis=0)).all()


@signs
@pytest.mark.parametrize('largest', [8.4e37, 8.6e37, 3.4e38])
def test_blocks_up_to_the_largest_number_come_back(largest, signed):
  """One over 8.5e37 is rounded to zero, and so was the whole block.

  A second moment of zero makes an update as large as the first moment over
  eps: a gradient of 2e20 moved parameters by 3e21.
  """
  x = np.linspace(0, 1, 256, dtype='f')[None] * np.float32(largest)
  book = q.dynamic(signed)
  found = np.asarray(q.dequantize(quantize(jnp.array(x), book), book))
  assert np.abs(found / largest - x / largest).max() < 0.0071
  assert float(found[0, -1]) == np.float32(largest)


def test_a_positive_number_can_be_kept_from_zero():
  """The smallest code instead, and zero only for zero itself."""
  x = jnp.array([[1.0, 1e-9, 0.0]])
  book = q.dynamic(False)
  plain = q.dequantize(q.quantize(x, book), book)
  np.testing.assert_allclose(plain, [[1.0, 0.0, 0.0]])
  kept = q.dequantize(q.quantize(x, book, True), book)
  np.testing.assert_allclose(kept, [[1.0, 3.25e-7, 0.0]], rtol=1e-6)
