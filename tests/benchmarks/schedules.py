"""Compare schedules of AdamW, and schedule-free AdamW without a horizon.

`python -m tests.benchmarks.schedules [decay|horizon]`; both parts by default.

`decay` tests the claim of Defazio et al. 2023 (arXiv:2310.07831) that linear
decay is at least as good as cosine decay. All schedules use AdamW's own point,
which was chosen with cosine decay. The figures are validation losses at the end
of the budget: the median of five seeds, and the range.

`horizon` tests the claim of Defazio et al. 2024 (arXiv:2405.15682) that
schedule-free AdamW, trained once without a horizon, is as good as AdamW with
cosine decay, trained anew for each horizon. Three seeds.
"""

import statistics
import sys

from tests.benchmarks.losses import entered, losses, row

WORKLOADS = ('criteo1tb/mini', 'imagenet_vit/mini', 'ogbg/mini')
SCHEDULES = ('cosine', 'linear', 'rex', 'wsd')
SHARES = (0.25, 0.5, 1.0)


def cell(found: list[float]) -> str:
  """Return median and range as text."""
  middle, low, high = statistics.median(found), min(found), max(found)
  return f'{middle:.4f} ({low:.4f} to {high:.4f})'


def decay():
  """Print a table of final losses by schedule."""
  print('| workload | ' + ' | '.join(SCHEDULES) + ' |')
  print('|---' * (1 + len(SCHEDULES)) + '|')
  for name in WORKLOADS:
    cells = []
    for kind in SCHEDULES:
      found = losses(
        entered('adamw', schedule=kind),
        name,
        range(5),
        steps=row(name).steps,
      )
      cells.append(cell([one[-1] for one in found]))
    print(f'| {name} | ' + ' | '.join(cells) + ' |', flush=True)


def horizon():
  """Print a table of losses by horizon."""
  print('| workload | steps | cosine to this horizon | schedule-free |')
  print('|---|---|---|---|')
  for name in WORKLOADS:
    steps = row(name).steps
    counts = [int(share * steps) for share in SHARES]
    once = losses(
      entered('schedule_free'), name, range(3), steps=steps, at=counts
    )
    for count, found in zip(counts, zip(*once, strict=True), strict=True):
      anew = losses(entered('adamw'), name, range(3), steps=count)
      print(
        f'| {name} | {count} | {cell([one[-1] for one in anew])} | '
        f'{cell(list(found))} |',
        flush=True,
      )


if __name__ == '__main__':
  wanted = sys.argv[1:] or ['decay', 'horizon']
  for part in wanted:
    {'decay': decay, 'horizon': horizon}[part]()
    print()
