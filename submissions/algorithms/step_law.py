"""AdamW whose rate, and batch, follow from the sizes of model and data.

Li et al. 2025, "Predictable Scale: Part I, Step Law: Optimal Hyperparameter
Scaling Law in Large Language Model Pretraining", arXiv:2503.04715: the peak
rate is 1.79 N^-0.713 D^0.307 and the batch 0.58 D^0.571 tokens. N counts the
parameters but for embeddings and the output layer; D, the tokens trained on.
The law is of language models. Elsewhere D counts the terms of the loss in the
step budget, which are tokens, labels, images or clicks. That extrapolates, and
so does a model of less than millions of parameters, for which the law's rate is
high: `highest` bounds it. The paper decays to a small rate; this, to zero.
State: 8 bytes a parameter.
"""

import math

import jax
import optax

from submissions import schedules
from submissions.submission import Task, from_optax

EXAMPLES = 16  # Made up to count their terms.


def law_rate(parameters: int, tokens: float) -> float:
  """The peak rate for so many parameters, and tokens in all."""
  return 1.79 * parameters**-0.713 * tokens**0.307


def law_batch(tokens: float) -> float:
  """Tokens of one batch, for so many in all."""
  return 0.58 * tokens**0.571


def hidden_parameters(task: Task) -> int:
  """How many are not in embeddings or the output's kernel; at least one."""
  counted = jax.tree.map(
    lambda x, outside: 0 if outside else x.size,
    task.shapes.params,
    task.mask('embedding', 'head'),
  )
  return max(1, sum(jax.tree.leaves(counted)))


def terms(task: Task) -> float:
  """Terms of the loss in an example: the mean over a made-up batch."""

  def count(key):
    batch = task.workload.fake_batch(key, EXAMPLES)
    model = task.workload.init(key)
    outputs, _ = task.workload.forward(model, batch, key, 0.0)
    counts = task.workload.losses(outputs, batch, 0.0)[1]
    return (counts * batch['weights']).sum()

  # Compiled, so that no network is computed: the count needs none.
  return float(jax.jit(count)(jax.random.key(0))) / EXAMPLES


def build(
  task, *, one_minus_beta1, beta2, weight_decay, warmup, highest,
  own_batch=False, **options
):  # fmt: skip
  each = terms(task)
  tokens = each * task.batch_size * task.steps
  peak = min(highest, law_rate(hidden_parameters(task), tokens))
  batch, steps = task.batch_size, task.steps
  if own_batch:
    # A power of two, which devices can share.
    batch = 2 ** max(0, round(math.log2(law_batch(tokens) / each)))
    steps = max(1, round(task.batch_size * task.steps / batch))
  schedule = schedules.warmup_cosine(peak, warmup, steps)
  tx = optax.adamw(
    schedule, 1 - one_minus_beta1, beta2, weight_decay=weight_decay
  )
  return from_optax(
    task, tx, schedule=schedule, steps=steps, batch_size=batch, **options
  )


SELF = {  # Usual for language models; the bound is AdamW's largest rate.
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
  'batch': {  # The law's batch as well, and as many examples.
    'one_minus_beta1': 0.1, 'beta2': 0.95, 'weight_decay': 0.1, 'warmup': 0.05,
    'highest': 0.01, 'own_batch': True,
  },
}  # fmt: skip
