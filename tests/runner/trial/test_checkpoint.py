"""Checkpoints: whole or not there."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from runner.trial import checkpoint
from runner.trial.state_tree import Flattener

STATE = {
  'params': {'w': jnp.arange(6.0).reshape(2, 3)},
  'half': jnp.ones(3, jnp.bfloat16),
  'key': jax.random.key(7),
  'opt': optax.adam(0.1).init({'w': jnp.ones(2)}),
  'turn': 3,
  'share': 0.25,
}


def save_and_load(folder, state, step=1):
  checkpoint.save(
    folder,
    step,
    checkpoint.snapshot(Flattener()(state).leaves),
    {'steps': step},
  )
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
  names = sorted(path.name for path in tmp_path.iterdir())
  assert names == ['104.checkpoint', '16.checkpoint']


def test_a_snapshot_outlives_the_state(tmp_path):
  """Its buffers are donated while a thread still writes them."""
  state = {'w': jnp.zeros(1000)}
  taken = checkpoint.snapshot(Flattener()(state).leaves)
  step = jax.jit(lambda x: jax.tree.map(lambda w: w + 1, x), donate_argnums=0)
  jax.block_until_ready(step(state))
  np.testing.assert_array_equal(taken["['w']"], np.zeros(1000))


@pytest.fixture
def two(tmp_path):
  """A folder of two checkpoints, the newer one and its content."""
  small = {'w': jnp.arange(3.0), 'n': 7}
  save_and_load(tmp_path, small, 1)
  save_and_load(tmp_path, small, 2)
  path = tmp_path / '2.checkpoint'
  return tmp_path, path, path.read_bytes()


def test_cut_at_any_byte_it_is_noticed_and_the_one_before_used(two):
  folder, path, content = two
  for size in range(len(content)):
    path.write_bytes(content[:size])
    told = []
    assert checkpoint.load(folder, told.append).facts['steps'] == 1
    assert told == [path]


def test_changed_at_any_byte_it_is_noticed_and_the_one_before_used(two):
  folder, path, content = two
  for place in range(len(content)):
    changed = bytes([content[place] ^ 1])
    path.write_bytes(content[:place] + changed + content[place + 1 :])
    assert checkpoint.load(folder).facts['steps'] == 1


def test_what_a_killed_process_left_behind_does_not_count(two):
  folder, path, content = two
  path.rename(folder / '3.checkpoint.partial')
  (folder / 'odd.checkpoint').write_bytes(content)
  assert checkpoint.load(folder).facts['steps'] == 1


def test_a_state_of_another_structure_is_refused(tmp_path):
  found = save_and_load(tmp_path, {'a': jnp.ones(2)})
  with pytest.raises(ValueError, match="'b'"):
    checkpoint.restore({'a': jnp.ones(2), 'b': jnp.ones(2)}, found.arrays)


def test_no_checkpoint_is_no_error(tmp_path):
  assert checkpoint.load(tmp_path / 'none') is None
