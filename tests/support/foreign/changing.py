"""Gradient descent for AlgoPerf whose state changes its tree at every step.

None becomes arrays, lists and shapes grow, types change, and so do functions
and strings in the state. If the constant KILLED is a path, the submission
kills itself once and leaves a file there.
"""

import functools
import os
import signal
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from algoperf import spec
from flax import struct

KILLED = ''  # Path of the file to leave; '': no kill.
KILL_AT = 5  # Step of the kill.


class Pair(NamedTuple):
  """A node of the state's tree."""

  a: Any
  b: Any


@struct.dataclass
class Average:
  """A node of the state's tree with a static field."""

  total: Any
  kind: str = struct.field(pytree_node=False, default='sum')


def get_batch_size(workload_name):
  raise ValueError(workload_name)


def data_selection(workload, input_queue, *rest):
  return next(input_queue)


def init_optimizer_state(
  workload, model_params, model_state, hyperparameters, rng
):
  return {
    'shown': None,
    'history': [],
    'phase': 'first',
    'count': 0,
    'numpy': np.zeros(1),
    'pair': None,
    'average': None,
    'code': slow,
    'grown': jnp.zeros(1),
  }


@functools.partial(jax.jit, static_argnums=0)
def _gradient(workload, params, model_state, batch, rng):
  def loss(params):
    logits, new = workload.model_fn(
      params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, True
    )
    found = workload.loss_fn(batch['targets'], logits, batch.get('weights'))
    return found['summed'] / found['n_valid_examples'], new

  return jax.grad(loss, has_aux=True)(params)


def slow(params, grads):
  """Return parameters after a small step."""
  return jax.tree.map(lambda p, g: p - 0.01 * g, params, grads)


def quick(params, grads):
  """Return parameters after a large step."""
  return jax.tree.map(lambda p, g: p - 0.05 * g, params, grads)


def update_params(
  workload, current_param_container, current_params_types, model_state,
  hyperparameters, batch, loss_type, optimizer_state, eval_results,
  global_step, rng, train_state=None,
):  # fmt: skip
  if KILLED and global_step == KILL_AT and not os.path.exists(KILLED):
    with open(KILLED, 'w'):
      os.kill(os.getpid(), signal.SIGKILL)
  grads, model_state = _gradient(
    workload, current_param_container, model_state, batch, rng
  )
  state = dict(optimizer_state)
  params = state['code'](current_param_container, grads)
  if state['shown'] is not None:  # Parameters depend on every part of state.
    factor = 1 + 1e-3 * (state['shown'] + state['count'] + state['numpy'][0])
    factor += {'first': 0.0, 'second': 1e-3}[state['phase']]
    params = jax.tree.map(lambda p: p * factor, params)
  state['history'] = [*state['history'], jnp.float32(global_step)]
  state['count'] += 0.125
  state['numpy'] += 0.25
  state['grown'] = jnp.ones(len(state['history']), jnp.bfloat16)
  if global_step == 2:
    state |= {'phase': 'second', 'code': quick, f'key {global_step}': 1}
    state['pair'] = Pair(grads['head'], Pair(None, [rng]))
    state['average'] = Average(state['grown'], 'mean')
  return state, params, model_state


def prepare_for_eval(
  workload, current_param_container, current_params_types, model_state,
  hyperparameters, loss_type, optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
  shown = jnp.float32(len(eval_results)) + jax.random.uniform(rng)
  state = {**optimizer_state, 'shown': shown}
  return state, current_param_container, model_state
