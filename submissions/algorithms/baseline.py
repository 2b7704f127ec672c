"""AlgoPerf's baseline as published: NAdamW at the points that were scored.

Kasimbeg et al. 2025, "Accelerating Neural Network Training: An Analysis of the
AlgoPerf Competition", arXiv:2502.15015. The warmup is the published one: its
first rate is zero. State: 8 bytes a parameter.
"""

from submissions import schedules
from submissions.algorithms import nadamw


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, **options
):  # fmt: skip
  """Return AlgoPerf's baseline as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  schedule = schedules.published_cosine(learning_rate, warmup, task.steps)
  return nadamw.following(
    task,
    schedule,
    one_minus_beta1=one_minus_beta1,
    beta2=beta2,
    weight_decay=weight_decay,
    **options,
  )


SELF = {  # Published: the self-tuning baseline.
  'learning_rate': 0.0017486387539278373, 'one_minus_beta1': 0.06733926164,
  'beta2': 0.9955159689799007, 'weight_decay': 0.08121616522670176,
  'warmup': 0.02, 'dropout': 0.1, 'label_smoothing': 0.0,
}  # fmt: skip
SPACE = [  # Published: the five points of the externally tuned baseline.
  {'learning_rate': 0.001308209823469072, 'one_minus_beta1': 0.02686663061,
   'beta2': 0.9981232922116359, 'weight_decay': 0.16375311233774334,
   'warmup': 0.1, 'dropout': 0.0, 'label_smoothing': 0.1},
  {'learning_rate': 0.0008445074561975979, 'one_minus_beta1': 0.11042418465,
   'beta2': 0.9978504782314613, 'weight_decay': 0.08135402759553023,
   'warmup': 0.05, 'dropout': 0.0, 'label_smoothing': 0.2},
  {'learning_rate': 0.001308209823469072, 'one_minus_beta1': 0.02686663061,
   'beta2': 0.9981232922116359, 'weight_decay': 0.16375311233774334,
   'warmup': 0.1, 'dropout': 0.0, 'label_smoothing': 0.0},
  {'learning_rate': 0.004958460849689891, 'one_minus_beta1': 0.13625575743,
   'beta2': 0.6291854735396584, 'weight_decay': 0.1147386261512052,
   'warmup': 0.02, 'dropout': 0.0, 'label_smoothing': 0.0},
  {'learning_rate': 0.0017486387539278373, 'one_minus_beta1': 0.06733926164,
   'beta2': 0.9955159689799007, 'weight_decay': 0.08121616522670176,
   'warmup': 0.02, 'dropout': 0.1, 'label_smoothing': 0.0},
]  # fmt: skip
