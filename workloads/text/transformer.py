"""Transformer with encoder, decoder and a cache for decoding.

Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762; by default
with norms before the sublayers (Xiong et al. 2020, "On Layer Normalization in
the Transformer Architecture", arXiv:2002.04745).

Leading axes '...' are examples, or examples and their beams. Attention has T
queries and S keys.
"""

import dataclasses
import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from workloads.dropout import Dropout
from workloads.workload import Array

XAVIER = nn.initializers.xavier_uniform()


class Memory(NamedTuple):
  """Keys and values of an attention layer, each [..., S, H, E]."""

  key: Array
  value: Array


@dataclasses.dataclass(frozen=True)
class Block:
  """Settings that all layers share; the fields mean the same as in WMT."""

  width: int
  heads: int
  hidden: int
  activation: str
  glu: bool
  post_norm: bool
  temperature: float
  dropout: float  # Zero in evaluation, the only difference from training.
  attention_dropout: float | None  # Rate for attention probabilities.


class Transformer(nn.Module):
  """Tokens to logits; one table embeds both languages and is the output."""

  vocab: int
  layers: int
  length: int
  block: Block

  def setup(self):
    self.embedding = nn.Embed(
      self.vocab,
      self.block.width,
      embedding_init=nn.initializers.normal(1.0),
    )
    self.encoder = [EncoderLayer(self.block) for _ in range(self.layers)]
    self.decoder = [DecoderLayer(self.block) for _ in range(self.layers)]
    self.drop = Dropout(self.block.dropout, deterministic=False)
    if not self.block.post_norm:
      self.encoder_norm = nn.LayerNorm()
      self.decoder_norm = nn.LayerNorm()

  def __call__(self, batch, shifted):
    """Return logits [B, T, V] of all targets from the `shifted` targets."""
    memory = self.remember(self.encode(batch))
    cache = self.empty_cache((len(shifted),))
    positions, masks = batch['targets_position'], _target_masks(batch)
    return self.decode(shifted, positions, memory, masks, cache, 0)[0]

  def encode(self, batch):
    """Return the encoder's output [B, S, D] for the inputs of a batch."""
    x = self._embedded(batch['inputs'], batch['inputs_position'])  # [B, S, D]
    mask = _both(batch, 'inputs', 'inputs')  # [B, S, S]
    for layer in self.encoder:
      x = layer(x, mask)
    return x if self.block.post_norm else self.encoder_norm(x)

  def remember(self, encoded) -> list[Memory]:
    """Return each decoder layer's keys and values of the encoded inputs."""
    return [layer.cross.project(encoded) for layer in self.decoder]

  def empty_cache(self, leading: tuple[int, ...]) -> list[Memory]:
    """Return zero keys and values of L targets for each decoder layer."""
    width, heads = self.block.width, self.block.heads
    zeros = jnp.zeros((*leading, self.length, heads, width // heads))
    return [Memory(zeros, zeros) for _ in range(self.layers)]

  def decode(self, tokens, positions, memory, masks, cache, start):
    """Return logits [..., T, V] after each token, and the new cache.

    Args:
      tokens: Whole sequences or their next tokens, [..., T].
      positions: Positions of the tokens in their sentences, [..., T].
      memory: Result of `remember`; leading axes of size one are broadcast.
      masks: Visible targets [..., T, L] and visible inputs [..., T, S].
      cache: Result of `empty_cache` or of the previous call.
      start: Position of the first token in the cache.
    """
    x = self._embedded(tokens, positions)  # [..., T, D]
    new = []
    for layer, asked, past in zip(self.decoder, memory, cache, strict=True):
      x, longer = layer(x, past, asked, masks, start)
      new.append(longer)
    x = x if self.block.post_norm else self.decoder_norm(x)
    return self.embedding.attend(x) / math.sqrt(self.block.width), new

  def _embedded(self, tokens, positions):
    waves = jnp.asarray(sinusoids(self.length, self.block.width))
    return self.drop(self.embedding(tokens) + waves[positions])


class EncoderLayer(nn.Module):
  """Self-attention of the inputs, and a perceptron."""

  block: Block

  def setup(self):
    self.own = Attention(self.block)
    self.mlp = MLP(self.block)
    self.joints = [Joint(self.block) for _ in range(2)]

  def __call__(self, x, mask):  # [B, S, D], [B, S, S]
    first, second = self.joints
    h = first.leave(x)
    x = first.join(x, self.own(h, self.own.project(h), mask))
    return second.join(x, self.mlp(second.leave(x)))


class DecoderLayer(nn.Module):
  """Self-attention of the targets, attention to inputs, and a perceptron."""

  block: Block

  def setup(self):
    self.own = Attention(self.block)
    self.cross = Attention(self.block)
    self.mlp = MLP(self.block)
    self.joints = [Joint(self.block) for _ in range(3)]

  def __call__(self, x, past, memory, masks, start):  # x: [..., T, D]
    first, second, third = self.joints
    h = first.leave(x)
    past = _written(past, self.own.project(h), start)
    x = first.join(x, self.own(h, past, masks[0]))
    x = second.join(x, self.cross(second.leave(x), memory, masks[1]))
    return third.join(x, self.mlp(third.leave(x))), past


class Joint(nn.Module):
  """Start and end of a residual branch, with norm and dropout."""

  block: Block

  def setup(self):
    self.norm = nn.LayerNorm()
    self.drop = Dropout(self.block.dropout, deterministic=False)

  def leave(self, x):
    """Return the branch's input for x [..., T, D]."""
    return x if self.block.post_norm else self.norm(x)

  def join(self, x, y):
    """Add the branch's output y to x, each [..., T, D]."""
    x = x + self.drop(y)
    return self.norm(x) if self.block.post_norm else x


class Attention(nn.Module):
  """Multi-head attention without biases."""

  block: Block

  def setup(self):
    width, heads = self.block.width, self.block.heads
    self.query, self.key, self.value = (
      nn.DenseGeneral(
        (heads, width // heads), use_bias=False, kernel_init=XAVIER
      )
      for _ in range(3)
    )
    self.out = nn.DenseGeneral(
      width, axis=(-2, -1), use_bias=False, kernel_init=XAVIER
    )
    if self.block.attention_dropout is not None:
      self.drop = Dropout(self.block.attention_dropout, deterministic=False)

  def project(self, x) -> Memory:
    """Return the keys and values of x [..., S, D]."""
    return Memory(self.key(x), self.value(x))

  def __call__(self, x, memory, mask):  # [..., T, D], mask [..., T, S]
    query = self.query(x * self.block.temperature)  # [..., T, H, E]
    query = query / math.sqrt(query.shape[-1])
    scores = jnp.einsum('...the,...she->...hts', query, memory.key)
    least = jnp.finfo(scores.dtype).min
    shares = nn.softmax(jnp.where(mask[..., None, :, :], scores, least))
    if self.block.attention_dropout is not None:
      shares = self.drop(shares)  # [..., H, T, S]
    mixed = jnp.einsum('...hts,...she->...the', shares, memory.value)
    return self.out(mixed)  # [..., T, D]


class MLP(nn.Module):
  """Perceptron with one hidden layer, optionally gated.

  Shazeer 2020, arXiv:2002.05202.
  """

  block: Block

  @nn.compact
  def __call__(self, x):
    h = getattr(nn, self.block.activation)(self._dense(self.block.hidden)(x))
    if self.block.glu:
      h = h * self._dense(self.block.hidden)(x)
    h = Dropout(self.block.dropout, deterministic=False)(h)
    return self._dense(x.shape[-1])(h)

  def _dense(self, features):
    bias_init = nn.initializers.normal(1e-6)
    return nn.Dense(features, kernel_init=XAVIER, bias_init=bias_init)


def sinusoids(length: int, width: int) -> np.ndarray:
  """Return position embeddings [L, D]: all sines, then all cosines."""
  rates = 10_000.0 ** -(np.arange(width // 2) / (width // 2 - 1))
  angles = np.arange(length)[:, None] * rates[None]
  waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
  return waves.astype(np.float32)


def _target_masks(batch):
  """Return masks of visible targets [B, T, T] and visible inputs [B, T, S]."""
  length = batch['targets'].shape[1]
  earlier = np.tri(length, dtype=bool)[None]
  own = _both(batch, 'targets', 'targets') & earlier
  return own, _both(batch, 'targets', 'inputs')


def _both(batch, asking: str, asked: str):
  """Return the mask of real token pairs in the same sentence of a row."""
  tokens = (batch[asking] > 0)[:, :, None] & (batch[asked] > 0)[:, None, :]
  one, other = (batch[f'{side}_segmentation'] for side in (asking, asked))
  return tokens & (one[:, :, None] == other[:, None, :])


def _written(past: Memory, new: Memory, start) -> Memory:
  """Write new keys and values [..., T, H, E] into the cache at `start`."""
  return Memory(
    *(
      lax.dynamic_update_slice_in_dim(
        old, x.astype(old.dtype), start, axis=old.ndim - 3
      )
      for old, x in zip(past, new, strict=True)
    )
  )
