"""Measures what one dispatch instead of several would save an evaluation.

    python -m tests.benchmarks.evaluations [workload ...]

The validation split of every mini workload is evaluated in turns: as trials do,
batch by batch, and with all batches in one dispatch (`jax.lax.map`). 'host' is
the time of the main thread that is not XLA's: making batches, dispatching and
joining statistics, as a share of the processor time of the evaluation. Ratios
are of one dispatch to several, with quartiles.
"""

import functools
import statistics
import sys
import time

import jax
import numpy as np

from runner.protocol.suites import suite as rules
from runner.trial import evaluate
from workloads import batches

ROUNDS = 7


def main(names):
  """Print a table with one row per workload."""
  suite = rules.load('mini')
  rows = suite.workloads | suite.unscored
  print('| workload | batches | host | wall | processor | bits |')
  print('|---' * 6 + '|')
  for name in names or [n for n in rows if n.endswith('/mini')]:
    print(f'| {name} |', ' | '.join(measured(rows[name])), '|', flush=True)


def measured(spec):
  """Return the cells of a workload's row.

  Args:
    spec: The workload in the suite.
  """
  workload, sources = evaluate.data(spec, None)
  source = sources['validation']
  model, _ = evaluate.fresh(workload, 0)
  limit = evaluate.examples(source, spec, 'validation')
  size = min(spec.eval_batch_size, len(source))
  host = []

  def several():
    parts, spent = [], 0.0
    began = time.thread_time()
    for batch in batches.eval_batches(source, size, limit):
      parts.append(evaluate._examine(workload, model, batch))
    spent += time.thread_time() - began
    jax.block_until_ready(parts)
    began = time.thread_time()
    found = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
    host.append(spent + time.thread_time() - began)
    return leaves(found)

  mapped = jax.jit(together, static_argnums=0)

  def one():
    made = list(batches.eval_batches(source, size, limit))
    stacked = {name: np.stack([b[name] for b in made]) for name in made[0]}
    found = leaves(mapped(workload, model, stacked))
    return [x.reshape(-1, *x.shape[2:]) for x in found]

  same = all(
    map(functools.partial(np.array_equal, equal_nan=True), several(), one())
  )
  host.clear()
  times = [(timed(one), timed(several)) for _ in range(ROUNDS)]
  share = statistics.median(
    spent / b[1] for spent, (_, b) in zip(host, times, strict=True)
  )
  ratios = [shown([a[n] / b[n] for a, b in times]) for n in range(2)]
  count = -(-limit // size)
  return [f'{count}', f'{share:.1%}', *ratios, 'same' if same else 'other']


def together(workload, model, stacked):
  """Return statistics of stacked batches."""
  return jax.lax.map(
    lambda batch: evaluate._examine(workload, model, batch), stacked
  )


def leaves(tree):
  """Return the arrays of a tree on the host."""
  return jax.device_get(jax.tree.leaves(tree))


def timed(run):
  """Return the wall seconds and the processor seconds of a call."""
  wall, processor = time.monotonic(), time.process_time()
  run()
  return time.monotonic() - wall, time.process_time() - processor


def shown(values):
  """Return the median of values and their quartiles, as text."""
  low, middle, high = statistics.quantiles(values, n=4)
  return f'{middle:.2f} ({low:.2f}, {high:.2f})'


if __name__ == '__main__':
  main(sys.argv[1:])
