"""LAMB against AdamW where the batch grows and the epochs stay.

`python -m tests.benchmarks.large_batches [workload] [base batch]` shows whether
LAMB's loss stays flat for longer, as You et al. 2020 (arXiv:1904.00962) claim.
The rate of each algorithm is the best of a grid at the base batch, one seed;
at k times the batch it is sqrt(k) times that, and the warmup is as many steps.
Beside it stands the best rate at that batch, of the same grid around the scaled
one: what the batch costs, and what scaling.
"""

import math
import statistics
import sys

from tests.benchmarks.losses import entered, losses, row

FACTORS = (1, 16, 32, 64)
SEEDS = (1, 2, 3)
GRID = (0.25, 0.5, 1.0, 2.0, 4.0)
CENTRES = {'adamw': 0.002, 'lamb': 0.008}  # Rates at the base batch.
OWN = {'adamw': {}, 'lamb': {'floor': 1.0}}
WARMUP = 0.005  # Of the steps, at the base batch.
COMMON = {
  'one_minus_beta1': 0.1, 'beta2': 0.999, 'weight_decay': 0.02,
  'grad_clip': None, 'label_smoothing': 0.0,
}  # fmt: skip


def main(name='imagenet_vit/mini', base='16'):
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
