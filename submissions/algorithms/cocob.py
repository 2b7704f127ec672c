"""COCOB: every coordinate bets a share of what it has won so far.

Orabona and Tommasi 2017, "Training Deep Networks without Learning Rates Through
Coin Betting", arXiv:1705.07795. The bets do not depend on the scale of the
gradient, so there is no rate to schedule: the recorded rate is 1. Weight decay
is coupled: it enters the gradient. State: 20 bytes a parameter.
"""

import optax

from submissions.submission import from_optax


def build(task, *, alpha, weight_decay, **options):
  """Return COCOB as a submission.

  Args:
    task: Workload and step budget.
    alpha: About the number of steps before the bets grow.
    weight_decay: Weight decay, added to the gradient.
    **options: Options of from_optax.
  """
  tx = optax.contrib.cocob(alpha=alpha, weight_decay=weight_decay)
  schedule = optax.constant_schedule(1.0)
  return from_optax(task, tx, schedule=schedule, **options)


SELF = {  # Tuned: python -m runner tune --submissions=cocob --points=4.
  'alpha': 137.0, 'weight_decay': 4.94e-7, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # Wide on purpose, for calibration.
  'alpha': {'min': 10.0, 'max': 1000.0, 'scaling': 'log'},
  'weight_decay': {'min': 1e-7, 'max': 1e-3, 'scaling': 'log'},
}
POINTS = {
  'default': {'alpha': 100.0, 'weight_decay': 0.0},  # The paper's defaults.
}
