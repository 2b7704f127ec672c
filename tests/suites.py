"""A suite of the handwritten digits alone, for races that take seconds."""


def digits(*, target, steps, batch_size=64, eval_batch_size=150, evaluations=3):
  """The text of its file."""
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
trials = 1
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
