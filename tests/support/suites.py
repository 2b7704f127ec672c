"""Make a suite of the handwritten digits alone, for races of seconds."""

from runner import planning
from runner.launch import planned_trial
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.protocol.suites import suite as rules
from runner.protocol.trial_file import StepLimits


def digits(
  *,
  target,
  steps,
  batch_size=64,
  eval_batch_size=150,
  evaluations=3,
  trials=1,
):
  """Return the text of the suite's .toml file.

  Args:
    target: The target error rate.
    steps: Steps of the budget.
    batch_size: Batch size of training.
    eval_batch_size: Batch size of evaluations.
    evaluations: Number of evaluations within the budget.
    trials: Trials per study with external tuning.
  """
  return f"""
version = "test"
seed = 1
cutoff = 4.0
reference = "nadamw"
[rulesets.self]
studies = 1
trials = 1
budget_factor = 1.0
[rulesets.external]
studies = 1
trials = {trials}
budget_factor = 1.0
[workloads.digits]
metric = "error_rate"
better = "lower"
target = {target}
steps = {steps}
batch_size = {batch_size}
eval_batch_size = {eval_batch_size}
evaluations = {evaluations}
train_examples = 150
"""


def trial(folder, source, steps=8, options=None, adviser=None):
  """Run some steps of a submission in a process of its own.

  Args:
    folder: The folder to write to.
    source: Text of the submission.
    steps: Number of steps.
    options: Options of the trial.
    adviser: Says when it need not go on.

  Returns:
    The trial's status and folder.
  """
  suite, path = folder / 'tiny.toml', folder / 'mine.py'
  suite.write_text(digits(target=0.5, steps=400))
  path.write_text(source)
  made = planning.make_endless(
    rules.load(str(suite)), 'self', [str(path)], hardware.describe()
  )
  [one] = made.trials
  status = planned_trial.run_trial(
    folder / 'out',
    made,
    one,
    lambda event: None,
    options or TrialOptions(),
    limits=StepLimits(steps=steps, eval_steps=steps),
    adviser=adviser,
  )
  return status, one.folder(folder / 'out')
