"""Batches of bytes, unpacked by a compiled program, are those that numpy makes.

XLA optimizes here as in trials: then it may compute a product and a sum in one
operation, which rounds once instead of twice.
"""

import functools

import jax
import numpy as np
import pytest

from workloads import batches
from workloads.images import cifar, mnist, photographs, small_images
from workloads.images.classification import Mixup

OPTIMIZED = {
  'xla_backend_optimization_level': 3,
  'xla_llvm_disable_expensive_passes': False,
}
RNG = np.random.default_rng(3)


def images(count, size, channels):
  return RNG.integers(0, 256, (count, size, size, channels), np.uint8)


def same(unpack, packed, wanted):
  found = jax.jit(unpack, compiler_options=OPTIMIZED)(packed)
  assert found.keys() == wanted.keys()
  for name, rows in wanted.items():
    assert found[name].dtype == rows.dtype
    np.testing.assert_array_equal(found[name], rows)


@pytest.mark.parametrize(
  ('size', 'mean', 'std'),
  [
    (32, cifar.MEAN, cifar.STD),
    (28, (mnist.MEAN,), (mnist.STD,)),
    (28, (mnist.MEAN / 255,), (mnist.STD / 255,)),
  ],
)
def test_small_images_are_scaled_to_the_same_bits(size, mean, std):
  pixels, targets = images(300, size, len(mean)), np.arange(300, dtype=np.int32)
  moving = small_images.shift_and_flip(2)
  source = small_images.Pixels(pixels, targets, mean, std, moving)
  wanted = batches.train_batch(source, 5, 17, 256)
  packed = batches.train_batch(source.packing.source, 5, 17, 256)
  assert packed['inputs'].dtype == np.uint8
  same(source.packing.unpack, packed, wanted)


@pytest.mark.parametrize('alpha', [0.2, 1.0])
def test_mixed_photographs_have_the_same_bits(alpha):
  mixup = Mixup(classes=50, alpha=alpha)
  rows = {'inputs': images(16, 64, 3), 'targets': np.arange(16, dtype=np.int32)}
  scaled = np.stack([photographs.normalized(x) for x in rows['inputs']])
  ones = {'weights': np.ones(16, np.float32)}
  later = functools.partial(mixup.later, scale=photographs.normalized_later)
  for seed in range(3):
    now = mixup.now(rows | {'inputs': scaled}, np.random.default_rng(seed))
    packed = mixup.with_share(rows, np.random.default_rng(seed))
    same(later, packed | ones, now | ones)
