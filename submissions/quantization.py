"""Block-wise dynamic quantization: eight bits per number.

Dettmers, Lewis, Shleifer and Zettlemoyer 2022, "8-bit Optimizers via Block-wise
Quantization", arXiv:2110.02861. The numbers of a block are divided by the
largest of them, and stored as the nearest of 256 values. The values are denser
towards zero: seven decades, each cut into twice as many cells as the decade
below.

The code is therefore a concave function of the number: the minimum of seven
straight lines. The value is a convex function of the code: the maximum of seven
straight lines. Both need only additions, products and comparisons of whole
arrays, no table and no search.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from workloads.workload import Array

DECADES = 7
BLOCK = 256
FOLDS = 3


class Book(NamedTuple):
  """Code book: straight lines that convert numbers to codes and back.

  Magnitudes from 0 to 1 are numbered from 0 to `top`. Unsigned codes are these
  numbers. Signed codes are 127 plus or minus these numbers; -1 has no code.
  """

  signed: bool
  top: int
  least: float  # Largest magnitude that is stored as 0.
  last: float  # Larger magnitudes are stored as 1.
  joint: float  # Share of a decade's first cell that belongs to the cell below.
  shift: int  # Added to numbers, so that decades begin at powers of two.
  to_code: tuple[tuple[float, float], ...]  # Slope and offset of each line.
  to_value: tuple[tuple[float, float], ...]  # Slope and offset of each line.


def dynamic(signed: bool) -> Book:
  """Return the paper's code book; unsigned, it has twice as many magnitudes.

  Decade i of 0 to 6 has n = 2^i cells (2^(i+1) unsigned) on (0.1, 1] times
  10^(i-6). The values are the middles of the cells, and 0 and 1.
  """
  shift = 0 if signed else 1
  smallest = 1e-6 * (0.1 + 0.45 * 0.5**shift)
  to_code, to_value = [], []
  for i in range(DECADES):
    n, unit = 2 ** (i + shift), 10.0 ** (i - DECADES + 1)
    slope = n / 0.9 / unit
    to_code.append((slope, n - 0.1 * unit * slope))
    to_value.append((1 / slope, unit * (0.45 / n - 0.8)))
  # Cells of neighbouring decades have widths of 1 to 5. Measured from their
  # common border in widths of the larger cell, their middles are at -0.1 and
  # 0.5. The border between the two values is halfway, at 0.2.
  return Book(
    signed=signed,
    top=2 * n - shift,
    least=smallest / 2,
    last=1 - 0.225 / n,
    joint=0.2,
    shift=shift,
    to_code=tuple(to_code),
    to_value=tuple(to_value),
  )


def linear(signed: bool) -> Book:
  """Return a code book of evenly spaced values, for comparison."""
  top = 127 if signed else 255
  half = 0.5 / top
  line = ((float(top), 0.5),), ((1 / top, 0.0),)
  return Book(signed, top, half, 1 - half, -1.0, 0, *line)


def encode(
  x: Array, book: Book, never_zero: bool = False, one: float = 1.0
) -> Array:
  """Return the codes of numbers, uint8.

  Args:
    x: Numbers of magnitude `one` at most, any shape.
    book: The code book.
    never_zero: Give positive numbers positive values.
    one: The number whose code stands for 1.
  """
  size = jnp.abs(x) if book.signed else x
  place = jnp.inf
  for slope, offset in book.to_code:
    place = _smaller(size * (slope / one) + offset, place)
  code = jnp.floor(place)
  bits = jax.lax.bitcast_convert_type(code, jnp.int32)
  first = (bits & 0x7FFFFF) == 0  # A power of two.
  code = jnp.where(first & (place - code <= book.joint), code - 1, code)
  code = _larger(code, 1.0 + book.shift) - book.shift
  code = jnp.where(size > (0 if never_zero else book.least * one), code, 0.0)
  code = jnp.where(size > book.last * one, float(book.top), code)
  if book.signed:
    code = 127 + jnp.where(x < 0, -_smaller(code, 127.0), code)
  return code.astype(jnp.uint8)


def decode(code: Array, book: Book) -> Array:
  """Return the values of codes, float32."""
  code = code.astype(jnp.float32)
  place = (jnp.abs(code - 127) if book.signed else code) + book.shift
  value = 0.0
  for slope, offset in book.to_value:
    value = _larger(place * slope + offset, value)
  value = _smaller(value, 1.0)
  if book.signed:
    value = jnp.where(code < 127, -value, value)
  return value


class Quantized(NamedTuple):
  """Numbers as codes, and the largest magnitude of every block."""

  codes: Array  # uint8 [..., block]
  largest: Array  # float32 [...]


def quantize(
  x: Array, book: Book, never_zero: bool = False, folds: int = FOLDS
) -> Quantized:
  """Encode blocks [..., block] of float32, each by its largest magnitude.

  A block with a number that is not finite decodes to no finite number.

  Args:
    x: Numbers.
    book: The code book.
    never_zero: Give positive numbers positive values.
    folds: Halvings of a block before its maximum is taken along an axis, which
      XLA does not vectorize on a CPU.
  """
  largest = _largest(x, folds)
  # An inverse of numbers beyond 8.5e37 underflows, four times it does not.
  normal = largest > np.finfo(np.float32).tiny  # Smaller ones count as zero.
  inverse = jnp.where(normal, 4 / jnp.where(normal, largest, 1), 0)
  scaled = x * inverse[..., None]
  return Quantized(encode(scaled, book, never_zero, one=4.0), largest)


def _largest(x: Array, folds: int) -> Array:
  """Return the largest magnitude of every block; infinity if one is NaN.

  Without their signs, the bits of floating-point numbers are in the order of
  the numbers, with NaN above infinity. XLA's maximum of the numbers themselves
  drops NaN on a CPU.
  """
  bits = jax.lax.bitcast_convert_type(x, jnp.int32) & 0x7FFFFFFF
  for _ in range(folds):
    half, odd = divmod(bits.shape[-1], 2)
    if odd:
      break
    bits = jnp.maximum(bits[..., :half], bits[..., half:])
  bits = jnp.minimum(bits.max(-1), jnp.int32(0x7F800000))
  return jax.lax.bitcast_convert_type(bits, jnp.float32)


def zeros(shape: tuple[int, ...], book: Book) -> Quantized:
  """Return encoded blocks of zeros; `shape` is [..., block]."""
  codes = jnp.full(shape, 127 if book.signed else 0, jnp.uint8)
  return Quantized(codes, jnp.zeros(shape[:-1], jnp.float32))


def dequantize(q: Quantized, book: Book) -> Array:
  """Decode blocks [..., block] to float32."""
  return decode(q.codes, book) * q.largest[..., None]


# jnp.minimum and jnp.maximum keep NaN, which takes XLA five instructions on a
# CPU instead of one, thirty times for each number of AdamW.


def _smaller(x: Array | float, y: Array | float) -> Array:
  return jnp.where(x < y, x, y)


def _larger(x: Array | float, y: Array | float) -> Array:
  return jnp.where(x > y, x, y)
