"""AdamW with a rate and a batch size computed from the sizes of model and data.

Li et al. 2025, "Predictable Scale: Part I, Step Law: Optimal Hyperparameter
Scaling Law in Large Language Model Pretraining", arXiv:2503.04715: the peak
rate is 1.79 N^-0.713 D^0.307 and the batch 0.58 D^0.571 tokens. N is the number
of parameters without embeddings and output layer, D the number of tokens
trained on. The law was fitted to language models. For other models D is the
number of loss terms in the step budget: tokens, labels, images or clicks. That
extrapolates the law, and so do models of less than millions of parameters, for
which the law's rate is high: `highest` bounds the rate. The paper decays the
rate to a small value, this submission to zero. State: 8 bytes a parameter.
"""

import math

import jax
import optax

from submissions import schedules
from submissions.submission import Task, from_optax

EXAMPLES = 16  # Size of the synthetic batch whose loss terms are counted.


def law_rate(parameters: int, tokens: float) -> float:
  """Return the law's peak rate, from counts of parameters and all tokens."""
  return 1.79 * parameters**-0.713 * tokens**0.307


def law_batch(tokens: float) -> float:
  """Return the law's tokens per batch, from the count of all tokens."""
  return 0.58 * tokens**0.571


def hidden_parameters(task: Task) -> int:
  """Number of parameters outside embeddings and output kernel, at least 1."""
  counted = jax.tree.map(
    lambda x, outside: 0 if outside else x.size,
    task.shapes.params,
    task.mask('embedding', 'head'),
  )
  return max(1, sum(jax.tree.leaves(counted)))


def terms(task: Task) -> float:
  """Loss terms per example: the mean over a synthetic batch."""

  def count(key):
    batch = task.workload.fake_batch(key, EXAMPLES)
    model = task.workload.init(key)
    outputs, _ = task.workload.forward(model, batch, key, 0.0)
    counts = task.workload.losses(outputs, batch, 0.0)[1]
    return (counts * batch['weights']).sum()

  # Compiled, because XLA then drops the network, which the count does not need.
  return float(jax.jit(count)(jax.random.key(0))) / EXAMPLES


def build(
  task, *, one_minus_beta1, beta2, weight_decay, warmup, highest,
  own_batch=False, **options
):  # fmt: skip
  """Return AdamW as a submission.

  Args:
    task: Workload and step budget.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    highest: Bound of the rate.
    own_batch: Use the law's batch size instead of the task's.
    **options: Options of from_optax.
  """
  each = terms(task)
  tokens = each * task.batch_size * task.steps
  peak = min(highest, law_rate(hidden_parameters(task), tokens))
  batch, steps = task.batch_size, task.steps
  if own_batch:
    # A power of two can be split evenly over devices.
    batch = 2 ** max(0, round(math.log2(law_batch(tokens) / each)))
    steps = max(1, round(task.batch_size * task.steps / batch))
  schedule = schedules.warmup_cosine(peak, warmup, steps)
  tx = optax.adamw(
    schedule, 1 - one_minus_beta1, beta2, weight_decay=weight_decay
  )
  return from_optax(
    task, tx, schedule=schedule, steps=steps, batch_size=batch, **options
  )


SELF = {  # Usual for language models; `highest` is AdamW's largest rate.
  'one_minus_beta1': 0.1, 'beta2': 0.95, 'weight_decay': 0.1, 'warmup': 0.05,
  'highest': 0.01,
}  # fmt: skip
SPACE = {
  'one_minus_beta1': {'feasible_points': [0.1]},
  'beta2': {'feasible_points': [0.95, 0.98, 0.999]},
  'weight_decay': {'min': 0.01, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.02, 0.05]},
  'highest': {'feasible_points': [0.01]},
}
POINTS = {
  'batch': {  # Uses the law's batch size, too, for as many examples.
    'one_minus_beta1': 0.1, 'beta2': 0.95, 'weight_decay': 0.1, 'warmup': 0.05,
    'highest': 0.01, 'own_batch': True,
  },
}  # fmt: skip
