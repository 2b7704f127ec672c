"""Facts that AlgoPerf submissions ask of `workload`: targets, budget, data."""

from submissions.algoperf import published, spec as types
from submissions.algoperf.goal import Goal
from submissions.submission import Task

TEST, VALIDATION = 'test', 'validation'


class WorkloadFacts(types.Workload):
  """Targets, budget and data of a workload.

  Properties and methods without a docstring are documented by AlgoPerf's
  `spec.Workload`.
  """

  def __init__(self, task: Task, goal: Goal):
    """
    Args:
      task: Workload, step budget and default batch size.
      goal: Target, time budget and evaluations.
    """
    self._task, self._goal = task, goal
    self._family = goal.workload.partition('/')[0]

  @property
  def target_metric_name(self) -> str:
    return self._goal.metric

  @property
  def validation_target_value(self) -> float | None:
    return self._goal.target

  @property
  def test_target_value(self) -> float | None:
    return self._goal.test_target

  def has_reached_validation_target(self, eval_result) -> bool:
    return self._reached(eval_result, VALIDATION, self._goal.target)

  def has_reached_test_target(self, eval_result) -> bool:
    return self._reached(eval_result, TEST, self._goal.test_target)

  def _reached(self, results, split: str, target: float | None) -> bool:
    value = results.get(f'{split}/{self._goal.metric}')
    if value is None or target is None:
      return False
    return value <= target if self._goal.lower else value >= target

  @property
  def max_allowed_runtime_sec(self) -> float:
    return self._goal.seconds

  @property
  def eval_period_time_sec(self) -> float:
    return self._goal.eval_seconds

  @property
  def step_hint(self) -> int:
    return self._task.steps

  # The data.

  @property
  def num_train_examples(self) -> int:
    return self._task.train_examples

  @property
  def num_eval_train_examples(self) -> int:
    return self._goal.examples['train']

  @property
  def num_validation_examples(self) -> int:
    return self._goal.examples[VALIDATION]

  @property
  def num_test_examples(self) -> int:
    return self._goal.examples[TEST]

  @property
  def eval_batch_size(self) -> int:
    return self._goal.eval_batch_size

  @property
  def train_mean(self):
    return self._images()[0]

  @property
  def train_stddev(self):
    return self._images()[1]

  def _images(self):
    for family, figures in published.IMAGES.items():
      if self._family.startswith(family):
        return figures
    raise NotImplementedError(
      f'{self._goal.workload} has no train_mean and no train_stddev.'
    )
