"""From waveforms to the outputs of a network, for both speech workloads.

A network takes features [B, T, 80] and their paddings [B, T], gives logits and
theirs, and may have running statistics of batch norms.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from workloads.speech import mel, speech
from workloads.workload import Array, Batch, Key, Model, PyTree

FRAMES = 8  # Enough to tell all shapes of parameters.


def init(net: nn.Module, key: Key) -> Model:
  """Parameters, and means and variances of all batch norms, if it has some."""
  features = jnp.zeros((1, FRAMES, mel.BANDS))
  paddings = jnp.zeros((1, FRAMES))
  variables = net.init(key, features, paddings, train=False, dropout=0.0)
  return Model(variables['params'], variables.get('batch_stats', ()))


def forward(
  net: nn.Module,
  model: Model,
  batch: Batch,
  key: Key,
  dropout: float,
  *,
  time_masks: int,
  frequency_masks: int,
  frozen: bool,
) -> tuple[tuple[Array, Array], PyTree]:
  """Logits and paddings of what masks leave, and the new running statistics."""
  masks, drop = jax.random.split(key)
  features, paddings = mel.log_mel(batch['inputs'], batch['input_paddings'])
  features = speech.spec_augment(
    masks,
    features,
    paddings,
    time_masks=time_masks,
    frequency_masks=frequency_masks,
  )
  outputs, new = net.apply(
    _variables(model),
    features,
    paddings,
    train=True,
    dropout=dropout,
    frozen=frozen,
    rngs={'dropout': drop},
    mutable=['batch_stats'],
  )
  return outputs, new.get('batch_stats', ())


def evaluate(net: nn.Module, model: Model, batch: Batch):
  """Logits and paddings, normalized by the running statistics."""
  features, paddings = mel.log_mel(batch['inputs'], batch['input_paddings'])
  return net.apply(
    _variables(model), features, paddings, train=False, dropout=0.0
  )


def _variables(model: Model) -> dict:
  """As flax has them; a network without batch norm has no state."""
  state = {'batch_stats': model.state} if model.state else {}
  return {'params': model.params, **state}
