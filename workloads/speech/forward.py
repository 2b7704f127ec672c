"""Initialization, training pass and evaluation of both speech networks.

A network receives features [B, T, 80] and their paddings [B, T], and returns
logits and their paddings. Batch norms have running statistics.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from workloads.speech import mel, speech
from workloads.workload import Array, Batch, Key, Model, PyTree

FRAMES = 8  # Frames for initialization; enough for all parameter shapes.


def init(net: nn.Module, key: Key) -> Model:
  """Return initial parameters and batch statistics (() without batch norm)."""
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
  """Return training-mode logits and paddings, and new running statistics.

  Args:
    net: The network.
    model: Parameters and running statistics.
    batch: Waveforms and paddings; see speech.py.
    key: Random key for masks and dropout.
    dropout: Rate from 0 to 1.
    time_masks: Number of time masks of SpecAugment.
    frequency_masks: Number of frequency masks of SpecAugment.
    frozen: Makes batch norm use its running statistics, unchanged.
  """
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
  """Return evaluation-mode logits and paddings.

  Args:
    net: The network.
    model: Parameters and running statistics.
    batch: Waveforms and paddings; see speech.py.
  """
  features, paddings = mel.log_mel(batch['inputs'], batch['input_paddings'])
  return net.apply(
    _variables(model), features, paddings, train=False, dropout=0.0
  )


def _variables(model: Model) -> dict:
  """Return flax's variables; a network without batch norm has no state."""
  state = {'batch_stats': model.state} if model.state else {}
  return {'params': model.params, **state}
