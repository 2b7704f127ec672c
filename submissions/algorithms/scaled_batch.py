"""Adam or SGD with another batch size, and the rate that belongs to it.

Granziol, Zohren and Roberts 2020, "Learning Rates as a Function of Batch Size:
A Random Matrix Theory Approach to Neural Network Training", arXiv:2006.09092:
the largest stable rate grows as the batch for SGD and as its root for Adam,
until noise no longer dominates the gradient. As many examples are seen as by
the reference, in fewer or more steps. Weight decay is decoupled in Adam and
coupled in SGD. With Adam, State: 8 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax

POWERS = {'linear': 1.0, 'sqrt': 0.5, 'none': 0.0}
RULES = {'adam': 'sqrt', 'sgd': 'linear'}


def scaled_rate(rate: float, factor: float, rule: str) -> float:
  """The rate of a batch `factor` times as large as the reference.

  Args:
    rate: That of the reference batch.
    factor: How many times as large.
    rule: 'linear', 'sqrt' or 'none', which leaves the rate alone.

  Raises:
    ValueError: no such rule, or a factor that is not positive.
  """
  if rule not in POWERS:
    raise ValueError(f'No rule {rule!r}. Known: {", ".join(POWERS)}.')
  if factor <= 0:
    raise ValueError(f'A batch is {factor} times another: it must be positive.')
  return rate * factor ** POWERS[rule]


def build(
  task, *, optimizer, learning_rate, one_minus_beta1, weight_decay, warmup,
  batch_factor, beta2=0.999, rule=None, **options
):  # fmt: skip
  if optimizer not in RULES:
    raise ValueError(f'No optimizer {optimizer!r}. Known: {", ".join(RULES)}.')
  batch = max(1, round(task.batch_size * batch_factor))
  factor = batch / task.batch_size  # What it is when rounded.
  steps = max(1, round(task.steps / factor))
  peak = scaled_rate(learning_rate, factor, rule or RULES[optimizer])
  rate = schedules.warmup_cosine(peak, warmup, steps)
  momentum = 1 - one_minus_beta1
  if optimizer == 'adam':
    tx = optax.adamw(rate, momentum, beta2, weight_decay=weight_decay)
  else:
    decay = optax.add_decayed_weights(weight_decay)
    tx = optax.chain(decay, optax.sgd(rate, momentum))
  return from_optax(
    task, tx, schedule=rate, steps=steps, batch_size=batch, **options
  )


SELF = {  # AdamW's, with twice the batch.
  'optimizer': 'adam', 'batch_factor': 2.0, 'learning_rate': 0.00449,
  'one_minus_beta1': 0.211, 'beta2': 0.999, 'weight_decay': 0.0465,
  'warmup': 0.05, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # AdamW's; the rate is that of the reference batch.
  'optimizer': {'feasible_points': ['adam']},
  'batch_factor': {'feasible_points': [0.5, 1.0, 2.0, 4.0]},
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
POINTS = {
  'half': {  # AdamW's, with half the batch.
    'optimizer': 'adam', 'batch_factor': 0.5, 'learning_rate': 0.00449,
    'one_minus_beta1': 0.211, 'beta2': 0.999, 'weight_decay': 0.0465,
    'warmup': 0.05, 'label_smoothing': 0.05,
  },
  'sgd': {  # The momentum submission's, with twice the batch.
    'optimizer': 'sgd', 'batch_factor': 2.0, 'learning_rate': 0.137,
    'one_minus_beta1': 0.0795, 'weight_decay': 2.97e-6, 'warmup': 0.05,
    'label_smoothing': 0.05,
  },
  'half_sgd': {  # The same, with half the batch.
    'optimizer': 'sgd', 'batch_factor': 0.5, 'learning_rate': 0.137,
    'one_minus_beta1': 0.0795, 'weight_decay': 2.97e-6, 'warmup': 0.05,
    'label_smoothing': 0.05,
  },
}  # fmt: skip
