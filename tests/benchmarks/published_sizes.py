"""Measure time and memory of a training step of every published model.

python -m tests.benchmarks.published_sizes [workload ...]

All base workloads are measured by default, each in a process of its own, so
that peak memory belongs to one workload. On a CPU, the batch is small, and
Criteo 1TB is left out, because embeddings, gradient and moments take 9 GB. On a
GPU, the batch is the published batch of one of eight devices. Batches are
random. The optimizer is NAdamW.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

import jax
import optax

import workloads
from runner.launch import environment
from runner.machine import hardware
from runner.protocol.suites import suite
from submissions.transforms import scale_by_nadam
from workloads.workload import Model, mean_loss

DEVICES = 8  # Devices that share a published batch.
CPU_BATCH = {'mnist': 8, 'cifar': 8, 'imagenet_resnet': 8, 'imagenet_vit': 8}
STEPS = 3  # Measured steps, after a first step that may compile.
CHILD = '--measure'


def main(names):
  """Print a table with one row per workload."""
  # This process starts no JAX backend, which would take the children's memory.
  machine = hardware.describe().facts
  on_cpu = not machine['accelerators']
  print(f'{machine["accelerators"] or machine["cpu"]}, jax {jax.__version__}')
  print('| workload | batch | parameters | compile s | step s | peak GiB |')
  print('|---|---|---|---|---|---|')
  for name in names or published():
    if on_cpu and not names and name == 'criteo1tb':
      continue
    batch = CPU_BATCH.get(name, 2) if on_cpu else per_device(name)
    child = [sys.executable, '-m', __spec__.name, CHILD, name, str(batch)]
    done = subprocess.run(
      child,
      capture_output=True,
      text=True,
      check=False,
      env=environment.variables(),  # A few workloads hang without these flags.
    )
    if done.returncode:
      why = ' '.join(done.stderr.split())[-300:]
      print(f'| {name} | {batch} | failed: {why} |', flush=True)
      continue
    row = json.loads(done.stdout.splitlines()[-1])
    print(
      f'| {name} | {batch} | {row["parameters"]:,} | {row["compile"]:.1f} '
      f'| {row["step"]:.3g} | {row["peak"]:.2f} |',
      flush=True,
    )


def published():
  """Return the base workloads that have published sizes."""
  bases = [name for name in workloads.names() if '/' not in name]
  return [name for name in bases if name != 'digits']


def per_device(name):
  """Return the published batch size divided by DEVICES."""
  rows = {}
  for board in ('algoperf_a100', 'algoperf_v06'):
    found = suite.load(board)
    rows |= found.workloads | found.unscored
  return max(1, rows[workloads.check(name)].batch_size // DEVICES)


def measure(name, batch_size):
  """Print one line of JSON: seconds, and GiB of this process or its GPU."""
  workload, first = workloads.get(name), jax.random.key(0)
  tx = optax.chain(scale_by_nadam(0.9, 0.999), optax.scale(-1e-3))
  model = jax.jit(workload.init)(first)
  opt_state = jax.jit(tx.init)(model.params)
  make = jax.jit(workload.fake_batch, static_argnums=1)
  batch = make(first, batch_size)

  def step(model, opt_state, batch, key):
    def loss(params):
      return mean_loss(workload, params, model.state, batch, key, dropout=0.1)

    grads, state = jax.grad(loss, has_aux=True)(model.params)
    updates, opt_state = tx.update(grads, opt_state, model.params)
    return Model(optax.apply_updates(model.params, updates), state), opt_state

  parameters = sum(leaf.size for leaf in jax.tree.leaves(model.params))
  step = jax.jit(step, donate_argnums=(0, 1))
  start = time.perf_counter()
  compiled = step.lower(model, opt_state, batch, first).compile()
  compile_seconds = time.perf_counter() - start
  seconds = []
  for _ in range(STEPS + 1):
    start = time.perf_counter()
    model, opt_state = compiled(model, opt_state, batch, first)
    jax.block_until_ready(model)
    seconds.append(time.perf_counter() - start)
  row = {
    'parameters': parameters,
    'compile': compile_seconds,
    'step': statistics.median(seconds[1:]),
    'peak': peak_bytes() / 2**30,
  }
  print(json.dumps(row))


def peak_bytes():
  """Return the peak bytes of the GPU, or of this process without a GPU."""
  stats = jax.devices()[0].memory_stats()
  if stats:
    return stats['peak_bytes_in_use']
  usage = resource.getrusage(resource.RUSAGE_SELF)
  return usage.ru_maxrss * 1024  # Linux counts in KiB.


if __name__ == '__main__':
  if sys.argv[1:2] == [CHILD]:
    measure(sys.argv[2], int(sys.argv[3]))
  else:
    main(sys.argv[1:])
