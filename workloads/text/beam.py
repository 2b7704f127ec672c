"""Beam search on the device for the most likely sequences of a step function.

A step function returns the logits of the next token. Sequences start from token
0 and end with `eos`. The score of a finished sequence is its log-probability
divided by a length penalty (Wu et al. 2016, "Google's Neural Machine
Translation System", arXiv:1609.08144, equation 14).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from workloads.workload import Array, PyTree

# step(tokens [B, K], position [], cache) = logits [B, K, V], cache. The leaves
# of a cache are [B, K, ...].
Step = Callable[[Array, Array, PyTree], tuple[Array, PyTree]]

# Score of empty slots; finite, since log-probabilities are added.
NOTHING = -1e7


class Beams(NamedTuple):
  """State of a search with K live and K finished sequences, the best first."""

  position: Array  # []: position of the last token of live sequences.
  live: Array  # [B, K, L]: unfinished sequences.
  live_scores: Array  # [B, K]: log-probabilities.
  done: Array  # [B, K, L]: finished sequences.
  done_scores: Array  # [B, K]: log-probabilities divided by penalties.
  cache: PyTree  # Cache of the step function for live sequences.


def search(
  step: Step,
  cache: PyTree,
  length: int,
  *,
  eos: int,
  width: int = 4,
  alpha: float = 0.6,
) -> Array:
  """Return the best sequence of every example, [B, length - 1] int32.

  If no sequence finishes in time, the most likely live sequence is the result.

  Args:
    step: Returns the logits of the token after `position`, and the new cache.
    cache: Cache before the first token; leaves [B, ...], without beams.
    length: Tokens of a sequence, including the 0 at its start.
    eos: Token that finishes a sequence; zeros follow `eos`.
    width: Live sequences per example, K. Width 1 is a greedy search that
      continues after a sequence has finished.
    alpha: Exponent of the length penalty.
  """
  beams = lax.while_loop(
    lambda beams: _may_improve(beams, length, alpha),
    lambda beams: _extend(step, beams, eos, alpha),
    _start(cache, length, width),
  )
  finished = beams.done_scores[:, 0] > NOTHING / 2  # [B]
  best = jnp.where(finished[:, None], beams.done[:, 0], beams.live[:, 0])
  return best[:, 1:]


def penalty(length, alpha: float):
  """Return the divisor of the log-probability of `length` tokens."""
  return ((5 + length) / 6) ** alpha


def _start(cache: PyTree, length: int, width: int) -> Beams:
  """Return one live sequence per example; the other slots are empty."""
  batch = len(jax.tree.leaves(cache)[0])
  tokens = jnp.zeros((batch, width, length), jnp.int32)
  scores = jnp.full((batch, width), NOTHING, jnp.float32)
  return Beams(
    position=jnp.zeros((), jnp.int32),
    live=tokens,
    live_scores=scores.at[:, 0].set(0),
    done=tokens,
    done_scores=scores,
    cache=jax.tree.map(lambda x: jnp.repeat(x[:, None], width, axis=1), cache),
  )


def _may_improve(beams: Beams, length: int, alpha: float) -> Array:
  """Test if a live sequence of any example can still beat a finished one.

  Log-probabilities only fall, and the penalty is largest at full length. An
  example without possible improvement keeps its result while others continue.
  """
  bound = beams.live_scores[:, 0] / penalty(length, alpha)  # [B]
  answered = beams.done_scores.min(axis=1) > bound
  return (beams.position < length - 1) & ~answered.all()


def _extend(step: Step, beams: Beams, eos: int, alpha: float) -> Beams:
  """Extend all live sequences by one token.

  At most K of the 2K candidates can have ended, since each of these comes from
  a different beam. K candidates therefore stay live.
  """
  position, width = beams.position, beams.live.shape[1]
  last = lax.dynamic_index_in_dim(beams.live, position, 2, keepdims=False)
  logits, cache = step(last, position, beams.cache)
  likely = jax.nn.log_softmax(logits).astype(beams.live_scores.dtype)
  scores = beams.live_scores[:, :, None] + likely
  flat = scores.reshape(len(scores), -1)  # [B, KV]
  scores, choice = lax.top_k(flat, 2 * width)  # [B, 2K]
  parent, token = jnp.divmod(choice, logits.shape[-1])
  candidates = lax.dynamic_update_index_in_dim(
    _rows(beams.live, parent), token, position + 1, 2
  )  # [B, 2K, L]
  ended = token == eos

  live_scores, kept = lax.top_k(jnp.where(ended, NOTHING, scores), width)
  parents = jnp.take_along_axis(parent, kept, axis=1)  # [B, K]
  new_scores = (scores / penalty(position + 1, alpha)).astype(scores.dtype)
  done_scores, best = lax.top_k(
    jnp.concatenate(
      [beams.done_scores, jnp.where(ended, new_scores, NOTHING)], axis=1
    ),
    width,
  )
  return Beams(
    position=position + 1,
    live=_rows(candidates, kept),
    live_scores=live_scores,
    done=_rows(jnp.concatenate([beams.done, candidates], axis=1), best),
    done_scores=done_scores,
    cache=jax.tree.map(lambda x: _rows(x, parents), cache),
  )


def _rows(x: Array, rows: Array) -> Array:
  """Take rows [B, M] of every example from x [B, N, ...]: [B, M, ...]."""
  return jax.vmap(lambda x, rows: x[rows])(x, rows)
