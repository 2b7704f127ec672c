"""Checkpoints: whole or not there."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from runner import checkpoint

STATE = {
  'params': {'w': jnp.arange(6.0).reshape(2, 3)},
  'half': jnp.ones(3, jnp.bfloat16),
  'key': jax.random.key(7),
  'opt': optax.adam(0.1).init({'w': jnp.ones(2)}),
  'turn': 3,
  'share': 0.25,
}


def save_and_load(folder, state, step=1):
  checkpoint.save(folder, step, state, {'steps': step})
  return checkpoint.load(folder)


def test_a_state_comes_back_to_the_bit(tmp_path):
  found = save_and_load(tmp_path, STATE)
  again = checkpoint.restore(STATE, found.arrays)
  assert jax.tree.structure(again) == jax.tree.structure(STATE)
  assert type(again['turn']) is int and again['turn'] == 3
  assert again['half'].dtype == jnp.bfloat16
  assert jax.random.key_impl(again['key']) == jax.random.key_impl(STATE['key'])
  for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(STATE), strict=True):
    if jnp.issubdtype(jnp.asarray(a).dtype, jax.dtypes.prng_key):
      a, b = jax.random.key_data(a), jax.random.key_data(b)
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_the_newest_counts_and_old_ones_go(tmp_path):
  for step in (8, 16, 104):
    found = save_and_load(tmp_path, {'n': jnp.array(step)}, step)
  assert found.facts['steps'] == 104
  assert sorted(p.name for p in tmp_path.iterdir()) == [
    '104.json', '104.msgpack', '16.json', '16.msgpack'
  ]  # fmt: skip


@pytest.mark.parametrize('damage', ['missing', 'short', 'changed', 'unnamed'])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_used(
  tmp_path, damage
):
  save_and_load(tmp_path, STATE, 1)
  save_and_load(tmp_path, STATE, 2)
  path = tmp_path / '2.msgpack'
  data = path.read_bytes()
  match damage:
    case 'missing':
      path.unlink()
    case 'short':
      path.write_bytes(data[:-1])
    case 'changed':
      path.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])
    case 'unnamed':  # Killed before the second file was there.
      (tmp_path / '2.json').unlink()
  assert checkpoint.load(tmp_path).facts['steps'] == 1


def test_a_state_of_another_structure_is_refused(tmp_path):
  found = save_and_load(tmp_path, {'a': jnp.ones(2)})
  with pytest.raises(ValueError, match="'b'"):
    checkpoint.restore({'a': jnp.ones(2), 'b': jnp.ones(2)}, found.arrays)


def test_no_checkpoint_is_no_error(tmp_path):
  assert checkpoint.load(tmp_path / 'none') is None
