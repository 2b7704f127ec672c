"""Learning-rate schedules: functions of the step, counted from zero.

In a warmup of W steps, step t has (t + 1)/W of the peak. The first rate is not
zero: such a step would change nothing, and some learning-rate-free methods
divide by the rate. Two schedules differ: AlgoPerf's warmup is t/W, see
`published_cosine`; `one_cycle` rises from above zero and reaches the peak one
step later. No rate grows after `steps`. Schedules in ENDLESS need no horizon.
"""

import difflib
from collections.abc import Callable

import jax.numpy as jnp
import optax


def warmup_cosine(peak: float, warmup: float, steps: int) -> optax.Schedule:
  """Linear warmup, then cosine decay to zero.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Steps until the rate is zero.
  """
  first = _warmup_steps(warmup, steps)
  decay = optax.cosine_decay_schedule(peak, max(1, steps - first))
  return optax.join_schedules([_rise(peak, first), decay], [first])


def published_cosine(peak: float, warmup: float, steps: int) -> optax.Schedule:
  """Cosine decay after AlgoPerf's warmup: t/W of the peak at step t < W.

  The published baselines (Dahl et al. 2023, arXiv:2306.07179) make their first
  step with a rate of zero and reach the peak a step later than `warmup_cosine`.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Steps until the rate is zero.
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
  """Linear warmup, then linear decay, then a constant rate.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Training steps.
    end_factor: Rate after the decay, relative to the peak.
    decay_steps_factor: Share of the steps after the warmup that decays.
  """
  first = _warmup_steps(warmup, steps)
  length = max(1, int(decay_steps_factor * (steps - first)))
  decay = optax.linear_schedule(peak, peak * end_factor, length)
  return optax.join_schedules([_rise(peak, first), decay], [first])


def warmup_constant(peak: float, warmup: float, steps: int) -> optax.Schedule:
  """Linear warmup, then the peak for any number of steps.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Training steps, of which the warmup is a share.
  """
  first = _warmup_steps(warmup, steps)
  return optax.join_schedules(
    [_rise(peak, first), optax.constant_schedule(peak)], [first]
  )


def warmup_rex(
  peak: float, warmup: float, steps: int, beta: float = 0.5
) -> optax.Schedule:
  """REX: warmup, then peak (1 - s) / (1 - (1 - beta) s).

  Chen et al. 2021, "REX: Revisiting Budgeted Training with an Improved
  Schedule", arXiv:2107.04197. s grows from 0 to 1 after the warmup.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Steps until the rate is zero.
    beta: 1/2 in the paper; 1 gives a linear decay.
  """
  first = _warmup_steps(warmup, steps)

  def decay(step):
    s = _share(step, 0, steps - first)
    return peak * (1 - s) / (1 - (1 - beta) * s)

  return optax.join_schedules([_rise(peak, first), decay], [first])


def warmup_wsd(
  peak: float, warmup: float, steps: int, decay: float = 0.2
) -> optax.Schedule:
  """Warmup, stable, decay: the peak, then 1 - sqrt(x) over the last steps.

  Hu et al. 2024, "MiniCPM", arXiv:2404.06395; the shape of the decay is from
  Hägele et al. 2024, arXiv:2405.18392.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Steps until the rate is zero.
    decay: Share of the steps that decays.
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
  """The peak, then a power of the steps made, and linear decay at the end.

  Shen et al. 2024, "Power Scheduler: A Batch Size and Token Number Agnostic
  Learning Rate Scheduler", arXiv:2408.13359: min(peak, a n^b) after n tokens.
  The paper fits a to language models; here `plateau` determines a.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Steps until the rate is zero.
    plateau: Share of the steps after which the rate leaves the peak.
    exponent: The paper's b.
    decay: Share of the steps that decays to zero.
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
  """Cosine cooldown to a constant rate, and an exponential decay at the end.

  Ibrahim et al. 2024, "Simple and Scalable Strategies to Continually Pre-train
  Large Language Models", arXiv:2403.08763. The default shares are ours.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Training steps.
    cooldown: Share of the steps after which the cooldown ends.
    constant: Constant rate, relative to the peak.
    decay: Share of the steps that decays.
    end_factor: Rate after the decay, relative to the peak.
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
  """Linear warmup, then decay as one over the square root of the steps made.

  Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Training steps, of which the warmup is a share.
  """
  first = _warmup_steps(warmup, steps)

  def decay(step):
    return peak * jnp.sqrt(first / jnp.maximum(step + first + 1, first))

  return optax.join_schedules([_rise(peak, first), decay], [first])


def one_cycle(
  peak: float, warmup: float, steps: int, low: float = 0.04
) -> optax.Schedule:
  """Linear rise to the peak, fall until 85 % of the steps, then decay to zero.

  Smith and Topin 2017, "Super-Convergence", arXiv:1708.07120. The numbers are
  from `optax.linear_onecycle_schedule`, whose rise takes 30 % and whose last
  rate is low / 10,000. Momentum is not cycled.

  Args:
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Steps until the rate is zero.
    low: Rate before the rise and after the fall, relative to the peak.
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
ENDLESS = ('constant', 'inverse_sqrt')  # Training may continue after `steps`.


def by_name(
  kind: str, peak: float, warmup: float, steps: int
) -> tuple[optax.Schedule, int | None]:
  """Return a schedule of KINDS, and the step at which training ends.

  Training never ends by itself, shown by None, for schedules in ENDLESS.

  Args:
    kind: A name in KINDS.
    peak: Largest rate.
    warmup: Share of the steps that rises to the peak.
    steps: Training steps.

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
  """Linear rise: peak/first at step 0, peak at step first-1."""
  return optax.linear_schedule(peak / first, peak, max(1, first - 1))


def _decay_begin(first: int, steps: int, decay: float) -> int:
  """Step at which the decay begins, not before the end of the warmup."""
  return max(first, steps - max(1, round(decay * steps)))


def _share(step, begin: int, end: int):
  """Linear function of the step: 0 until `begin`, 1 from `end` on."""
  return jnp.clip((step - begin) / max(1, end - begin), 0, 1)
