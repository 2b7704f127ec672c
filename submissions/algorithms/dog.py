"""DoG: the rate is the distance moved, divided by the size of all gradients.

Ivgi, Hinder and Carmon 2023, "DoG is SGD's Best Friend", arXiv:2302.12022. An
average of the parameters is evaluated, as the authors advise (Shamir and Zhang
2012, "Stochastic Gradient Descent for Non-smooth Optimization",
arXiv:1212.1824). Batch-norm statistics are those of the average. Weight decay
is coupled: it enters the gradient. State: 8 bytes a parameter.
"""

import jax
import optax

from submissions import schedules
from submissions.averaging import average, averaged, follow_statistics
from submissions.submission import from_optax


def build(
  task, *, first_distance, layerwise, gamma, weight_decay, warmup, decay,
  **options
):  # fmt: skip
  """Return DoG as a submission.

  Args:
    task: Workload and step budget.
    first_distance: Length of the first step, relative to 1 + the norm of the
      initial parameters.
    layerwise: A rate for every parameter array (the paper's L-DoG).
    gamma: Larger values forget old parameters faster, see `recent`.
    weight_decay: Weight decay, added to the gradient.
    warmup: Share of the steps that rises to the largest rate.
    decay: Name of a schedule in schedules.KINDS.
    **options: Options of from_optax.
  """
  schedule, steps = schedules.by_name(decay, 1.0, warmup, task.steps)
  tx = optax.contrib.dog(
    schedule, ('heuristic', first_distance), weight_decay=weight_decay
  )
  submission = from_optax(
    task,
    averaged(
      each(tx, task.shapes.params) if layerwise else tx,
      recent(gamma),
    ),
    schedule=schedule,
    eval_params=average,
    steps=steps,
    **options,
  )
  return follow_statistics(task, submission)


def recent(gamma: float):
  """Return weights for `averaged`: step t counts t (t + 1) ... (t + gamma - 1).

  With gamma 0 all steps count equally. With gamma 8 the average is about that
  of the last ninth of the steps.
  """
  return lambda t: (1 + gamma) / (t + gamma)


def each(tx, params):
  """Apply a transformation to every array of the parameters by itself."""
  leaves, treedef = jax.tree.flatten(params)
  labels = [str(number) for number in range(len(leaves))]
  return optax.partition(
    dict.fromkeys(labels, tx), jax.tree.unflatten(treedef, labels)
  )


SELF = {  # The authors' for batch norm; 1e-6 is too short for small budgets.
  'first_distance': 1e-4, 'layerwise': False, 'gamma': 8.0, 'weight_decay': 0.0,
  'warmup': 0.0, 'decay': 'constant', 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # Wide on purpose, for calibration.
  'first_distance': {'min': 1e-6, 'max': 1e-3, 'scaling': 'log'},
  'layerwise': {'feasible_points': [False, True]},
  'gamma': {'feasible_points': [8.0]},
  'weight_decay': {'min': 1e-7, 'max': 1e-3, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.0, 0.02, 0.05, 0.1]},
  'decay': {'feasible_points': ['constant', 'linear', 'cosine']},
}
POINTS = {
  'default': {  # The authors' defaults.
    'first_distance': 1e-6, 'layerwise': False, 'gamma': 8.0,
    'weight_decay': 0.0, 'warmup': 0.0, 'decay': 'constant',
  },
  'layerwise': {  # The authors' defaults of L-DoG.
    'first_distance': 1e-6, 'layerwise': True, 'gamma': 8.0,
    'weight_decay': 0.0, 'warmup': 0.0, 'decay': 'constant',
  },
}  # fmt: skip
