"""Dropout whose rate may be an argument of a compiled function."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import workloads
from workloads.dropout import Dropout

X = jnp.arange(1.0, 61.0).reshape(3, 4, 5)
RNGS = {'dropout': jax.random.key(3)}


def run(kind, rate, x=X, deterministic=False, axes=()):
  layer = kind(rate, axes, deterministic=deterministic)
  return layer.apply({}, x, rngs=RNGS)


@pytest.mark.parametrize('axes', [(), (1,), (-1, -2)])
@pytest.mark.parametrize('rate', [0.0, 0.3, np.float32(0.3), 1.0])
def test_a_traced_rate_drops_what_a_number_does(rate, axes):
  wanted = run(nn.Dropout, rate, axes=axes)
  np.testing.assert_array_equal(run(Dropout, rate, axes=axes), wanted)
  traced = jax.jit(lambda rate: run(Dropout, rate, axes=axes))(rate)
  np.testing.assert_allclose(traced, wanted, rtol=1e-6)


def test_a_rate_is_as_good_as_traced_where_a_compiled_function_closes_over_it():
  rate = jnp.asarray(0.3)
  found = jax.jit(lambda x: run(Dropout, rate, x))(X)
  np.testing.assert_allclose(found, run(nn.Dropout, 0.3), rtol=1e-6)


@pytest.mark.parametrize('rate', [0.0, 0.5, 1.0])
def test_gradients_stay_finite_where_everything_is_dropped(rate):
  @jax.jit
  def slope(rate, x):
    return jax.grad(lambda x: run(Dropout, rate, x).sum())(x)

  found = slope(rate, X)
  assert np.isfinite(found).all()
  kept = np.asarray(run(nn.Dropout, rate)) != 0
  scale = 1 / (1 - rate) if rate < 1 else 0.0
  np.testing.assert_allclose(found, kept * scale, rtol=1e-6)


def test_several_rates_at_once_and_none_in_evaluation():
  rates = jnp.array([0.0, 0.5])
  found = jax.vmap(lambda rate: run(Dropout, rate))(rates)
  np.testing.assert_allclose(found[0], X)
  np.testing.assert_allclose(found[1], run(nn.Dropout, 0.5), rtol=1e-6)
  still = jax.jit(lambda rate: run(Dropout, rate, deterministic=True))(0.5)
  np.testing.assert_array_equal(still, X)


def test_the_type_of_the_inputs_stays():
  found = jax.jit(lambda rate: run(Dropout, rate, X.astype(jnp.bfloat16)))(0.3)
  assert found.dtype == jnp.bfloat16


def test_no_model_uses_a_layer_that_needs_a_number():
  folder = pathlib.Path(workloads.__file__).parent
  others = [
    path.name
    for path in folder.rglob('*.py')
    if 'nn.Dropout(' in path.read_text() and path.stem != 'dropout'
  ]
  assert not others
