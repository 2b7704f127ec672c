"""AdamW with a schedule refined by the gradients of a first, short run.

Defazio, Cutkosky, Mehta and Mishchenko 2023, "When, Why and How Much? Adaptive
Learning Rate Scheduling by Refinement", arXiv:2310.07831. The first run makes
`share` of the steps, with linear decay, on the clock. Training then restarts
from the initial parameters with the same compiled step. The warmup is ours: the
paper's needs gradients that shrink early. State: 8 bytes a parameter.
"""

import itertools
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import ndimage

from submissions.submission import Progress, State, Submission, from_optax
from workloads.workload import Array, PyTree


def refine(norms: np.ndarray, power: int = 1, smooth: float = 0.1):
  """Return factors [T] on the rate, at most 1, from norms of gradients [T].

  Args:
    norms: Gradient norm of every step: l1 for Adam, l2 for SGD.
    power: Exponent of the inverse norm: 1 for Adam, 2 for SGD.
    smooth: Share of the steps that the running median spans.
  """
  norms = np.asarray(norms, np.float64)
  half = int(smooth * len(norms) / 2)
  padded = np.pad(norms, (0, 2 * (2 * half + 1)), mode='reflect')
  smoothed = ndimage.median_filter(padded, 2 * half + 1, mode='nearest')
  smoothed = np.maximum(smoothed[: len(norms)], 1e-12 * norms.max() + 1e-30)
  weights = smoothed**-power
  after = weights.sum() - np.cumsum(weights)  # Sum over all later steps.
  after[-1] = 0.0
  factors = weights * after / weights.sum()
  return factors / max(factors.max(), 1e-30)


def stretched(factors: np.ndarray, steps: int) -> np.ndarray:
  """Resample factors to [steps]; constant norms give 1 - t / steps."""
  places = np.arange(steps) / steps * (len(factors) - 1)
  return np.interp(places, np.arange(len(factors)), factors)


class Told(NamedTuple):
  """The state of `told`."""

  inner: PyTree
  rates: Array  # Rates of all steps of the longer run.
  norms: Array  # The l1 norm of the gradient in each step of the first run.
  count: Array


def told(
  inner: optax.GradientTransformation, rates: np.ndarray, recorded: int
) -> optax.GradientTransformation:
  """Multiply updates by `rates` [steps], and record that many gradient norms.

  Args: inner, the transformation; rates; recorded, the number of norms.
  """

  def init(params):
    table, zero = jnp.asarray(rates, jnp.float32), jnp.zeros((), jnp.int32)
    return Told(inner.init(params), table, jnp.zeros(recorded), zero)

  def update(updates, state, params=None):
    norm = optax.tree.norm(updates, ord=1)
    norms = state.norms.at[state.count].set(norm, mode='drop')
    updates, below = inner.update(updates, state.inner, params)
    rate = state.rates[state.count]
    updates = jax.tree.map(lambda u: -rate * u, updates)
    return updates, Told(below, state.rates, norms, state.count + 1)

  return optax.GradientTransformation(init, update)


class Attempt(NamedTuple):
  """The state of the loop."""

  number: int
  rate: float
  inner: Progress


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay, warmup,
  share, **options
):  # fmt: skip
  """Return AdamW whose first run, with `share` of the steps, sets the rates."""
  stride = task.per_dispatch
  short = max(1, int(share * task.steps / stride)) * stride
  lengths = [short, max(stride, (task.steps - short) // stride * stride)]

  def rates(steps, factors):
    rise = np.minimum(np.arange(1, steps + 1) / max(1, int(warmup * steps)), 1)
    table = learning_rate * rise * stretched(factors, steps)
    return np.pad(table, (0, max(lengths) - steps)).astype(np.float32)

  first = rates(short, refine(np.ones(short)))
  direction = optax.chain(
    optax.scale_by_adam(1 - one_minus_beta1, beta2),
    optax.add_decayed_weights(weight_decay),
  )
  tx = told(direction, first, short)
  adamw = from_optax(task, tx, **options)

  @jax.jit
  def again(model, table):
    model = jax.tree.map(jnp.copy, model)
    opt = cast(Told, tx.init(model.params))._replace(rates=table)
    return State(model, opt, jnp.zeros((), jnp.int32), jnp.zeros(()))

  def train(start):
    begun, _, last = start.state or (0, 0.0, None)
    table = np.asarray(last.state.opt.rates) if last else first
    for number in range(begun, len(lengths)):
      left = lengths[number] - (last.done if last else 0)
      loop = adamw.train(start._replace(state=last))
      for last in itertools.islice(loop, left // stride):
        yield Attempt(number, float(table[last.done - 1]), last)
      if number == 0:
        factors = refine(np.asarray(last.state.opt.norms))
        table = rates(lengths[1], factors)
        last = Progress(again(start.model, table), {}, 0)

  def scalars(state):
    return {**adamw.scalars(state.inner), 'learning_rate': state.rate}

  return Submission(train, lambda state: adamw.model(state.inner), scalars)


SELF = {  # AdamW's point; the share is ours.
  'learning_rate': 0.00449, 'one_minus_beta1': 0.211, 'beta2': 0.999,
  'weight_decay': 0.0465, 'warmup': 0.05, 'label_smoothing': 0.05,
  'share': 0.15,
}  # fmt: skip
SPACE = {  # AdamW's space.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'share': {'feasible_points': [0.1, 0.2]},
}
