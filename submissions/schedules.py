"""Learning rates as functions of the step, counted from zero.

Every one rises over `warmup`, a share of the steps, to `peak`, which it has at
the last step of the warmup: step t of W has (t + 1)/W of it. one_cycle, whose
rise does not begin at zero, has it at the step after. The first step is never
zero: a rate of zero teaches nothing, and some learning-rate-free methods divide
by it. AlgoPerf's warmups are t/W; `published_cosine` has that one. Beyond
`steps` no rate grows; those in ENDLESS need no horizon at all.
"""

import difflib
from collections.abc import Callable

import jax.numpy as jnp
import optax


def warmup_cosine(peak: float, warmup: float, steps: int) -> optax.Schedule:
  """Linear warmup over a share of the steps, then cosine decay to zero."""
  first = _warmup_steps(warmup, steps)
  decay = optax.cosine_decay_schedule(peak, max(1, steps - first))
  return optax.join_schedules([_rise(peak, first), decay], [first])


def published_cosine(peak: float, warmup: float, steps: int) -> optax.Schedule:
  """Cosine decay after AlgoPerf's warmup: t/W of the peak at step t < W.

  The published baselines (Dahl et al. 2023, arXiv:2306.07179) make their first
  step with a rate of zero and reach the peak a step later than `warmup_cosine`.
  """
  first = int(warmup * steps)
  rise = optax.linear_schedule(0.0, peak, max(1, first))
  decay = optax.cosine_decay_schedule(peak, max(1, steps - first))
  return optax.join_schedules([rise, decay], [first])


def warmup_linear(
  peak: float,
  warmup: float,
  steps: int,
  end_factor: float = 0.0,
  decay_steps_factor: float = 1.0,
) -> optax.Schedule:
  """Linear warmup over a share of the steps, then linear decay.

  The decay takes `decay_steps_factor` of the steps after the warmup and ends at
  `end_factor` times the peak, which is the rate of all later steps.
  """
  first = _warmup_steps(warmup, steps)
  length = max(1, int(decay_steps_factor * (steps - first)))
  decay = optax.linear_schedule(peak, peak * end_factor, length)
  return optax.join_schedules([_rise(peak, first), decay], [first])


def warmup_constant(peak: float, warmup: float, steps: int) -> optax.Schedule:
  """Linear warmup over a share of the steps, then the peak for ever."""
  first = _warmup_steps(warmup, steps)
  return optax.join_schedules(
    [_rise(peak, first), optax.constant_schedule(peak)], [first]
  )


def warmup_rex(
  peak: float, warmup: float, steps: int, beta: float = 0.5
) -> optax.Schedule:
  """(1 - s) / (1 - (1 - beta) s), s the share of the steps after warmup.

  Chen et al. 2021, "REX: Revisiting Budgeted Training with an Improved
  Schedule", arXiv:2107.04197, whose beta is 1/2. With beta 1 it is linear.
  """
  first = _warmup_steps(warmup, steps)

  def decay(step):
    s = _share(step, 0, steps - first)
    return peak * (1 - s) / (1 - (1 - beta) * s)

  return optax.join_schedules([_rise(peak, first), decay], [first])


def warmup_wsd(
  peak: float, warmup: float, steps: int, decay: float = 0.2
) -> optax.Schedule:
  """Warmup, stable, decay: the peak, then 1 - sqrt(x) over the last share.

  Hu et al. 2024, "MiniCPM", arXiv:2404.06395; the shape of the decay is that
  of Hägele et al. 2024, arXiv:2405.18392.
  """
  first = _warmup_steps(warmup, steps)
  begin = _decay_begin(first, steps, decay)

  def stable(step):
    return peak * (1 - jnp.sqrt(_share(step + first, begin, steps)))

  return optax.join_schedules([_rise(peak, first), stable], [first])


def warmup_power(
  peak: float,
  warmup: float,
  steps: int,
  plateau: float = 0.1,
  exponent: float = -0.51,
  decay: float = 0.1,
) -> optax.Schedule:
  """The peak, then a power of the steps made, then linear decay to zero.

  Shen et al. 2024, "Power Scheduler: A Batch Size and Token Number Agnostic
  Learning Rate Scheduler", arXiv:2408.13359: min(peak, a n^b) after n tokens.
  The paper's a is fitted to language models; here a is such that the peak lasts
  for `plateau` of the steps. The exponent is the paper's b.
  """
  first = _warmup_steps(warmup, steps)
  begin = _decay_begin(first, steps, decay)
  level = max(first, plateau * steps)

  def power(step):
    made = jnp.maximum(step + first + 1, level)
    left = 1 - _share(step + first, begin, steps)
    return peak * (made / level) ** exponent * left

  return optax.join_schedules([_rise(peak, first), power], [first])


def warmup_infinite(
  peak: float,
  warmup: float,
  steps: int,
  cooldown: float = 0.4,
  constant: float = 0.5,
  decay: float = 0.2,
  end_factor: float = 0.01,
) -> optax.Schedule:
  """Cosine cooldown to a constant rate, and an exponential decay in the end.

  Ibrahim et al. 2024, "Simple and Scalable Strategies to Continually Pre-train
  Large Language Models", arXiv:2403.08763. The shares are ours: the cooldown is
  over after `cooldown` of the steps, at `constant` times the peak, and the last
  `decay` of them go down to `end_factor` times the peak.
  """
  first = _warmup_steps(warmup, steps)
  begin = _decay_begin(first, steps, decay)
  cool = max(first + 1, round(cooldown * steps))

  def rate(step):
    s = _share(step + first, first, cool)
    level = constant + (1 - constant) * (1 + jnp.cos(jnp.pi * s)) / 2
    x = _share(step + first, begin, steps)
    return peak * level * (end_factor / constant) ** x

  return optax.join_schedules([_rise(peak, first), rate], [first])


def warmup_inverse_sqrt(
  peak: float, warmup: float, steps: int
) -> optax.Schedule:
  """Falls as one over the root of the steps made, for ever.

  Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762.
  """
  first = _warmup_steps(warmup, steps)

  def decay(step):
    return peak * jnp.sqrt(first / jnp.maximum(step + first + 1, first))

  return optax.join_schedules([_rise(peak, first), decay], [first])


def one_cycle(
  peak: float, warmup: float, steps: int, low: float = 0.04
) -> optax.Schedule:
  """Linear from low to the peak, down to low by 85 % of the steps, to zero.

  Smith and Topin 2017, "Super-Convergence", arXiv:1708.07120; the numbers are
  those of `optax.linear_onecycle_schedule`, whose rise takes 30 % and whose end
  is low / 10,000. Momentum is not cycled.
  """
  first = min(int(warmup * steps), steps - 1)
  down = max(first, int(0.85 * steps))

  def rate(step):
    risen = low + (1 - low) * jnp.clip(step / max(1, first), 0, 1)
    turned = _share(step, first, down)
    ended = _share(step, down, steps)
    level = jnp.where(step < first, risen, 1 - (1 - low) * turned)
    return peak * level * (1 - ended)

  return rate


KINDS: dict[str, Callable[[float, float, int], optax.Schedule]] = {
  'cosine': warmup_cosine,
  'linear': warmup_linear,
  'constant': warmup_constant,
  'rex': warmup_rex,
  'wsd': warmup_wsd,
  'power': warmup_power,
  'infinite': warmup_infinite,
  'inverse_sqrt': warmup_inverse_sqrt,
  'one_cycle': one_cycle,
}
ENDLESS = ('constant', 'inverse_sqrt')  # Training may go on beyond the steps.


def by_name(
  kind: str, peak: float, warmup: float, steps: int
) -> tuple[optax.Schedule, int | None]:
  """A schedule of KINDS, so that a hyperparameter can choose it, and its end.

  The end is the step from which there is nothing to do; None: there is always.

  Raises:
    ValueError: no such kind.
  """
  if kind not in KINDS:
    close = difflib.get_close_matches(kind, KINDS, n=1)
    hint = f' Did you mean {close[0]!r}?' if close else ''
    raise ValueError(f'No schedule {kind!r}.{hint} Known: {", ".join(KINDS)}.')
  return KINDS[kind](peak, warmup, steps), None if kind in ENDLESS else steps


def _warmup_steps(warmup: float, steps: int) -> int:
  return max(1, int(warmup * steps))


def _rise(peak: float, first: int) -> optax.Schedule:
  """peak/first at step 0, peak at step first-1."""
  return optax.linear_schedule(peak / first, peak, max(1, first - 1))


def _decay_begin(first: int, steps: int, decay: float) -> int:
  """The step at which a last share of the steps begins; not in the warmup."""
  return max(first, steps - max(1, round(decay * steps)))


def _share(step, begin: int, end: int):
  """0 up to step `begin`, rising to 1 at `end`."""
  return jnp.clip((step - begin) / max(1, end - begin), 0, 1)
