"""Adam or SGD with another batch size, and a rate scaled to that batch size.

Granziol, Zohren and Roberts 2020, "Learning Rates as a Function of Batch Size:
A Random Matrix Theory Approach to Neural Network Training", arXiv:2006.09092:
the largest stable rate is proportional to the batch size for SGD and to its
root for Adam, while noise dominates the gradient. Training uses as many
examples as the reference, in fewer or more steps. Weight decay is decoupled in
Adam and coupled in SGD. State: 8 bytes a parameter with Adam.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax

POWERS = {'linear': 1.0, 'sqrt': 0.5, 'none': 0.0}
RULES = {'adam': 'sqrt', 'sgd': 'linear'}


def scaled_rate(rate: float, factor: float, rule: str) -> float:
  """Return the rate for a batch `factor` times as large as the reference.

  Args:
    rate: Rate for the reference batch.
    factor: Batch size relative to the reference; positive.
    rule: 'linear', 'sqrt' or 'none'; 'none' does not change the rate.

  Raises:
    ValueError: no such rule, or a factor that is not positive.
  """
  if rule not in POWERS:
    raise ValueError(f'No rule {rule!r}. Known: {", ".join(POWERS)}.')
  if factor <= 0:
    raise ValueError(
      f'A batch is {factor} times another. Make batch_factor positive.'
    )
  return rate * factor ** POWERS[rule]


def build(
  task, *, optimizer, learning_rate, one_minus_beta1, weight_decay, warmup,
  batch_factor, beta2=0.999, rule=None, **options
):  # fmt: skip
  """Return the optimizer as a submission.

  Args:
    task: Workload and step budget.
    optimizer: 'adam' or 'sgd'.
    learning_rate: Largest learning rate for the reference batch.
    one_minus_beta1: One minus the decay of Adam's mean or SGD's momentum.
    weight_decay: Weight decay, decoupled in Adam and coupled in SGD.
    warmup: Share of the steps that rises to the largest rate.
    batch_factor: Batch size relative to the reference.
    beta2: Decay of the mean square; unused by SGD.
    rule: See scaled_rate; None means the optimizer's rule.
    **options: Options of from_optax.
  """
  if optimizer not in RULES:
    raise ValueError(f'No optimizer {optimizer!r}. Known: {", ".join(RULES)}.')
  batch = max(1, round(task.batch_size * batch_factor))
  factor = batch / task.batch_size  # Differs from batch_factor by rounding.
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
SPACE = {  # AdamW's space; the rate is for the reference batch.
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
  'half_sgd': {  # The momentum submission's, with half the batch.
    'optimizer': 'sgd', 'batch_factor': 0.5, 'learning_rate': 0.137,
    'one_minus_beta1': 0.0795, 'weight_decay': 2.97e-6, 'warmup': 0.05,
    'label_smoothing': 0.05,
  },
}  # fmt: skip
