"""Compare LAMB with AdamW as the batch grows and the epochs stay the same.

`python -m tests.benchmarks.large_batches [workload] [base batch]` tests the
claim of You et al. 2020 (arXiv:1904.00962) that LAMB keeps its loss up to
larger batches.

The learning rate of each algorithm is the best of a grid at the base batch,
with one seed. At k times the batch, the rate is sqrt(k) times as high, and the
warmup has equally many steps. A second column has the best rate of the grid
around the scaled rate. The two columns separate the cost of the batch from the
cost of scaling the rate.
"""

import math
import statistics
import sys

from tests.benchmarks.losses import entered, losses, row

FACTORS = (1, 16, 32, 64)
SEEDS = (1, 2, 3)
GRID = (0.25, 0.5, 1.0, 2.0, 4.0)
CENTRES = {'adamw': 0.002, 'lamb': 0.008}  # Grid's middle at the base batch.
OWN = {'adamw': {}, 'lamb': {'floor': 1.0}}
WARMUP = 0.005  # Share of the steps, at the base batch.
COMMON = {
  'one_minus_beta1': 0.1, 'beta2': 0.999, 'weight_decay': 0.02,
  'grad_clip': None, 'label_smoothing': 0.0,
}  # fmt: skip


def main(name='imagenet_vit/mini', base='16'):
  """Print a table with one row per batch size."""
  given = row(name)
  print(
    '| batch | steps | ' + ' | '.join(
      f'{a}, scaled | {a}, best of the grid' for a in CENTRES
    ) + ' |\n|' + '---|' * (2 + 2 * len(CENTRES))
  )  # fmt: skip
  tuned = {}
  for factor in FACTORS:
    size, cells = int(base) * factor, []
    steps = given.steps * given.batch_size // size
    warmup = min(0.5, WARMUP * factor)
    for algorithm, centre in CENTRES.items():

      def final(
        rate, seeds, algorithm=algorithm, size=size, steps=steps, warmup=warmup
      ):
        point = COMMON | OWN[algorithm]
        found = losses(
          entered(algorithm, **point, warmup=warmup, learning_rate=rate),
          name,
          seeds,
          steps=steps,
          batch_size=size,
        )
        return [one[-1] for one in found]

      middle = tuned.get(algorithm, centre) * math.sqrt(factor)
      best = min((middle * g for g in GRID), key=lambda r: final(r, SEEDS[:1]))
      tuned.setdefault(algorithm, best)
      for rate in (tuned[algorithm] * math.sqrt(factor), best):
        found = final(rate, SEEDS)
        cells.append(
          f'{statistics.median(found):.3f} ({min(found):.3f} to '
          f'{max(found):.3f}), rate {rate:.2g}'
        )
    print(f'| {size} | {steps} | ' + ' | '.join(cells) + ' |', flush=True)


if __name__ == '__main__':
  main(*sys.argv[1:])
