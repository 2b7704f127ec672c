"""Self-tuning by restarts: NAdamW at several rates in turn, on the clock.

Training with each rate starts from the initial parameters. Rates with small
shares of the step budget come first. State: 8 bytes a parameter.
"""

from submissions.algorithms import nadamw
from submissions.submission import Submission


def build(
  task, *, shares, factors, learning_rate, one_minus_beta1, beta2,
  weight_decay, warmup, **options
):  # fmt: skip
  """Return the restarts as a submission.

  Args:
    task: Workload and step budget.
    shares: Share of the step budget of each start.
    factors: Learning rate of each start, relative to `learning_rate`.
    learning_rate: Largest learning rate of a start with factor 1.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of a start's steps that rises to its largest rate.
    **options: Options of from_optax.

  Raises:
    ValueError: there is not one factor for each share.
  """
  starts = [
    nadamw.build(
      task._replace(steps=int(share * task.steps)),
      learning_rate=factor * learning_rate,
      one_minus_beta1=one_minus_beta1,
      beta2=beta2,
      weight_decay=weight_decay,
      warmup=warmup,
      **options,
    )
    for share, factor in zip(shares, factors, strict=True)
  ]

  def train(start):
    first, state = start.state or (0, None)
    for turn in range(int(first), len(starts)):
      for last in starts[turn].train(start._replace(state=state)):
        yield turn, last
      state = None

  nadam = starts[0]
  return Submission(
    train, lambda s: nadam.model(s[1]), lambda s: nadam.scalars(s[1])
  )


SELF = {  # The rates of before, at one point.
  'shares': [0.35, 0.9], 'factors': [2.0, 1.0], 'learning_rate': 0.006,
  'one_minus_beta1': 0.08, 'beta2': 0.998, 'weight_decay': 0.05,
  'warmup': 0.05, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # NAdamW's; shares and factors are ours.
  'shares': {'feasible_points': [[0.35, 0.9], [0.5, 0.75]]},
  'factors': {'feasible_points': [[2.0, 1.0], [4.0, 1.0], [0.5, 1.0]]},
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 4e-3, 'max': 1e-1, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
