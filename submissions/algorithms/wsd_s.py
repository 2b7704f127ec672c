"""AdamW with WSD-S: several decays in one run, whose results are kept.

Wen et al. 2024, "Understanding Warmup-Stable-Decay Learning Rates: A River
Valley Loss Landscape Perspective", arXiv:2410.05192. After each decay the rate
jumps back to the peak, and training continues from the decayed parameters.
While the rate is high, the model to evaluate is the last decayed model, with
its batch-norm statistics: the decayed model is better, and few evaluations fall
on the step that ends a decay. During a decay the current model is evaluated.
State: 12 bytes a parameter.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import schedules
from submissions.submission import Progress, Submission, from_optax
from workloads.workload import Model


class Decays(NamedTuple):
  """Steps at which decays begin and end."""

  begins: list[int]  # Steps made when each decay begins.
  ends: list[int]  # Steps made when each decay is over.


def decays(shares: list[float], decay: float, steps: int, stride: int = 1):
  """Return decays that end after given shares of the steps.

  Args:
    shares: Shares of the steps, in rising order.
    decay: Share of each cycle that decays.
    steps: Training steps.
    stride: Steps made at once; all ends are multiples.
  """
  counts = [round(share * steps / stride) * stride for share in shares]
  ends = sorted({max(stride, count) for count in counts})
  begins = [
    end - max(1, round(decay * (end - before)))
    for before, end in itertools.pairwise([0, *ends])
  ]
  return Decays(begins, ends)


def warmup_wsd_s(
  peak: float, warmup: float, steps: int, at: Decays, end_factor: float
) -> optax.Schedule:
  """Warmup, then the peak outside the decays; low after the last decay.

  During a decay the inverse of the rate is linear in the step. No decay begins
  before the warmup is over.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Training steps.
    at: The decays.
    end_factor: Rate of a decay's last step, relative to the peak.
  """
  rise = schedules.warmup_constant(peak, warmup, steps)

  def rate(step):
    x = jnp.where(step < at.ends[-1], 0.0, 1.0)
    for begin, end in zip(*at, strict=True):
      inside = (begin <= step) & (step < end)
      x = jnp.where(inside, (step + 1 - begin) / (end - begin), x)
    level = jnp.asarray(rise(step))
    return jnp.where(level < peak, level, peak / (1 - x + x / end_factor))

  return rate


class Decayed(NamedTuple):
  """The state of the loop."""

  inner: Progress
  model: Model  # The model at the end of the last decay.


@jax.jit
def copied(model: Model) -> Model:
  """Copy a model, because the next step donates the original."""
  return jax.tree.map(jnp.copy, model)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay, warmup,
  shares, decay, end_factor, **options
):  # fmt: skip
  """Return AdamW with WSD-S as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    shares: Shares of the steps after which a decay ends.
    decay: Share of each cycle that decays.
    end_factor: Rate of a decay's last step, relative to the largest rate.
    **options: Options of from_optax.
  """
  at = decays(shares, decay, task.steps, task.per_dispatch)
  schedule = warmup_wsd_s(learning_rate, warmup, task.steps, at, end_factor)
  tx = optax.adamw(
    schedule, 1 - one_minus_beta1, beta2, weight_decay=weight_decay
  )
  adamw = from_optax(task, tx, schedule=schedule, steps=at.ends[-1], **options)

  def train(start):
    last, model = start.state or (None, copied(start.model))
    for inner in adamw.train(start._replace(state=last)):
      if inner.done in at.ends:
        model = copied(inner.state.model)
      yield Decayed(inner, model)

  def shown(state):
    done = state.inner.done
    high = any(
      end <= done <= begin
      for end, begin in zip(at.ends, at.begins[1:], strict=False)
    )
    return state.model if high else adamw.model(state.inner)

  return Submission(train, shown, lambda state: adamw.scalars(state.inner))


SELF = {  # AdamW's point; shares, decay and end_factor are ours.
  'learning_rate': 0.00449, 'one_minus_beta1': 0.211, 'beta2': 0.999,
  'weight_decay': 0.0465, 'warmup': 0.05, 'label_smoothing': 0.05,
  'shares': [0.333, 0.5, 0.667, 1.0], 'decay': 0.1, 'end_factor': 0.1,
}  # fmt: skip
SPACE = {  # AdamW's space.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'shares': {'feasible_points': [[0.333, 0.5, 0.667, 1.0]]},
  'decay': {'feasible_points': [0.1, 0.2]},
  'end_factor': {'feasible_points': [0.1]},
}
