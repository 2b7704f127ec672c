"""Self-tuning by restarts: NAdamW at several points in turn, on the clock.

Training with each point starts from the initial parameters. Points with small
shares of the step budget come first. State: 8 bytes a parameter.
"""

from submissions.algorithms import nadamw
from submissions.submission import Submission, Task


def build(task: Task, *, points: list[dict]) -> Submission:
  """Return the restarts as a submission.

  Args:
    task: Workload and step budget.
    points: Hyperparameters of nadamw, and 'share': their share of the steps.
  """
  attempts = []
  for point in points:
    rest = {k: v for k, v in point.items() if k != 'share'}
    short = task._replace(steps=int(point['share'] * task.steps))
    attempts.append(nadamw.build(short, **rest))

  def train(start):
    first, state = start.state or (0, None)
    for turn in range(int(first), len(attempts)):
      for last in attempts[turn].train(start._replace(state=state)):
        yield turn, last
      state = None

  nadam = attempts[0]
  return Submission(
    train, lambda s: nadam.model(s[1]), lambda s: nadam.scalars(s[1])
  )


SELF = {  # Tuned by hand on the mini suite.
  'points': [
    {'share': 0.35, 'learning_rate': 0.012, 'one_minus_beta1': 0.1,
     'beta2': 0.998, 'weight_decay': 0.05, 'warmup': 0.05,
     'label_smoothing': 0.05},
    {'share': 0.9, 'learning_rate': 0.006, 'one_minus_beta1': 0.06,
     'beta2': 0.998, 'weight_decay': 0.05, 'warmup': 0.05,
     'label_smoothing': 0.05},
  ]
}  # fmt: skip
