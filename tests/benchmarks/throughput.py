"""Steps per second in the harness, against loops without one.

python -m tests.benchmarks.throughput

Three ways to train the same workload with NAdamW on the same data, in turn,
round by round, so that the machine's drift hits all alike:

  bare      a hand-written loop: one jitted, donated step, batches by indexing
  harness   what a trial runs: clock, feed, watch, records of scalars
  published the way of AlgoPerf's baselines: fresh keys, jax.jit with shardings
            and a host batch at every step
"""

import platform
import statistics
import time

import jax
import optax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import submissions
import workloads
from runner import devices, rules
from runner.clock import Clock
from runner.feed import Feed
from runner.trial import Bench, Budget, run
from runner.watch import Watch
from submissions.submission import Start, Task
from submissions.transforms import scale_by_nadam
from workloads import batches
from workloads.workload import mean_loss

ROUNDS = 7
STEPS = {'digits': 800, 'criteo1tb/mini': 150, 'finewebedu_lm/mini': 16}
KEY = jax.random.key(0)


def optimizer(steps):
  point = submissions.find('nadamw').self_point
  schedule = optax.cosine_decay_schedule(point['learning_rate'], steps)
  return optax.chain(
    scale_by_nadam(1 - point['one_minus_beta1'], point['beta2']),
    optax.add_decayed_weights(point['weight_decay']),
    optax.scale_by_learning_rate(schedule),
  )


def make_step(workload, tx):
  def step(model, opt, batch, key):
    def loss(params):
      return mean_loss(workload, params, model.state, batch, key)

    grad = jax.value_and_grad(loss, has_aux=True)
    (value, state), grads = grad(model.params)
    updates, opt = tx.update(grads, opt, model.params)
    params = optax.apply_updates(model.params, updates)
    return model._replace(params=params, state=state), opt, value

  return step


def bare(workload, row, count):
  tx = optimizer(row.steps)
  step = jax.jit(make_step(workload, tx), donate_argnums=(0, 1))
  source = workload.source('train', None)

  def go():
    model = jax.jit(workload.init)(KEY)
    opt = jax.jit(tx.init)(model.params)
    start = time.perf_counter()
    for n in range(count):
      batch = batches.train_batch(source, 0, n * row.batch_size, row.batch_size)
      model, opt, _ = step(model, opt, batch, KEY)
    jax.block_until_ready((model, opt))
    return time.perf_counter() - start

  return go


def published(workload, row, count):
  tx = optimizer(row.steps)
  step = make_step(workload, tx)
  source = workload.source('train', None)
  mesh = jax.make_mesh((jax.device_count(),), ('batch',), (AxisType.Auto,))
  whole, parts = NamedSharding(mesh, P()), NamedSharding(mesh, P('batch'))

  def go():
    model = jax.device_put(jax.jit(workload.init)(KEY), whole)
    opt = jax.device_put(jax.jit(tx.init)(model.params), whole)
    start = time.perf_counter()
    for n in range(count):
      keys = jax.random.split(jax.random.fold_in(KEY, n), 4)
      batch = batches.train_batch(source, 0, n * row.batch_size, row.batch_size)
      batch = jax.device_put(batch, parts)
      jitted = jax.jit(
        step,
        donate_argnums=(0, 1),
        in_shardings=(whole, whole, parts, whole),
        out_shardings=(whole, whole, whole),
      )
      model, opt, _ = jitted(model, opt, batch, keys[1])
    jax.block_until_ready((model, opt))
    return time.perf_counter() - start

  return go


def harness(workload, row, count):
  entry = submissions.find('nadamw')
  source = workload.source('train', None)
  task = Task(
    workload, row.steps, row.batch_size, len(source), row.steps_per_dispatch
  )
  submission = submissions.make(entry.path, task, entry.self_point)

  def go():
    clock = Clock(wait=devices.wait)
    feed = Feed(source, 0, clock)
    start = Start(jax.jit(workload.init)(KEY), KEY, feed, [])
    bench = Bench(
      clock,
      feed,
      Watch(submission.scalars, max(1, row.steps // 200)),
      lambda model, split: {'validation/none': 0.0},
      lambda metrics: False,
      lambda result, state: None,
    )
    run(submission, start, Budget(1e9, 1e9, count, count), bench)
    return clock.charged()

  return go


def measure(name):
  """Median seconds of every way, and of its ratios to the bare loop."""
  workload, row = workloads.get(name), rules.load('mini').workloads[name]
  ways = {
    way.__name__: way(workload, row, STEPS[name])
    for way in (bare, harness, published)
  }
  for go in ways.values():  # Compiles.
    go()
  rounds = []
  for number in range(ROUNDS):
    order = list(ways) if number % 2 else list(reversed(ways))
    rounds.append({way: ways[way]() for way in order})
  for way in ways:
    rates = [STEPS[name] / seconds[way] for seconds in rounds]
    ratios = [seconds['bare'] / seconds[way] for seconds in rounds]
    middle = statistics.median
    print(
      f'{name:<20} {way:<10} {middle(rates):8.1f} steps/s   '
      f'{middle(ratios):.3f} of bare '
      f'({min(ratios):.3f} to {max(ratios):.3f})',
      flush=True,
    )


if __name__ == '__main__':
  print(f'{platform.processor() or platform.machine()}, jax {jax.__version__}')
  for name in STEPS:
    measure(name)
