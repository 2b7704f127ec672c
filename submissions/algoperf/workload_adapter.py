"""Adapter that gives AlgoPerf submissions a TimeTrial workload."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import jax_utils

from submissions.algoperf import batch_form, parameters, published
from submissions.algoperf.batch_form import plain
from submissions.algoperf.goal import Goal
from submissions.algoperf.workload_facts import (
  TEST,
  VALIDATION,
  WorkloadFacts,
)
from submissions.submission import Task
from workloads.roles import roles
from workloads.workload import Array, Batch, Model, PyTree


class Workload(WorkloadFacts):
  """The object that AlgoPerf submissions get as `workload`.

  Properties and methods without a docstring are documented by AlgoPerf's
  `spec.Workload`. Workloads hash by identity.
  """

  def __init__(self, spec, task: Task, goal: Goal, generation: str):
    """
    Args:
      spec: The module that the submission imports as `spec`.
      task: Workload, step budget and default batch size.
      goal: Target, time budget and evaluations.
      generation: 'v0.5' or 'v0.6'.
    """
    super().__init__(task, goal)
    self._spec = spec
    self._ours = task.workload
    self._generation = generation
    self._known = False  # True once init_model_fn was called.
    self._dropout = published.DROPOUT.get(self._family, 0.0)
    self.metrics_logger: Any = None

  # The model.

  def init_model_fn(
    self, rng, dropout_rate=None, aux_dropout_rate=None
  ) -> tuple[PyTree, PyTree]:
    """Return parameters and model state; in v0.5 a copy for every device.

    Dropout rates that are not None become the model's default rates.
    """
    self.default_dropout(dropout_rate)
    self.second_dropout(aux_dropout_rate)
    made = self.handed(jax.jit(self._ours.init)(_key(rng)))
    return jax_utils.replicate(made) if self._generation == 'v0.5' else made

  def handed(self, model: Model) -> tuple[PyTree, PyTree]:
    """Return a model's parameters and state; the state is None if empty."""
    self._known = True
    return model.params, model.state if jax.tree.leaves(model.state) else None

  @property
  def param_shapes(self) -> PyTree:
    shapes = self._after_init().params
    return jax.tree.map(lambda x: self._spec.ShapeTuple(x.shape), shapes)

  @property
  def model_params_types(self) -> PyTree:
    self._after_init()
    return self._types

  def _after_init(self) -> Model:
    if not self._known:
      raise ValueError(
        'Shapes and types of parameters are unknown before init_model_fn. '
        'Call it first.'
      )
    return self._shapes

  @functools.cached_property
  def _shapes(self) -> Model:
    return self._task.shapes

  @functools.cached_property
  def _types(self) -> PyTree:
    return parameters.types(self._shapes.params, self._spec.ParameterType)

  def is_output_params(self, param_key) -> bool:
    """Return whether a name at the top of the tree is the output layer's."""
    found = roles(self._shapes.params)
    known = jax.tree.leaves(found.get(param_key, {}))
    tied = 'head' not in jax.tree.leaves(found)
    return ('embedding' if tied else 'head') in known

  def model_fn(
    self,
    params,
    augmented_and_preprocessed_input_batch,
    model_state,
    mode,
    rng,
    update_batch_norm,
    use_running_average_bn=None,
    dropout_rate=None,
  ) -> tuple[PyTree, PyTree]:
    """Return outputs and the new model state.

    Batch norm normalizes with the running statistics if use_running_average_bn
    is True, with those of the batch if it is False. None means `not
    update_batch_norm`. All arguments but the mode and these two may be traced.

    Raises:
      ValueError: batch norm would use the statistics of the batch without
        updating its own, or a model that uses randomness has no key.
    """
    running = (
      not update_batch_norm
      if use_running_average_bn is None
      else use_running_average_bn
    )
    if not running and not update_batch_norm:
      raise ValueError(
        'Batch norm cannot use the statistics of the batch with '
        'update_batch_norm=False. Pass True, and drop the new state.'
      )
    batch = plain(augmented_and_preprocessed_input_batch)
    model = Model(params, () if model_state is None else model_state)
    training = mode.name == 'TRAIN'
    if running and not training:
      return self._ours.predict(model, batch), model_state
    if rng is None and training and self._family not in published.CERTAIN:
      raise ValueError(
        f'model_fn has rng=None, but {self._goal.workload} draws in training. '
        'Pass a key.'
      )
    key = jax.random.key(0) if rng is None else _key(rng)
    rate = self._dropout if dropout_rate is None else dropout_rate
    outputs, state = self._ours.forward(
      model, batch, key, rate if training else 0.0, running
    )
    return outputs, None if model_state is None else state

  def default_dropout(self, rate: float | None) -> None:
    """Set the model's default dropout rate; None changes nothing."""
    if rate is not None:
      self._dropout = rate

  def second_dropout(self, rate: float | None) -> None:
    """Set the rate of layers with an own dropout rate; None changes nothing."""
    if rate is not None:
      self._ours = self._ours.with_aux_dropout(rate)

  # The loss.

  @property
  def loss_type(self):
    return self._spec.LossType[published.LOSSES[self._ours.loss_kind][0]]

  def output_activation_fn(self, logits_batch, framework='jax'):
    if framework != 'jax':
      raise ValueError(f"framework is {framework!r}. Pass 'jax'.")
    return published.LOSSES[self._ours.loss_kind][1](logits_batch)

  def loss_fn(
    self, label_batch, logits_batch, mask_batch=None, label_smoothing=0.0
  ) -> dict[str, Array]:
    """Return losses: 'summed' [], 'n_valid_examples' [], 'per_example' [B].

    The count is of terms of the mean: examples, tokens or labels. All arguments
    may be traced; mask_batch [B] has the weights of the examples.

    Raises:
      ValueError: the shape of the mask is not [B].
    """
    batch = plain({'targets': label_batch})
    losses, counts = self._ours.losses(logits_batch, batch, label_smoothing)
    mask = jnp.ones_like(losses) if mask_batch is None else mask_batch
    if jnp.shape(mask) != losses.shape:
      raise ValueError(
        f'mask_batch has the shape {jnp.shape(mask)}. It must have one number '
        f'for every example, {losses.shape}. Padding within an example needs '
        "no mask: pass the batch's weights, or None."
      )
    return {
      'summed': (losses * mask).sum(),
      'n_valid_examples': (counts * mask).sum(),
      'per_example': losses * mask,
    }

  def attach_metrics_logger(self, metrics_logger) -> None:
    self.metrics_logger = metrics_logger

  def eval_model(
    self,
    global_batch_size=None,
    params=None,
    model_state=None,
    rng=None,
    data_dir=None,
    imagenet_v2_data_dir=None,
    global_step=None,
  ) -> dict[str, float]:
    """Return metrics on all splits; the clock charges calls during training."""
    del global_batch_size, rng, data_dir, imagenet_v2_data_dir, global_step
    model = Model(params, () if model_state is None else model_state)
    found: dict[str, float] = {}
    for split in ('train', VALIDATION, TEST):
      found |= self._goal.evaluate(model, split)
    return found

  @functools.cached_property
  def labels(self) -> tuple[str, ...]:
    """Names of a batch's entries that the loss reads."""
    return batch_form.labels(self._ours, self._shapes)

  def batch(self, ours: Batch) -> Batch:
    """Return a batch in AlgoPerf's form: all labels are its 'targets'."""
    return batch_form.theirs(ours, self.labels)


def _key(rng):
  """Return a typed key; AlgoPerf's harness passes two words, uint32 [2]."""
  if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key):
    return rng
  return jax.random.wrap_key_data(rng)
