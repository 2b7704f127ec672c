"""Learning rates as functions of the step, counted from zero.

Warmup rises linearly and never starts at zero: the first step of a rate of
zero teaches nothing, and some learning-rate-free methods divide by it.
"""

import optax


def warmup_cosine(peak: float, warmup: float, steps: int) -> optax.Schedule:
  """Linear warmup over a share of the steps, then cosine decay to zero."""
  first = _warmup_steps(warmup, steps)
  decay = optax.cosine_decay_schedule(peak, max(1, steps - first))
  return optax.join_schedules([_rise(peak, first), decay], [first])


def warmup_linear(
  peak: float, warmup: float, steps: int, end_factor: float = 0.0
) -> optax.Schedule:
  """Linear warmup over a share of the steps, then linear decay."""
  first = _warmup_steps(warmup, steps)
  decay = optax.linear_schedule(peak, peak * end_factor, max(1, steps - first))
  return optax.join_schedules([_rise(peak, first), decay], [first])


def warmup_constant(peak: float, warmup: float, steps: int) -> optax.Schedule:
  """Linear warmup over a share of the steps, then the peak for ever."""
  first = _warmup_steps(warmup, steps)
  return optax.join_schedules(
    [_rise(peak, first), optax.constant_schedule(peak)], [first]
  )


def _warmup_steps(warmup: float, steps: int) -> int:
  return max(1, int(warmup * steps))


def _rise(peak: float, first: int) -> optax.Schedule:
  """peak/first at step 0, peak at step first-1."""
  return optax.linear_schedule(peak / first, peak, max(1, first - 1))
