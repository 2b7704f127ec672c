"""AdamW with linear decay, written for AlgoPerf v0.5."""

import functools

import chex
import jax
import jax.numpy as jnp
import optax
from algorithmic_efficiency import spec
from flax import jax_utils
from jax import lax

POINT = {'learning_rate': 0.003, 'beta1': 0.9, 'weight_decay': 0.01}
SMOOTHING = 0.1


def get_batch_size(workload_name):
  if workload_name == 'mnist':
    return 16
  raise ValueError(f'Unsupported workload name: {workload_name}.')


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  assert hyperparameters is None
  del model_params, model_state, rng
  zeros = jax.tree_map(
    lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes
  )
  tx = optax.adamw(
    optax.linear_schedule(POINT['learning_rate'], 0.0, workload.step_hint),
    POINT['beta1'],
    weight_decay=POINT['weight_decay'],
  )
  return jax_utils.replicate(tx.init(zeros)), tx.update


@functools.partial(
  jax.pmap,
  axis_name='batch',
  in_axes=(None, None, 0, 0, 0, 0, 0, None),
  static_broadcasted_argnums=(0, 1),
  donate_argnums=(2, 3, 4),
)
def _step(workload, update, opt, params, model_state, batch, rng, smoothing):
  def summed(params: chex.ArrayTree):
    logits, new = workload.model_fn(
      params,
      batch,
      model_state,
      spec.ForwardPassMode.TRAIN,
      rng,
      update_batch_norm=True,
    )
    loss = workload.loss_fn(
      label_batch=batch['targets'],
      logits_batch=logits,
      mask_batch=batch.get('weights'),
      label_smoothing=smoothing,
    )
    return loss['summed'], (loss['n_valid_examples'], new)

  (loss, (count, new)), grads = jax.value_and_grad(summed, has_aux=True)(params)
  loss, count, grads = lax.psum((loss, count, grads), axis_name='batch')
  grads = jax.tree_map(lambda g: g / count, grads)
  updates, opt = update(grads, opt, params)
  return opt, optax.apply_updates(params, updates), new, loss / count


def update_params(
  workload: spec.Workload,
  current_param_container: spec.ParameterContainer,
  current_params_types: spec.ParameterTypeTree,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  batch: dict[str, spec.Tensor],
  loss_type: spec.LossType,
  optimizer_state: spec.OptimizerState,
  eval_results: list,
  global_step: int,
  rng: spec.RandomState,
) -> spec.UpdateReturn:
  del current_params_types, hyperparameters, loss_type, eval_results
  opt, update = optimizer_state
  keys = jax.random.split(rng, jax.local_device_count())
  opt, params, model_state, loss = _step(
    workload,
    update,
    opt,
    current_param_container,
    model_state,
    batch,
    keys,
    SMOOTHING,
  )
  if global_step % 100 == 0 and workload.metrics_logger is not None:
    workload.metrics_logger.append_scalar_metrics(
      {'loss': loss[0]}, global_step
    )
  return (opt, update), params, model_state


def data_selection(
  workload: spec.Workload,
  input_queue,
  optimizer_state: spec.OptimizerState,
  current_param_container: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  global_step: int,
  rng: spec.RandomState,
) -> dict[str, spec.Tensor]:
  del workload, optimizer_state, current_param_container, model_state
  del hyperparameters, global_step, rng
  return next(input_queue)
