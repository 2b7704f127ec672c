"""States whose trees change, stored and put together again."""

import collections
import enum
import functools
import types
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import core, struct

from runner.trial import checkpoint, state_tree
from runner.trial.state_tree import Flattener
from runner.trial.states.same_code import same
from submissions.algoperf.training import Kept, Training


class Pair(NamedTuple):
  a: object
  b: object = None


class Phase(enum.Enum):
  WARM = 1
  DONE = 2


@struct.dataclass
class Average:
  total: object
  kind: str = struct.field(pytree_node=False, default='mean')
  function: object = struct.field(pytree_node=False, default=None)


@jax.tree_util.register_pytree_node_class
class Boxed:
  """A node of its own, without names for its children."""

  def __init__(self, content, label):
    self.content, self.label = content, label

  def tree_flatten(self):
    return (self.content,), self.label

  @classmethod
  def tree_unflatten(cls, label, children):
    return cls(*children, label)


def halved(x):
  return x / 2


def stored(tmp_path, first, later):
  """Store a state, and restore it where a fresh loop begins with `first`."""
  assert Flattener(jax.tree.structure(first))(later).lost == ''
  facts = {'tree': state_tree.described(later)}
  checkpoint.save(
    tmp_path, 1, checkpoint.snapshot(Flattener()(later).leaves), facts
  )
  found = checkpoint.load(tmp_path)
  return checkpoint.restore(first, found.arrays, found.facts['tree'])


def assert_same(found, wanted):
  assert jax.tree.structure(found) == jax.tree.structure(wanted)
  pairs = zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True)
  for a, b in pairs:
    assert type(a) is type(b)
    if isinstance(b, jax.Array):
      assert a.dtype == b.dtype
      if jnp.issubdtype(b.dtype, jax.dtypes.prng_key):
        a, b = jax.random.key_data(a), jax.random.key_data(b)
      assert a.weak_type == b.weak_type
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert np.asarray(a).dtype == np.asarray(b).dtype


W = {'w': jnp.arange(6.0).reshape(2, 3)}
CHANGES = {
  'None becomes an array': ({'copy': None}, {'copy': jnp.ones(3)}),
  'an array becomes None': ({'copy': jnp.ones(3)}, {'copy': None}),
  'a list grows': ([jnp.ones(2)], [jnp.ones(2), jnp.zeros(2), jnp.ones(1)]),
  'a list shrinks': ([jnp.ones(2), jnp.zeros(1)], []),
  'a tuple becomes a list': ((1, 2), [1, 2]),
  'a shape grows': ({'x': jnp.ones((2, 3))}, {'x': jnp.ones((5, 3))}),
  'an axis comes': ({'x': jnp.ones(())}, {'x': jnp.ones((1, 2))}),
  'a type changes': ({'x': jnp.ones(2)}, {'x': jnp.ones(2, jnp.bfloat16)}),
  'a whole number gets a fraction': ({'x': 0}, {'x': 0.5}),
  'a number becomes an array': ({'x': 0}, {'x': jnp.asarray(3, jnp.uint8)}),
  'an array becomes a number': ({'x': jnp.ones(())}, {'x': True}),
  'numbers of numpy': ({'x': np.float32(1)}, {'x': np.float64(0.1)}),
  'arrays of numpy': ({'x': np.ones(())}, {'x': np.arange(3, dtype='i2')}),
  'no elements': ({'x': jnp.ones(2)}, {'x': jnp.ones((0, 4)), 'y': {}}),
  'numbers that bend to others': ({'x': None}, {'x': jnp.asarray(0.1)}),
  'keys come and go': ({'a': 1, 'b': W}, {'b': 2, 'c': W}),
  'keys that are no texts': ({}, {3: jnp.ones(1), 5: W}),
  'keys of tuples': ({}, {('a', 1): jnp.ones(1)}),
  'a named tuple': ({'n': None}, {'n': Pair(jnp.ones(2), Pair(1))}),
  'optax begins': ({'o': ()}, {'o': optax.adamw(0.1).init(W)}),
  'optax changes': (
    {'o': optax.sgd(0.1).init(W)},
    {'o': optax.masked(optax.adam(0.1), {'w': True}).init(W)},
  ),
  'a dataclass': ({'d': None}, {'d': Average(jnp.ones(2), 'max')}),
  'a text of a dataclass': (Average(1.0, 'mean'), Average(2.0, 'max')),
  'a function of a dataclass': (
    Average(1.0, function=jnp.mean),
    Average(1.0, function=halved),
  ),
  'a node of its own': ({'b': None}, {'b': Boxed(jnp.ones(2), ('x', 1))}),
  'other dictionaries': (
    {},
    {
      'frozen': core.freeze({'a': jnp.ones(1)}),
      'ordered': collections.OrderedDict(b=1, a=2),
      'default': collections.defaultdict(list, x=[jnp.ones(2)]),
    },
  ),
  'a key': ({}, {'key': jax.random.key(3), 'old': jax.random.PRNGKey(3)}),
  'a key of another kind': (
    {'key': jax.random.key(1)},
    {'key': jax.random.split(jax.random.key(3, impl='rbg'), 2)},
  ),
  'texts': (
    Training({}, None, {'phase': 'warmup'}, 0),
    Training(W, {}, {'phase': 'decay', 'raw': b'\x00\xff'}, 3, jnp.ones(2)),
  ),
  'members of an enumeration': (
    Training({}, None, Phase.WARM, 0),
    Training({}, None, [Phase.DONE], 1),
  ),
  'functions by name': (
    Training({}, None, ({}, jnp.mean), 0),
    Training({}, None, ({}, halved, Pair), 1),
  ),
}


@pytest.mark.parametrize('name', CHANGES)
def test_a_tree_that_has_changed_comes_back_as_it_was(name, tmp_path):
  first, later = CHANGES[name]
  assert_same(stored(tmp_path, first, later), later)
  assert_same(stored(tmp_path, later, first), first)
  assert_same(stored(tmp_path, later, later), later)


def test_what_comes_back_may_be_written_to(tmp_path):
  state = {'moment': np.zeros(3)}
  stored(tmp_path, state, state)['moment'][0] = 1.0


def test_arrays_go_where_those_of_their_shape_are(tmp_path):
  device = jax.devices()[0]
  first = {'x': jax.device_put(jnp.ones(4), device), 'y': jnp.ones(4)}
  found = stored(tmp_path, first, {'x': jnp.zeros(4), 'y': jnp.zeros(4)})
  assert found['x'].committed and not found['y'].committed


def closure(factor):
  def scaled(x):
    return factor * x

  return scaled


def test_code_that_no_name_leads_to_is_that_of_the_first_state(tmp_path):
  tx = optax.adam(0.1)
  first = Training({}, None, (tx.init(W), tx.update), 0)
  again = Training({}, None, (tx.init(W), optax.adam(0.1).update), 4)
  found = stored(tmp_path, first, again)
  assert found.optimizer_state[1] is tx.update and found.step == 4


@pytest.mark.parametrize(
  ('first', 'later', 'message'),
  [
    (closure(2), closure(3), 'scaled'),
    (None, closure(3), 'scaled'),
    (optax.adam(0.1).update, optax.adam(0.2).update, 'update_fn'),
    (functools.partial(halved, 1), functools.partial(halved, 2), 'partial'),
  ],
)
def test_other_code_than_at_first_is_not_stored(first, later, message):
  """Restored, it would silently be the first state's."""
  before, after = (Training({}, None, one, 0) for one in (first, later))
  assert message in Flattener(jax.tree.structure(before))(after).lost
  assert Flattener(jax.tree.structure(before))(before).lost == ''


def test_what_is_no_number_is_not_stored():
  class Here(NamedTuple):
    x: int

  donated = jnp.ones(2)
  donated.delete()
  structures = {
    'a': ("['a'] was donated", donated),
    'b': ("['b'] is a str", 'text'),
    'c': ("['c'] is an array of <U1", np.array(['x'])),
    'd': ("['d'] is an array of object", np.array([None])),
    'e': ("['e'] has 71 bits", 2**70),
    'f': ("['f'] is a Phase", Phase.WARM),
    'g': ('Here', Here(1)),
  }
  for name, (message, value) in structures.items():
    nothing = jax.tree.structure(None)
    assert message in Flattener(nothing)({name: value}).lost
  local = {'g': Here(1)}
  assert Flattener(jax.tree.structure(local))(local).lost == ''


@pytest.mark.parametrize(
  'said',
  [
    {'type': 'nowhere:Gone', 'aux': {'value': None}, 'children': []},
    {'type': 'os:Gone.inner', 'aux': {'value': None}, 'children': []},
    {'type': 'builtins:int', 'aux': {'value': None}, 'children': []},
    {'type': f'{__name__}:Boxed', 'children': [None]},
  ],
)
def test_what_cannot_be_found_again_is_said(said):
  with pytest.raises(state_tree.UnfitError, match=said['type']):
    state_tree.restored(said, jax.tree.structure(None))


def test_a_checkpoint_without_a_tree_has_that_of_the_loop(tmp_path):
  state = {'a': jnp.ones(2), 'n': 3}
  arrays = checkpoint.snapshot(Flattener()(state).leaves)
  assert_same(checkpoint.restore(state, arrays), state)
  with pytest.raises(state_tree.UnfitError, match=r"\['b'\]"):
    checkpoint.restore({**state, 'b': 1}, arrays)


def test_functions_are_compared_by_what_they_do():
  def endless(n):
    return endless(n - 1)

  other = types.FunctionType(
    endless.__code__, {}, 'endless', None, endless.__closure__
  )
  assert same(endless, other)
  assert same(jax.jit(closure(2)), jax.jit(closure(2)))
  assert not same(jax.jit(closure(2)), jax.jit(closure(3)))
  assert not same(closure(jnp.ones(2)), closure(jnp.zeros(2)))
  assert same(closure({'a': [1]}), closure({'a': [1]}))
  assert not same(closure({'a': [1]}), closure({'a': [2]}))
  assert not same(closure(object()), closure(object()))
  assert not same([].append, [1].append)  # Nobody knows.
  assert jax.tree.leaves(Kept('x')) == []
