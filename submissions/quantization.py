"""Block-wise dynamic quantization: eight bits a number, and their largest.

Dettmers, Lewis, Shleifer and Zettlemoyer 2022, "8-bit Optimizers via Block-wise
Quantization", arXiv:2110.02861. Numbers in a block are divided by the largest
of them, and stored as the nearest of 256 values that are denser towards zero:
seven decades, each cut into twice as many cells as the one below it.

So the code grows ever slower with the number, and is the least of a few
straight lines; the value grows ever faster with the code, and is the largest of
a few. Both are additions, products and comparisons of whole arrays: no table,
no search.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from workloads.workload import Array

DECADES = 7
BLOCK = 256


class Book(NamedTuple):
  """The values of codes, by the straight lines that lead to and from them.

  Magnitudes have the numbers 0 to `top`, and stand for 0 to 1. Codes are the
  numbers, or 127 plus or minus them where values have signs; -1 has no code.
  """

  signed: bool
  top: int
  last: float  # Beyond it a number is stored as 1.
  to_code: tuple[tuple[float, float], ...]  # Slope and offset.
  to_value: tuple[tuple[float, float], ...]


def dynamic(signed: bool) -> Book:
  """The paper's values; without signs there are twice as many magnitudes.

  Decade i of 0 to 6 has n = 2^i cells (2^(i+1) without signs) on (0.1, 1] times
  10^(i-6). A value is the middle of its cell; 0 and 1 are values besides.
  """
  shift = 0 if signed else 1
  smallest = 1e-6 * (0.1 + 0.45 * 0.5**shift)
  to_code, to_value = [(1 / smallest, 0.5)], []
  for i in range(DECADES):
    n, unit = 2 ** (i + shift), 10.0 ** (i - DECADES + 1)
    slope = n / 0.9 / unit
    to_code.append((slope, n - shift - 0.1 * unit * slope))
    # The middle between the last value of this decade and the first of the next
    # is not where their cells meet; a line of a third of the slope corrects it.
    middle = unit * (1 + 0.9 / n)
    to_code.append((slope / 3, 2 * n - shift - middle * slope / 3))
    to_value.append((1 / slope, unit * (0.45 / n - 0.8) + shift / slope))
  to_code.pop()  # Above the last decade is nothing.
  return Book(signed, 2 * n - shift, 1 - 0.225 / n, (*to_code,), (*to_value,))


def linear(signed: bool) -> Book:
  """Evenly spaced values, for comparison."""
  top = 127 if signed else 255
  last = 1 - 0.5 / top
  return Book(signed, top, last, ((float(top), 0.5),), ((1 / top, 0.0),))


def encode(x: Array, book: Book, never_zero: bool = False) -> Array:
  """Codes, uint8, of numbers of at most 1 in magnitude.

  Args:
    x: Numbers.
    book: The values to choose from.
    never_zero: A positive number gets a positive value.
  """
  size = jnp.abs(x) if book.signed else x
  code = jnp.inf
  for slope, offset in book.to_code:
    code = jnp.minimum(code, size * slope + offset)
  code = jnp.where(size > book.last, float(book.top), jnp.floor(code))
  if never_zero:
    code = jnp.where(size > 0, jnp.maximum(code, 1.0), code)
  if book.signed:
    code = 127 + jnp.where(x < 0, -jnp.minimum(code, 127.0), code)
  return code.astype(jnp.uint8)


def decode(code: Array, book: Book) -> Array:
  """The values of codes, float32."""
  code = code.astype(jnp.float32)
  size = jnp.abs(code - 127) if book.signed else code
  value = 0.0
  for slope, offset in book.to_value:
    value = jnp.maximum(value, size * slope + offset)
  value = jnp.minimum(value, 1.0)
  if book.signed:
    value = jnp.where(code < 127, -value, value)
  return value


class Quantized(NamedTuple):
  """Numbers as codes, and the largest magnitude of every block."""

  codes: Array  # uint8 [..., block]
  largest: Array  # float32 [...]


def quantize(x: Array, book: Book, never_zero: bool = False) -> Quantized:
  """Of blocks [..., block]. What is not finite spoils its block."""
  largest = jnp.abs(x).max(-1)
  normal = largest >= np.finfo(np.float32).tiny  # Smaller ones: no inverse.
  inverse = jnp.where(normal, 1 / jnp.where(normal, largest, 1), 0)
  codes = encode(x * inverse[..., None], book, never_zero)
  return Quantized(codes, largest)


def dequantize(q: Quantized, book: Book) -> Array:
  """Blocks [..., block], float32."""
  return decode(q.codes, book) * q.largest[..., None]
