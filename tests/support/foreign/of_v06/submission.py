"""AdamW with linear decay, written for AlgoPerf v0.6."""

import functools

import jax
import jax.numpy as jnp
import optax
from algoperf import jax_sharding_utils, spec

from .schedule import linear


def get_batch_size(workload_name: str) -> int:
  sizes = {'mnist': 16, 'cifar': 128}
  if workload_name not in sizes:
    raise ValueError(f'Unsupported workload name: {workload_name}.')
  return sizes[workload_name]


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_params, model_state, rng
  zeros = jax.tree.map(
    lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes
  )
  rate = linear(hyperparameters.learning_rate, workload.step_hint)
  tx = optax.adamw(
    rate, hyperparameters.beta1, weight_decay=hyperparameters.weight_decay
  )
  return tx.init(zeros), tx.update


@functools.cache
def _step(workload, update):
  same = jax_sharding_utils.get_replicate_sharding()
  spread = jax_sharding_utils.get_batch_dim_sharding()

  def step(opt, params, model_state, batch, rng, label_smoothing, dropout):
    def mean(params):
      logits, new = workload.model_fn(
        params,
        batch,
        model_state,
        spec.ForwardPassMode.TRAIN,
        rng,
        update_batch_norm=True,
        dropout_rate=dropout,
      )
      loss = workload.loss_fn(
        label_batch=batch['targets'],
        logits_batch=logits,
        mask_batch=batch.get('weights'),
        label_smoothing=label_smoothing,
      )
      return loss['summed'] / loss['n_valid_examples'], new

    (loss, new), grads = jax.value_and_grad(mean, has_aux=True)(params)
    updates, opt = update(grads, opt, params)
    params = optax.apply_updates(params, updates)
    return opt, params, new, loss, optax.global_norm(grads)

  return jax.jit(
    step,
    static_argnums=(5, 6),
    donate_argnums=(0, 1, 2),
    in_shardings=(same, same, same, spread, same),
    out_shardings=(same, same, same, same, same),
  )


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
  train_state: dict | None = None,
) -> spec.UpdateReturn:
  del current_params_types, loss_type, eval_results
  if train_state['validation_goal_reached']:
    raise spec.TrainingCompleteError
  opt, update = optimizer_state
  smoothing = (
    hyperparameters.label_smoothing
    if hasattr(hyperparameters, 'label_smoothing')
    else 0.0
  )
  opt, params, model_state, loss, norm = _step(workload, update)(
    opt, current_param_container, model_state, batch, rng, smoothing, 0.0
  )
  if global_step % 100 == 0 and workload.metrics_logger is not None:
    workload.metrics_logger.append_scalar_metrics(
      {'loss': loss.item(), 'grad_norm': norm.item()}, global_step
    )
  return (opt, update), params, model_state


def prepare_for_eval(
  workload: spec.Workload,
  current_param_container: spec.ParameterContainer,
  current_params_types: spec.ParameterTypeTree,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  loss_type: spec.LossType,
  optimizer_state: spec.OptimizerState,
  eval_results: list,
  global_step: int,
  rng: spec.RandomState,
) -> spec.UpdateReturn:
  del workload, current_params_types, hyperparameters, loss_type
  del eval_results, global_step, rng
  return optimizer_state, current_param_container, model_state


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
