"""Measure how batches of images reach the devices: when drawn, or ahead.

XLA_FLAGS=--xla_force_host_platform_device_count=8 \\
  python -m tests.benchmarks.feeding [workload ...]

One row per workload and way. *drawn*: float32 is put on the devices when a
batch is drawn, as on a CPU. *ahead*: a thread puts bytes on the devices before
a batch is drawn, as on an accelerator; steps run under
jax.transfer_guard('disallow'). Images are random, in memory; those of ImageNet
are JPEGs that are decoded. Batches of both ways are compared bit for bit.

On a CPU, a batch has 64 photographs at most, and a step is a sum over the batch
and a sleep, as if the devices worked elsewhere. The wait includes unpacking,
which an accelerator does beside the loop. On an accelerator, a step is NAdamW's
on the published model, and the batch is the published batch of as many of eight
devices. *A published batch* is the whole one, in proportion.
"""

import contextlib
import functools
import io
import itertools
import sys
import time
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import submissions
import workloads
from runner.machine import hardware
from runner.trial import devices
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from submissions.submission import Start, Task
from tests.benchmarks.published_sizes import DEVICES, per_device
from workloads.images import photographs, small_images

NAMES = ('mnist', 'cifar', 'imagenet_resnet', 'imagenet_vit')
STEPS = 5  # After a first step, which compiles.
REST = {'imagenet_resnet': 4.0, 'imagenet_vit': 4.0}  # Seconds of a CPU step.
MOST = 64  # Examples in a batch on a CPU.
JPEGS = 64


class Jpegs(NamedTuple):
  """Records with images of 500 x 375 pixels."""

  images: tuple[bytes, ...]

  def __len__(self) -> int:
    return 1_281_167

  def __getitem__(self, numbers):
    found = [self.images[number % JPEGS] for number in numbers]
    return [{'image': image, 'label': 7} for image in found]

  def where(self, number: int) -> str:
    """Return the place of a record, for messages."""
    return f'record {number}'


@functools.cache
def jpegs() -> Jpegs:
  """Return smooth images with noise."""
  rng = np.random.default_rng(0)
  made = []
  for _ in range(JPEGS):
    small = Image.fromarray(rng.integers(0, 256, (40, 52, 3)).astype(np.uint8))
    noise = rng.normal(0, 6, (375, 500, 3))
    pixels = np.asarray(small.resize((500, 375))) + noise
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, 'jpeg')
    made.append(file.getvalue())
  return Jpegs(tuple(made))


def published(workload: str, data_dir: str | None):
  """Return random bytes in place of a published dataset of small images."""
  del data_dir
  shape = {'mnist': (60_000, 28, 28, 1), 'cifar': (50_000, 32, 32, 3)}[workload]
  rng = np.random.default_rng(0)
  pixels = rng.integers(0, 256, shape, np.uint8)
  targets = rng.integers(0, 10, len(pixels)).astype(np.int32)
  return {'train': (pixels, targets), 'test': (pixels[:10], targets[:10])}


def source(name: str):
  """Return the published workload's own source, of generated examples."""
  with (
    mock.patch.object(small_images, '_published', published),
    mock.patch.object(photographs.data, 'find', lambda *_: {'imagenet2012': 0}),
    mock.patch.object(photographs, 'Records', lambda *_: jpegs()),
  ):
    return workloads.get(name).source('train', None)


@contextlib.contextmanager
def fed(name: str, ahead: bool):
  """Yield a feed, its clock, and a list of the bytes that it sends."""
  sent, split, clock = [], devices.split, Clock()

  def counted(batch, stacked=False):
    sent.append(sum(x.nbytes for x in batch.values()))
    return split(batch, stacked)

  with (
    mock.patch.object(devices, 'accelerated', lambda: ahead),
    mock.patch.object(devices, 'split', counted),
  ):
    feed = Feed(source(name), 0, clock)
    yield feed, clock, sent
    feed._ahead._thread.shutdown(cancel_futures=True)


def steps(name: str, size: int, feed: Feed):
  """Yield after every step of a training, with an array that it makes."""
  if jax.default_backend() == 'cpu':
    total = jax.jit(lambda batch: jnp.sum(batch['inputs']))
    for batch in feed(size):
      found = total(batch)
      time.sleep(REST.get(name, 0.1))
      yield found
  problem = workloads.get(name)
  entry = submissions.find('nadamw')
  task = Task(problem, 100, size, 1_281_167)
  init, key = jax.random.split(jax.random.key(0))
  start = Start(
    devices.replicate(jax.jit(problem.init)(init)),
    devices.replicate(key),
    feed,
    place=devices.whole,
  )
  submission = submissions.make(entry.path, task, entry.self_point)
  for state in submission.train(start):
    yield submission.scalars(state)['loss']


def row(name: str, size: int, ahead: bool) -> str:
  """Return a way's row of the table."""
  with fed(name, ahead) as (feed, clock, sent):
    trained = steps(name, size, feed)
    jax.block_until_ready(next(trained))
    waited, began = clock.accounts()['data'], time.perf_counter()
    with jax.transfer_guard('disallow' if ahead else 'allow'):
      jax.block_until_ready(list(itertools.islice(trained, STEPS)))
    seconds = (time.perf_counter() - began) / STEPS
    waited = (clock.accounts()['data'] - waited) / STEPS
  cells = [
    name,
    str(size),
    'ahead' if ahead else 'drawn',
    f'{sent[0] / size / 1e3:.1f}',
    f'{sent[0] / size * DEVICES * per_device(name) / 1e6:.1f}',
    f'{1e3 * waited:.1f}',
    f'{100 * waited / seconds:.1f} %',
  ]
  return f'| {" | ".join(cells)} |'


def same(name: str, size: int) -> bool:
  """Test whether both ways make the same two batches."""
  found = []
  for ahead in (False, True):
    with fed(name, ahead) as (feed, _, _):
      drawn = itertools.islice(feed(size), 2)
      found.append([jax.tree.map(np.asarray, dict(batch)) for batch in drawn])
  return all(
    a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)
    for a, b in zip(*found, strict=True)
  )


def main(names: list[str]) -> None:
  """Print a table of both ways, and whether their batches are the same."""
  machine = hardware.describe().facts
  count = jax.device_count()
  print(f'{count} x {machine["accelerators"] or machine["cpu"]}')
  print(
    '| workload | batch | way | kB an example | MB a published batch '
    '| ms waited | of the time |\n|---|---|---|---|---|---|---|'
  )
  for name in names or NAMES:
    on_cpu = jax.default_backend() == 'cpu'
    size = per_device(name) * (DEVICES if on_cpu else count)
    size = min(size, MOST) if on_cpu else size
    for ahead in (False, True):
      print(row(name, size, ahead), flush=True)
    alike = same(name, 8 * count)
    print(f'{name}: batches are {"the same" if alike else "NOT the same"}.')


if __name__ == '__main__':
  main(sys.argv[1:])
