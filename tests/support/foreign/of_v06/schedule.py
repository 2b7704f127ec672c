"""A module that the submission imports relatively."""

import optax


def linear(rate, steps):
  """Return a schedule that falls linearly from `rate` to 0."""
  return optax.linear_schedule(rate, 0.0, steps)
