"""What the learning-rate-free methods share: schedules, guards, averages.

Their rate is a factor on the one they find, so a schedule peaks at 1. Clipping
the gradient (`grad_clip`) hides how long it was from D-Adaptation, Prodigy, DoG
and DoWG, and changes what they estimate: their points do without it.
"""

from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax

from submissions import schedules
from submissions.submission import Task
from workloads.workload import Array, PyTree

_DECAYS = {
  'constant': schedules.warmup_constant,
  'linear': schedules.warmup_linear,
  'cosine': schedules.warmup_cosine,
}


def schedule(
  task: Task, decay: str, warmup: float, peak: float = 1.0
) -> tuple[optax.Schedule, int | None]:
  """The factor on the rate, and the step at which it has decayed to zero.

  Args:
    task: As handed to `build`.
    decay: 'constant', 'linear' or 'cosine'.
    warmup: Share of the steps that rise linearly; 0: none.
    peak: The largest factor.

  Raises:
    ValueError: no such decay.
  """
  if decay not in _DECAYS:
    raise ValueError(f'No decay {decay!r}. Known: {", ".join(_DECAYS)}.')
  factor = _DECAYS[decay](peak, warmup, task.steps)
  return factor, None if decay == 'constant' else task.steps


def guard(
  inner: optax.GradientTransformationExtraArgs,
) -> optax.GradientTransformationExtraArgs:
  """Holds D-Adaptation and Prodigy of optax still until they know something.

  Both divide by the size of a sum of gradients, each times its rate. While all
  rates or all gradients have been zero, optax divides zero by zero and every
  later step is NaN. As in the authors' own code, such a step changes neither
  parameters nor the estimate. A gradient that is NaN stays one.
  """

  def update(updates, state, params=None, **extra):
    updates, after = inner.update(updates, state, params, **extra)
    new = cast(optax.contrib.ProdigyState, after)  # Or DAdaptAdamWState.
    size = optax.tree.sum(jax.tree.map(jnp.abs, new.grad_sum))
    nothing = size == 0
    updates = jax.tree.map(lambda u: jnp.where(nothing, 0, u), updates)
    estimate = jnp.where(nothing, state.estim_lr, new.estim_lr)
    return updates, new._replace(estim_lr=estimate)

  return optax.GradientTransformationExtraArgs(inner.init, update)


def proximal(
  inner: optax.GradientTransformationExtraArgs,
  rate: optax.Schedule,
  weight_decay: float,
) -> optax.GradientTransformationExtraArgs:
  """MoMo's weight decay as the authors compute it.

  With c = rate * weight_decay theirs is (x - step) / (1 + c), where optax has
  x / (1 + c) - step: its steps are longer by the factor 1 + c.
  """

  def update(updates, state, params=None, **extra):
    c = rate(state.count) * weight_decay
    updates, state = inner.update(updates, state, params, **extra)
    updates = jax.tree.map(
      lambda u, x: (u - c * c / (1 + c) * x) / (1 + c), updates, params
    )
    return updates, state

  return optax.GradientTransformationExtraArgs(inner.init, update)


class Averaged(NamedTuple):
  """The state of `averaged`."""

  inner: PyTree
  mean: PyTree
  count: Array


def averaged(
  inner: optax.GradientTransformation, gamma: float
) -> optax.GradientTransformationExtraArgs:
  """Keeps an average of the parameters; training goes on as without it.

  Shamir and Zhang 2012, "Stochastic Gradient Descent for Non-smooth
  Optimization", arXiv:1212.1824: the t-th parameters enter with the weight
  (1 + gamma) / (t + gamma). gamma 0 is the mean of all; 8, of about the last
  ninth. The initial parameters are not among them. State: 4 bytes a parameter.
  """
  inner = optax.with_extra_args_support(inner)

  def init(params):
    return Averaged(inner.init(params), params, jnp.zeros((), jnp.int32))

  def update(updates, state, params=None, **extra):
    updates, below = inner.update(updates, state.inner, params, **extra)
    count = state.count + 1
    weight = (1 + gamma) / (count + gamma)
    mean = jax.tree.map(
      lambda m, x, u: m + weight * (x + u - m), state.mean, params, updates
    )
    return updates, Averaged(below, mean, count)

  return optax.GradientTransformationExtraArgs(init, update)


def average(state: Averaged, params: PyTree) -> PyTree:
  """The parameters to evaluate: `eval_params` of `averaged`."""
  del params
  return state.mean
