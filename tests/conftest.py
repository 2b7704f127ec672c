"""Every test runs on the CPU; a broadcast that nobody asked for is an error."""

import jax

jax.config.update('jax_platforms', 'cpu')
jax.config.update('jax_numpy_rank_promotion', 'raise')
