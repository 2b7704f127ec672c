"""Schedule-free AdamW: an average of the parameters is evaluated.

Defazio et al. 2024, "The Road Less Scheduled", arXiv:2405.15682. The method
needs no horizon, so training continues until the harness stops it. Batch-norm
statistics are those of the average. State: 8 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.averaging import follow_statistics
from submissions.submission import from_optax


def adamw(
  schedule: optax.Schedule, b1: float, b2: float, weight_decay: float
) -> optax.GradientTransformationExtraArgs:
  """`optax.contrib.schedule_free_adamw` with the authors' weights.

  The weight of parameters in the average is the square of the rate of their
  step. optax counts averages from one and uses the rate of the next step, which
  is 20 % wrong after four steps of a warmup.

  Args:
    schedule: Learning rate by step.
    b1: Weight of the average in the point where gradients are computed.
    b2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
  """
  inner = optax.chain(
    optax.scale_by_rms(b2, 1e-8, eps_in_sqrt=False, bias_correction=True),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  return optax.contrib.schedule_free(inner, lambda t: schedule(t - 1), b1)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, **options
):  # fmt: skip
  """Return schedule-free AdamW as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the weight of the average in the point of
      gradients.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_constant(learning_rate, warmup, task.steps)
  tx = adamw(schedule, 1 - one_minus_beta1, beta2, weight_decay)
  average = optax.contrib.schedule_free_eval_params
  submission = from_optax(
    task, tx, schedule=schedule, eval_params=average, **options
  )
  return follow_statistics(task, submission)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.00993, 'one_minus_beta1': 0.141, 'beta2': 0.95,
  'weight_decay': 0.0799, 'warmup': 0.05, 'label_smoothing': 0.05,
  'dropout': 0.0, 'grad_clip': 0.3,
}  # fmt: skip
SPACE = [  # Published: the five points of AlgoPerf's second entry, rounded.
  {'learning_rate': 0.003, 'one_minus_beta1': 0.1, 'beta2': 0.9955,
   'weight_decay': 0.08, 'warmup': 0.02, 'dropout': 0.0,
   'label_smoothing': 0.2},
  {'learning_rate': 0.004, 'one_minus_beta1': 0.1, 'beta2': 0.9955,
   'weight_decay': 0.08, 'warmup': 0.02, 'dropout': 0.1,
   'label_smoothing': 0.4},
  {'learning_rate': 0.005, 'one_minus_beta1': 0.1, 'beta2': 0.62918,
   'weight_decay': 0.08, 'warmup': 0.02, 'dropout': 0.0,
   'label_smoothing': 0.4},
  {'learning_rate': 0.01, 'one_minus_beta1': 0.075, 'beta2': 0.99,
   'weight_decay': 0.04, 'warmup': 0.02, 'dropout': 0.0,
   'label_smoothing': 0.1},
  {'learning_rate': 0.002, 'one_minus_beta1': 0.1, 'beta2': 0.9955,
   'weight_decay': 0.08, 'warmup': 0.02, 'dropout': 0.0,
   'label_smoothing': 0.2},
]  # fmt: skip
POINTS = {
  'published': {  # AlgoPerf's second self-tuning entry, its warmup x 0.75.
    'learning_rate': 0.0025, 'one_minus_beta1': 0.1,
    'beta2': 0.9955159689799007, 'weight_decay': 0.08121616522670176,
    'warmup': 0.015, 'label_smoothing': 0.2,
  },
}  # fmt: skip
