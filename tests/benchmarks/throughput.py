"""Compare steps per second in the harness with loops without a harness.

    python -m tests.benchmarks.throughput [WORKLOAD ...] [--clip=1.0]
        [--grouped=4] [--rounds=25]

Three loops train the same workload with NAdamW on the same data, in turn, round
by round. So changes of the machine's speed affect all loops alike. Put `taskset
-c 0` before the command to measure on one core.

  bare      a hand-written loop: one jitted, donated step, batches by indexing
  harness   the code of a trial: clock, feed, monitor, recorded scalars
  published the loop of AlgoPerf's baselines: fresh keys, jax.jit with shardings
            and a host batch at every step
  grouped   the harness with --grouped steps in one compiled call
"""

import argparse
import dataclasses
import functools
import itertools
import os
import platform
import statistics
import time
from typing import NamedTuple

import jax
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

import submissions
import workloads
from runner.launch import environment
from runner.trial import devices, task as problem
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.monitor import Watch
from submissions.submission import Start, Task
from submissions.transforms import scale_by_nadam
from tests.benchmarks import losses
from workloads import batches
from workloads.workload import mean_loss

# XLA accepts 32 steps ahead of the device. Loops that wait after fewer steps
# have done their host's work before the device has finished the first ones.
STEPS = {
  'digits': 400,
  'criteo1tb/mini': 96,
  'fastmri/mini': 48,
  'imagenet_resnet/mini': 48,
  'imagenet_vit/mini': 96,
  'librispeech_conformer/mini': 48,
  'librispeech_deepspeech/mini': 48,
  'ogbg/mini': 96,
  'wmt/mini': 48,
  'finewebedu_lm/mini': 36,
}
SEED = 0
PLAIN = {'label_smoothing': 0.0}  # The other loops have none.


def optimizer(steps, clip=None):
  """Return NAdamW with cosine decay over `steps`, and clipping if wanted."""
  point = submissions.find('nadamw').self_point
  schedule = optax.cosine_decay_schedule(point['learning_rate'], steps)
  return optax.chain(
    optax.clip_by_global_norm(clip) if clip else optax.identity(),
    scale_by_nadam(1 - point['one_minus_beta1'], point['beta2']),
    optax.add_decayed_weights(point['weight_decay']),
    optax.scale_by_learning_rate(schedule),
  )


def make_step(workload, tx):
  """Return a training step: (model, opt, batch, key) -> (model, opt, loss)."""

  def step(model, opt, batch, key):
    def loss(params):
      return mean_loss(workload, params, model.state, batch, key)

    grad = jax.value_and_grad(loss, has_aux=True)
    (value, state), grads = grad(model.params)
    updates, opt = tx.update(grads, opt, model.params)
    params = optax.apply_updates(model.params, updates)
    return model._replace(params=params, state=state), opt, value

  return step


def bare(workload, row, count, clip=None):
  """Train in a hand-written loop; yield after every `count` steps.

  Args:
    workload: The workload.
    row: The workload of the suite.
    count: Steps between yields.
    clip: Largest norm of the gradient; None: no limit.
  """
  tx = optimizer(row.steps, clip)
  step = jax.jit(make_step(workload, tx), donate_argnums=(0, 1))
  source = workload.source('train', None)
  key = jax.random.key(SEED)
  model = jax.jit(workload.init)(key)
  opt = jax.jit(tx.init)(model.params)
  for n in itertools.count():
    batch = batches.train_batch(source, 0, n * row.batch_size, row.batch_size)
    model, opt, _ = step(model, opt, batch, key)
    if (n + 1) % count == 0:
      yield jax.block_until_ready(model)


def published(workload, row, count, clip=None):
  """Train like AlgoPerf's baselines; yield after every `count` steps.

  Args:
    workload: The workload.
    row: The workload of the suite.
    count: Steps between yields.
    clip: Largest norm of the gradient; None: no limit.
  """
  tx = optimizer(row.steps, clip)
  step = make_step(workload, tx)
  source = workload.source('train', None)
  mesh = jax.make_mesh((jax.device_count(),), ('batch',), (AxisType.Auto,))
  whole, parts = NamedSharding(mesh, P()), NamedSharding(mesh, P('batch'))
  key = jax.random.key(SEED)
  model = jax.device_put(jax.jit(workload.init)(key), whole)
  opt = jax.device_put(jax.jit(tx.init)(model.params), whole)
  for n in itertools.count():
    keys = jax.random.split(jax.random.fold_in(key, n), 4)
    batch = batches.train_batch(source, 0, n * row.batch_size, row.batch_size)
    batch = jax.device_put(batch, parts)
    jitted = jax.jit(
      step,
      donate_argnums=(0, 1),
      in_shardings=(whole, whole, parts, whole),
      out_shardings=(whole, whole, whole),
    )
    model, opt, _ = jitted(model, opt, batch, keys[1])
    if (n + 1) % count == 0:
      yield jax.block_until_ready(model)


def harness(workload, row, count, clip=None):
  """Train like a trial; yield after every `count` steps.

  Args:
    workload: The workload.
    row: The workload of the suite.
    count: Steps between yields, as between two evaluations.
    clip: Largest norm of the gradient; None: no limit.
  """
  source = workload.source('train', None)
  size, per_dispatch = row.batch_size, row.steps_per_dispatch
  every = problem.record_every(row)
  task = Task(workload, 1_000_000, size, len(source), per_dispatch, every)
  submission = losses.entered('nadamw', grad_clip=clip, **PLAIN)(task)
  clock = Clock(wait=devices.wait)
  feed = Feed(source, 0, clock)
  key = jax.random.key(SEED)
  start = Start(jax.jit(workload.init)(key), key, feed, [])
  states = submission.train(start)
  watch = Watch(submission.scalars, every)
  while True:
    with clock.account('train'):
      for _ in range(count // row.steps_per_dispatch):
        state = next(states)
        watch(feed.steps, clock.charged(), state)
    watch.catch_up()
    yield state


def grouped(workload, row, count, clip=None, *, size):
  """Train like a trial, `size` steps in one compiled call."""
  row = dataclasses.replace(row, steps_per_dispatch=size)
  return harness(workload, row, count, clip)


def measure(name, rounds, clip=None, size=None):
  """Print the steps per second of every loop, and ratios to the bare loop.

  'at best' compares the fastest rounds, which a busy machine disturbs least.
  'pairwise' is the median over rounds, 'processor' the same of processor
  seconds: those of all threads of this process.

  Args:
    name: The workload.
    rounds: Number of rounds.
    clip: Largest norm of the gradient; None: no limit.
    size: Steps in one call of the loop `grouped`; None: without that loop.
  """
  workload, row = workloads.get(name), losses.row(name)
  made = {'bare': bare, 'harness': harness, 'published': published}
  if size is not None:
    made['grouped'] = functools.partial(grouped, size=size)
  ways = {
    way: make(workload, row, STEPS[name], clip) for way, make in made.items()
  }
  first = {way: seconds(loop) for way, loop in ways.items()}  # They compile.
  found = []
  for number in range(rounds):
    order = list(ways) if number % 2 else list(reversed(ways))
    found.append({way: seconds(ways[way]) for way in order})
  for way in ways:
    fastest = min(one[way].wall for one in found)
    best = min(one['bare'].wall for one in found) / fastest
    print(
      f'{name:<20} {way:<10} {STEPS[name] / fastest:8.1f} steps/s, {best:.3f} '
      f'of bare at best; pairwise {ratios(found, way, "wall")}; processor '
      f'{ratios(found, way, "processor")}; first {STEPS[name]} steps '
      f'{first[way].processor:.1f} processor s',
      flush=True,
    )


class Seconds(NamedTuple):
  """Seconds of some steps."""

  wall: float
  processor: float


def ratios(rounds, way, what):
  """Return the median and quartiles of the bare loop's seconds over a way's."""
  found = [getattr(r['bare'], what) / getattr(r[way], what) for r in rounds]
  low, middle, high = statistics.quantiles(found, n=4)
  return f'{middle:.3f} (quartiles {low:.3f}, {high:.3f})'


def seconds(loop):
  """Return the seconds until a loop yields again."""
  wall, processor = time.perf_counter(), time.process_time()
  next(loop)
  return Seconds(time.perf_counter() - wall, time.process_time() - processor)


def main():
  """Measure the workloads of the command line."""
  parser = argparse.ArgumentParser()
  parser.add_argument('workloads', nargs='*', metavar='WORKLOAD')
  parser.add_argument('--clip', type=float)
  parser.add_argument('--grouped', type=int, metavar='STEPS')
  parser.add_argument('--rounds', type=int, default=25)
  flags = parser.parse_args()
  # The environment and XLA flags of trials.
  os.environ |= environment.variables()
  print(f'{platform.processor() or platform.machine()}, jax {jax.__version__}')
  for name in flags.workloads or STEPS:
    measure(name, flags.rounds, flags.clip, flags.grouped)


if __name__ == '__main__':
  main()
