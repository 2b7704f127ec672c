"""Found by a relative import."""

import optax


def linear(rate, steps):
  return optax.linear_schedule(rate, 0.0, steps)
