"""AdamW with WSD-S: several decays in one run, none of them taken back.

Wen et al. 2024, "Understanding Warmup-Stable-Decay Learning Rates: A River
Valley Loss Landscape Perspective", arXiv:2410.05192. After each decay the rate
jumps back to the peak and training goes on from the decayed parameters. While
the rate is high, the model shown is the one that was last decayed, with its
batch-norm statistics: it is better, and an evaluation seldom falls on the step
where it was made. During a decay the running one is shown. State: 12 bytes a
parameter.
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
  """Counts of steps made: one when each decay begins, one when it is over."""

  begins: list[int]
  ends: list[int]


def decays(shares: list[float], decay: float, steps: int, stride: int = 1):
  """Decays that end after these shares of the steps, rising.

  Args:
    shares: Of the steps.
    decay: The share of each cycle that decays.
    steps: The horizon.
    stride: Steps at once, of which the ends are multiples.
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
  """The peak, but for the decays; after the last one the rate stays low.

  The inverse of the rate is linear in a decay, whose last step has the rate
  peak * end_factor. A decay does not begin before the warmup is over.
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
  model: Model  # As it was when the last decay was over.


@jax.jit
def copied(model: Model) -> Model:
  return jax.tree.map(jnp.copy, model)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay, warmup,
  shares, decay, end_factor, **options
):  # fmt: skip
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


SELF = {  # AdamW's; when and how much to decay is ours.
  'learning_rate': 0.00449, 'one_minus_beta1': 0.211, 'beta2': 0.999,
  'weight_decay': 0.0465, 'warmup': 0.05, 'label_smoothing': 0.05,
  'shares': [0.333, 0.5, 0.667, 1.0], 'decay': 0.1, 'end_factor': 0.1,
}  # fmt: skip
SPACE = {  # AdamW's.
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
