"""AutoLRS: AdamW that searches for the rate of every stage, on the clock.

Jin et al. 2021, "AutoLRS: Automatic Learning-Rate Schedule by Bayesian
Optimization on the Fly", arXiv:2105.10762. A stage tries several rates for some
steps, forecasts the loss at the stage's end for each, and trains from its start
with the best rate. Search and training take equally many steps. During a search
the model of the stage's start is evaluated. Losses are those of training; the
paper's later stages use validation. State: 20 bytes a parameter.
"""

import itertools
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from submissions import rate_search
from submissions.submission import Progress, State, Submission, from_optax
from workloads.workload import Array, Model, PyTree


class Tried(NamedTuple):
  """The state of `tried`."""

  inner: PyTree
  rate: Array
  losses: Array  # Losses of the first steps since the rate was set.
  count: Array


def tried(
  inner: optax.GradientTransformation, recorded: int
) -> optax.GradientTransformationExtraArgs:
  """Multiply updates by a rate in the state, and record losses."""

  def init(params):
    zero = jnp.zeros((), jnp.int32)
    return Tried(inner.init(params), jnp.zeros(()), jnp.zeros(recorded), zero)

  def update(updates, state, params=None, **given):
    updates, below = inner.update(updates, state.inner, params)
    updates = jax.tree.map(lambda u: -state.rate * u, updates)
    losses = state.losses.at[state.count].set(given['value'], mode='drop')
    return updates, Tried(below, state.rate, losses, state.count + 1)

  return optax.GradientTransformationExtraArgs(init, update)


class Search(NamedTuple):
  """The state of the loop."""

  turn: rate_search.Turn
  origin: State  # State at the stage's start.
  inner: Progress  # State of the present turn.


@jax.jit
def back(origin: State, rate: Array) -> State:
  """Return a copy of the state at the stage's start, with another rate."""
  opt = origin.opt._replace(rate=rate, count=jnp.zeros((), jnp.int32))
  return jax.tree.map(jnp.copy, origin._replace(opt=opt))


@jax.jit
def bounded(scalars):
  """Make scalars finite: rates that fail in a search must not end the trial."""
  big = rate_search.FAILED
  return jax.tree.map(lambda x: jnp.nan_to_num(x, nan=big, posinf=big), scalars)


def build(
  task, *, lowest, highest, candidates, first, longest, one_minus_beta1, beta2,
  weight_decay, **options
):  # fmt: skip
  """Return AutoLRS as a submission; rate_search documents its parameters."""
  stride = task.per_dispatch
  probes = rate_search.stages(task.steps, candidates, first, longest, stride)
  plan = rate_search.Plan(probes, candidates, lowest, highest)
  direction = optax.chain(
    optax.scale_by_adam(1 - one_minus_beta1, beta2),
    optax.add_decayed_weights(weight_decay),
  )
  tx = tried(direction, max(probes))
  adamw = from_optax(task, tx, **options)

  @jax.jit
  def opened(model: Model) -> State:
    opt, zero = tx.init(model.params), jnp.zeros((), jnp.int32)
    return jax.tree.map(jnp.copy, State(model, opt, zero, jnp.zeros(())))

  def begun(turn, origin):
    inner = Progress(back(origin, np.float32(turn.rate)), {}, 0)
    return Search(turn, origin, inner)

  def train(start):
    state = start.state or begun(
      rate_search.opening(plan, 0), opened(start.model)
    )
    while True:
      turn, origin, inner = state
      left = rate_search.length(plan, turn) - inner.done
      loop = adamw.train(start._replace(state=inner))
      for inner in itertools.islice(loop, left // stride):
        yield Search(turn, origin, inner)
      if not rate_search.trains(plan, turn):
        losses = np.asarray(cast(Tried, inner.state.opt).losses)
        turn = rate_search.following(plan, turn, losses)
      elif turn.stage + 1 < len(probes):
        origin = inner.state
        turn = rate_search.opening(plan, turn.stage + 1)
      else:
        return
      state = begun(turn, origin)

  def shown(state):
    trains = rate_search.trains(plan, state.turn)
    return adamw.model(state.inner) if trains else state.origin.model

  def scalars(state):
    found = {**adamw.scalars(state.inner), 'learning_rate': state.turn.rate}
    return found if rate_search.trains(plan, state.turn) else bounded(found)

  return Submission(train, shown, scalars)


SELF = {  # AdamW's moments; the paper has ten candidates and more steps.
  'lowest': 1e-4, 'highest': 0.03, 'candidates': 5, 'first': 0.06,
  'longest': 0.12, 'one_minus_beta1': 0.211, 'beta2': 0.999,
  'weight_decay': 0.0465, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # AdamW's space without the rate, which is searched for.
  'lowest': {'feasible_points': [1e-4]},
  'highest': {'feasible_points': [0.01, 0.03, 0.1]},
  'candidates': {'feasible_points': [5, 10]},
  'first': {'feasible_points': [0.06]}, 'longest': {'feasible_points': [0.12]},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}  # fmt: skip
POINTS = {
  'ten': {  # The paper's number of candidates.
    'lowest': 1e-4, 'highest': 0.03, 'candidates': 10, 'first': 0.06,
    'longest': 0.12, 'one_minus_beta1': 0.211, 'beta2': 0.999,
    'weight_decay': 0.0465, 'label_smoothing': 0.05,
  },
}  # fmt: skip
