"""Measure the loss, time and limits of eight-bit optimizer state.

`python -m tests.benchmarks.eight_bit [bytes|loss|time|ablation]`; all parts by
default.

`bytes`: bytes of optimizer state per parameter of the published models. Small
arrays and embeddings stay in 32 bits.

`loss`: 8-bit AdamW and AdamW, five seeds, with the bytes per parameter.
Dettmers et al. 2022 (arXiv:2110.02861) claim the same loss.

`time`: an update of eleven million parameters in the nineteen arrays of a
transformer, in turn with optax.adamw in one process: each optimizer as it
writes parameters, and as a chain of optax. Temporary memory is measured alone,
and in a step whose gradient comes from a backward pass.

`ablation`: a language model without exempt arrays. Embeddings are not exempt
either, so blocks mix rows of frequent and of rare words. Three seeds.
"""

import functools
import os
import statistics
import sys
import time

import jax
import jax.numpy as jnp
import optax

import workloads
from runner.launch import environment
from submissions import eight_bit, quantization, schedules
from submissions.submission import Start, Task, from_optax
from submissions.trust_ratio import scale_by_trust
from tests.benchmarks.losses import entered, losses, row

WORKLOADS = ('imagenet_vit/mini', 'finewebedu_lm/mini')
PUBLISHED = (
  'criteo1tb', 'fastmri', 'finewebedu_lm', 'imagenet_resnet', 'imagenet_vit',
  'librispeech_conformer', 'librispeech_deepspeech', 'ogbg', 'wmt',
)  # fmt: skip
ROUNDS = 25
WIDTH = 512


def bytes_of_state(build, name):
  """Return bytes of optimizer state per parameter, without running a step."""
  problem = workloads.get(name)
  task = Task(problem, 10, 2, 100)
  submission = build(task)

  def after_a_step(key):
    batch = problem.fake_batch(key, 2)

    def feed(size, stack=1):
      del size, stack
      while True:
        yield batch

    start = Start(problem.init(key), key, feed)
    return next(iter(submission.train(start))).state.opt

  size = lambda tree: sum(  # noqa: E731
    x.size * x.dtype.itemsize for x in jax.tree.leaves(tree)
  )
  state = jax.eval_shape(after_a_step, jax.random.key(0))
  return 4 * size(state) / size(task.shapes.params)


def state():
  """Print a table of bytes per parameter."""
  print('| workload | parameters | bytes each, adamw_8bit | lion_8bit |')
  print('|---|---|---|---|')
  for name in PUBLISHED:
    sizes = [
      bytes_of_state(entered(s), name) for s in ('adamw_8bit', 'lion_8bit')
    ]
    shapes = Task(workloads.get(name), 10, 2, 100).shapes.params
    count = sum(x.size for x in jax.tree.leaves(shapes))
    print(f'| {name} | {count:,} | {sizes[0]:.2f} | {sizes[1]:.2f} |')


def loss():
  """Print a table of losses."""
  print('| workload | submission | loss, median of 5 (range) | bytes |')
  print('|---|---|---|---|')
  for name in WORKLOADS:
    for submission in ('adamw', 'adamw_8bit'):
      build = entered(submission)
      found = losses(build, name, range(5), steps=row(name).steps)
      ends = [one[-1] for one in found]
      print(
        f'| {name} | {submission} | {statistics.median(ends):.4f} '
        f'({min(ends):.4f} to {max(ends):.4f}) | '
        f'{bytes_of_state(build, name):.2f} |',
        flush=True,
      )


def transformer():
  """Return 10.5 million parameters: embedding, four layers, norms and head."""
  layer = [(WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH)]
  shapes = [(8192, WIDTH), *(4 * layer), *(5 * [(WIDTH,)]), (WIDTH, 2 * WIDTH)]
  keys = jax.random.split(jax.random.key(0), len(shapes))
  return [jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True)]


SCHEDULE = optax.constant_schedule(1e-3)
DECAY = 1e-4


def before(rule, exempt, *rest):
  """Return a step that makes updates, as chains of optax do."""
  tx = optax.chain(
    *rest[:-1], eight_bit.scale_by(rule, exempt), rest[-1],
    optax.scale_by_learning_rate(SCHEDULE),
  )  # fmt: skip
  return chained(tx)


def chained(tx):
  """Return the first state and a step of an optax transformation."""

  def step(params, state, grads):
    updates, state = tx.update(grads, state, params)
    return optax.apply_updates(params, updates), state

  return tx.init, step


def after(rule, exempt, **options):
  """Return the first state and a step of a writer."""
  tx = eight_bit.writer(rule, SCHEDULE, exempt, **options)
  return tx.init, lambda params, state, grads: tx.write(grads, state, params)


def ways(exempt):
  """Return the first states and steps to compare, by name."""
  adam, lion = eight_bit.adam(0.9, 0.999), eight_bit.lion(0.9, 0.99)
  momentum, lamb = eight_bit.momentum(0.9), eight_bit.adam(0.9, 0.999, 1e-6)
  decay = optax.add_decayed_weights(DECAY)
  trusted = optax.chain(decay, scale_by_trust())
  trust = eight_bit.Trust([not x for x in exempt])
  return {
    'optax.adamw': chained(optax.adamw(1e-3, weight_decay=DECAY)),
    'optax.lion': chained(optax.lion(1e-3, weight_decay=DECAY)),
    'adam_8bit, chain': before(adam, exempt, optax.identity()),
    'adam_8bit': after(adam, exempt),
    'adamw_8bit, chain': before(adam, exempt, decay),
    'adamw_8bit': after(adam, exempt, weight_decay=DECAY),
    'momentum_8bit, chain': before(momentum, exempt, decay, optax.identity()),
    'momentum_8bit': after(momentum, exempt, weight_decay=DECAY, coupled=True),
    'lion_8bit, chain': before(lion, exempt, decay),
    'lion_8bit': after(lion, exempt, weight_decay=DECAY),
    'lamb_8bit, chain': before(lamb, exempt, trusted),
    'lamb_8bit': after(lamb, exempt, weight_decay=DECAY, trust=trust),
  }


def temporary(compiled):
  """Return bytes of temporary memory, by XLA's analysis."""
  return compiled.memory_analysis().temp_size_in_bytes


def within(step):
  """Return a training step: its gradient comes from a backward pass."""

  def whole(params, state, x):
    def loss(params):
      matrices = [w for w in params if w.shape == (WIDTH, WIDTH)]
      used = x
      for w in matrices:
        used = jnp.tanh(used @ w)
      others = sum((w**3).sum() for w in params if w.shape != (WIDTH, WIDTH))
      return used.sum() + others

    return step(params, state, jax.grad(loss)(params))

  return whole


def seconds():
  """Print a table of the time and the temporary memory of an update."""
  params = transformer()
  count, exempt = sum(x.size for x in params), [False] * len(params)
  grads = [0.1 * x for x in params]
  x = jnp.ones((8, WIDTH))
  runs, needs = {}, {}
  for name, (init, step) in ways(exempt).items():
    state = jax.jit(init)(params)
    donated = functools.partial(jax.jit, donate_argnums=(0, 1))
    alone = donated(step).lower(params, state, grads).compile()
    whole = donated(within(step)).lower(params, state, x).compile()
    size = sum(x.nbytes for x in jax.tree.leaves(state))
    needs[name] = [
      n / count for n in (size, temporary(alone), temporary(whole))
    ]
    runs[name] = [alone, (jax.tree.map(jnp.copy, params), state), [], []]
  for _ in range(ROUNDS):
    for run in runs.values():
      began, used = time.perf_counter(), time.process_time()
      run[1] = jax.block_until_ready(run[0](*run[1], grads))
      run[2].append(time.perf_counter() - began)
      run[3].append(time.process_time() - used)
  print(f'{count / 1e6:.1f} million parameters. Ratios to optax.adamw of the')
  print('same round: median (quartiles). Memory is in bytes a parameter.')
  print(
    '| way | ms | ratio | ratio of CPU time | state | temporary | in a step |'
  )
  print('|---|---|---|---|---|---|---|')
  base = runs['optax.adamw']
  for name, run in runs.items():
    middle = statistics.median(run[2])
    print(
      f'| {name} | {1e3 * middle:.1f} | {ratio(run[2], base[2])} | '
      f'{ratio(run[3], base[3])} | '
      + ' | '.join(f'{need:.2f}' for need in needs[name])
      + ' |'
    )


def ratio(times, others):
  """Return the median and the quartiles of ratios, as text."""
  ratios = [a / b for a, b in zip(times, others, strict=True)]
  low, middle, high = statistics.quantiles(ratios, n=4)
  return f'{middle:.2f} ({low:.2f} to {high:.2f})'


def ablation(name='finewebedu_lm/mini'):
  """Print final losses at AdamW's point; infinite if training diverged."""
  point = {'learning_rate': 0.008, 'beta1': 0.9, 'beta2': 0.999}

  def build(book, block, never_zero):
    def made(task):
      schedule = schedules.warmup_cosine(
        point['learning_rate'], 0.05, task.steps
      )
      if book is None:
        adam = optax.scale_by_adam(point['beta1'], point['beta2'])
      else:
        adam = eight_bit.scale_by(
          eight_bit.adam(point['beta1'], point['beta2'], book=book),
          exempt=task.mask(),
          block=block,
          never_zero=never_zero,
        )
      tx = optax.chain(
        adam,
        optax.add_decayed_weights(0.05),
        optax.scale_by_learning_rate(schedule),
      )
      return from_optax(task, tx, steps=task.steps)

    return made

  dynamic, linear, whole = quantization.dynamic, quantization.linear, 1 << 20
  ways = {'32 bits': (None, 0, False)}
  for text, book, block in (
    ('dynamic, blocks of 256', dynamic, 256),
    ('dynamic, blocks of 2048', dynamic, 2048),
    ('dynamic, one block an array', dynamic, whole),
    ('linear, blocks of 256', linear, 256),
  ):
    ways[text] = (book, block, False)
    ways[f'{text}, never zero'] = (book, block, True)
  print('| state | loss of seeds 0, 1, 2 |')
  print('|---|---|')
  for text, way in ways.items():
    found = losses(build(*way), name, range(3), steps=row(name).steps)
    print(f'| {text} | ' + ' / '.join(f'{one[-1]:.3f}' for one in found) + ' |',
          flush=True)  # fmt: skip


PARTS = {'bytes': state, 'loss': loss, 'time': seconds, 'ablation': ablation}

if __name__ == '__main__':
  os.environ |= (
    environment.variables()
  )  # The environment and XLA flags of trials.
  for part in sys.argv[1:] or PARTS:
    PARTS[part]()
    print()
