"""AlgoPerf submission exported from TimeTrial.

`algorithm.py` is the algorithm, and `task.py` describes the workload to it.
Parameters that are missing in the search space have the algorithm's defaults.
"""

import functools
import inspect

import jax
import jax.numpy as jnp
import optax
from algoperf import jax_sharding_utils, spec

from . import algorithm
from .batch_sizes import BATCH_SIZES
from .task import Task


def get_batch_size(workload_name):
  """Return the batch size of a workload."""
  if workload_name not in BATCH_SIZES:
    raise ValueError(
      f'No batch size for {workload_name!r}. Add one to batch_sizes.py.'
    )
  return BATCH_SIZES[workload_name]


def init_optimizer_state(
  workload, model_params, model_state, hyperparameters, rng
):
  """Return the optimizer state, and the compiled step."""
  del model_state, rng
  recipe = _recipe(workload, hyperparameters)
  # The step donates its arguments, and a state may hold an array twice.
  opt = jax.tree.map(jnp.copy, recipe.tx.init(model_params))
  return {'opt': opt, 'held': None}, _step(workload, recipe)


def update_params(
  workload,
  current_param_container,
  current_params_types,
  model_state,
  hyperparameters,
  batch,
  loss_type,
  optimizer_state,
  eval_results,
  global_step,
  rng,
  train_state=None,
):
  """Make one step; return optimizer state, parameters and model state."""
  del current_params_types, loss_type, eval_results, train_state
  recipe = _recipe(workload, hyperparameters)
  if recipe.steps is not None and global_step >= recipe.steps:
    raise spec.TrainingCompleteError
  state, step = optimizer_state
  params = state['held']
  if params is None:
    params = current_param_container
  opt, params, model_state, loss, norm = step(
    state['opt'], params, model_state, batch, rng
  )
  if global_step % 100 == 0 and workload.metrics_logger is not None:
    workload.metrics_logger.append_scalar_metrics(
      {'loss': loss.item(), 'grad_norm': norm.item()}, global_step
    )
  return ({'opt': opt, 'held': None}, step), params, model_state


def prepare_for_eval(
  workload,
  current_param_container,
  current_params_types,
  model_state,
  hyperparameters,
  loss_type,
  optimizer_state,
  eval_results,
  global_step,
  rng,
):
  """Return the parameters to evaluate, and hold the trained ones meanwhile."""
  del current_params_types, loss_type, eval_results, global_step, rng
  recipe = _recipe(workload, hyperparameters)
  state, step = optimizer_state
  if recipe.eval_params is None or state['held'] is not None:
    return optimizer_state, current_param_container, model_state
  shown = recipe.eval_params(state['opt'], current_param_container)
  held = jax.tree.map(jnp.copy, current_param_container)
  return ({'opt': state['opt'], 'held': held}, step), shown, model_state


def data_selection(
  workload,
  input_queue,
  optimizer_state,
  current_param_container,
  model_state,
  hyperparameters,
  global_step,
  rng,
):
  """Return the next batch."""
  del workload, optimizer_state, current_param_container, model_state
  del hyperparameters, global_step, rng
  return next(input_queue)


@functools.cache
def _recipe(workload, hyperparameters):
  point = algorithm.SELF
  if hyperparameters is not None:
    point = hyperparameters._asdict()
  known = inspect.signature(algorithm.build).parameters
  required = {
    name
    for name, one in known.items()
    if one.default is one.empty and one.kind is one.KEYWORD_ONLY
  }
  if lacking := required - point.keys():
    raise ValueError(
      f'The search space lacks {sorted(lacking)}. Add them to '
      'tuning_search_space.json.'
    )
  return algorithm.build(Task(workload), **point)


@functools.cache
def _step(workload, recipe):
  same = jax_sharding_utils.get_replicate_sharding()
  spread = jax_sharding_utils.get_batch_dim_sharding()

  def step(opt, params, model_state, batch, rng):
    def mean(params):
      logits, new = workload.model_fn(
        params,
        batch,
        model_state,
        spec.ForwardPassMode.TRAIN,
        rng,
        update_batch_norm=True,
        dropout_rate=recipe.dropout,
      )
      loss = workload.loss_fn(
        label_batch=batch['targets'],
        logits_batch=logits,
        mask_batch=batch.get('weights'),
        label_smoothing=recipe.label_smoothing,
      )
      return loss['summed'] / loss['n_valid_examples'], new

    (loss, new), grads = jax.value_and_grad(mean, has_aux=True)(params)
    norm = optax.tree.norm(grads)
    if recipe.grad_clip is not None:
      scale = jnp.minimum(1.0, recipe.grad_clip / (norm + 1e-6))
      grads = jax.tree.map(lambda g: g * scale, grads)
    params, opt = _advance(
      recipe.tx,
      grads,
      opt,
      params,
      value=loss,
      obj_fn=lambda x: mean(x)[0],
      key=jax.random.fold_in(rng, 1),
    )
    return opt, params, new, loss, norm

  return jax.jit(
    step,
    donate_argnums=(0, 1, 2),
    in_shardings=(same, same, same, spread, same),
    out_shardings=(same, same, same, same, same),
  )


def _advance(tx, grads, opt, params, **given):
  """Return parameters and optimizer state after a step."""
  write = getattr(tx, 'write', None)  # TimeTrial's writers return parameters.
  if write:
    known = inspect.signature(write).parameters
    given = {name: x for name, x in given.items() if name in known}
    return write(grads, opt, params, **given)
  tx = optax.with_extra_args_support(tx)
  updates, opt = tx.update(grads, opt, params, **given)
  return optax.apply_updates(params, updates), opt
