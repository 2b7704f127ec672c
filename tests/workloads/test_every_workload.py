"""What every workload promises: register one and it is tested.

What trains is shrunk first (tests/support/tiny.py): every variant as it is,
with fewer and narrower layers and generated data, compiled once. Two names that
shrink to the same workload are tested once. Published sizes are tested by
shape.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import workloads
from runner.protocol.suites import metrics
from runner.trial.evaluate import _examine, evaluate
from tests.support.tiny import tiny
from workloads import batches, data
from workloads.data import DataError
from workloads.roles import roles
from workloads.workload import Batch, Model, Source, Workload, mean_loss

SIZE = 8  # Examples in a batch, everywhere.
SPLITS = ('train', 'validation', 'test')
ADAM = optax.adam(3e-3)


def _shapes(workload: Workload) -> Model:
  return jax.eval_shape(workload.init, jax.random.key(0))


# The last name of every value: of the mini and the published size it is that
# of the mini, whose other fields are meant for generated data.
DISTINCT = {tiny(name): name for name in workloads.names()}
MINIS = [n for n in workloads.names() if n.endswith('/mini') or n == 'digits']
BASES = [n for n in workloads.names() if '/' not in n]


def _together(names):
  """What is compiled for a name is compiled in one process of several."""
  return [
    pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names
  ]


small = pytest.mark.parametrize('name', _together(DISTINCT.values()))
mini = pytest.mark.parametrize('name', _together(MINIS))
large = pytest.mark.parametrize('name', _together(BASES))
every = pytest.mark.parametrize('name', workloads.names())


@functools.partial(jax.jit, static_argnums=0)
def _init(workload, key):
  return workload.init(key)


@functools.partial(jax.jit, static_argnums=0)
def _gradient(workload, model, batch):
  value = jax.value_and_grad(
    lambda params: mean_loss(
      workload, params, model.state, batch, jax.random.key(1)
    ),
    has_aux=True,
  )
  return value(model.params)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _forward(workload, model, batch, frozen):
  return workload.forward(model, batch, jax.random.key(1), 0.0, frozen)


@jax.jit
def _adam(model, state, opt_state, gradient):
  updates, opt_state = ADAM.update(gradient, opt_state, model.params)
  return Model(optax.apply_updates(model.params, updates), state), opt_state


_begun = jax.jit(ADAM.init)
_length = jax.jit(optax.tree.norm)


@jax.jit
def _moved(params, gradient, distance):
  """Parameters so far along the gradient."""
  share = distance / optax.tree.norm(gradient)
  return jax.tree.map(
    lambda p, g: p + (share * g).astype(p.dtype), params, gradient
  )


@functools.cache
def _model(name: str) -> Model:
  return _init(tiny(name), jax.random.key(0))


@functools.cache
def _fake(name: str) -> Batch:
  return tiny(name).fake_batch(jax.random.key(2), SIZE)


@functools.cache
def _source(name: str, split: str) -> Source:
  return workloads.get(name).source(split, None)


def _like(tree) -> list[tuple]:
  """Paths, shapes and types of the leaves."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return [(path, leaf.shape, jnp.dtype(leaf.dtype)) for path, leaf in leaves]


@small
def test_the_same_key_gives_the_same_model(name):
  workload = tiny(name)
  again = _init(workload, jax.random.key(0))
  other = _init(workload, jax.random.key(3))
  same = jax.tree.map(np.array_equal, _model(name), again)
  assert all(jax.tree.leaves(same))
  same = jax.tree.map(np.array_equal, _model(name), other)
  assert not all(jax.tree.leaves(same))


@large
def test_outputs_have_losses_and_the_state_keeps_its_shape(name):
  workload = workloads.get(name)

  def forward(model, key):
    batch = workload.fake_batch(key, SIZE)
    outputs, state = workload.forward(model, batch, key, 0.1)
    return workload.losses(outputs, batch, 0.1), state

  key = jax.eval_shape(lambda: jax.random.key(0))
  shapes = _shapes(workload)
  (losses, counts), state = jax.eval_shape(forward, shapes, key)
  assert losses.shape == counts.shape == (SIZE,)
  assert losses.dtype == counts.dtype == jnp.float32
  assert _like(state) == _like(shapes.state)


@mini
def test_frozen_statistics_stay_and_say_what_evaluation_says(name):
  """But for masks on the input of speech, which training alone has."""
  workload, model, batch = tiny(name), _model(name), _fake(name)
  moved = _forward(workload, model, batch, False)[1]
  outputs, state = _forward(workload, model, batch, True)
  assert all(jax.tree.leaves(jax.tree.map(np.array_equal, state, model.state)))
  same = jax.tree.map(np.array_equal, moved, model.state)
  assert not any(jax.tree.leaves(same))
  expected = jax.jit(workload.predict)(model, batch)
  if workload.loss_kind == 'ctc':
    assert _like(outputs) == _like(expected)
  else:
    assert workload.loss_kind in ('softmax', 'sigmoid', 'absolute')
    for found, wanted in zip(
      jax.tree.leaves(outputs), jax.tree.leaves(expected), strict=True
    ):
      np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@large
def test_statistics_have_a_row_for_every_example(name):
  workload = workloads.get(name)
  key = jax.eval_shape(lambda: jax.random.key(0))
  batch = jax.eval_shape(lambda key: workload.fake_batch(key, SIZE), key)
  stats = jax.eval_shape(workload.eval_stats, _shapes(workload), batch)
  assert all(leaf.shape[0] == SIZE for leaf in jax.tree.leaves(stats))


@small
def test_the_loss_is_as_steep_as_its_gradient_is_long(name):
  workload, model, batch = tiny(name), _model(name), _fake(name)
  (loss, _), gradient = _gradient(workload, model, batch)
  length = _length(gradient)
  # The loss moves by a thousandth: far above its rounding error in float32
  # (about 1e-6 of it), and little enough to be nearly straight.
  step = 1e-3 * loss / length

  def at(distance):
    params = _moved(model.params, gradient, distance)
    return _gradient(workload, model._replace(params=params), batch)[0][0]

  slope = (at(step) - at(-step)) / (2 * step)
  np.testing.assert_allclose(slope, length, rtol=0.02)


@small
def test_what_has_no_weight_does_not_count_in_training(name):
  workload, model, batch = tiny(name), _model(name), _fake(name)
  if batch['weights'].ndim > 1:
    pytest.skip('Weights of rank 2 are applied by the losses.')
  weights = jnp.ones(SIZE).at[-1].set(0)
  targets = jax.tree.map(lambda x: x.at[-1].set(x[0]), batch['targets'])
  plain = {**batch, 'weights': weights}
  changed = {**plain, 'targets': targets}
  one, other = (_gradient(workload, model, b) for b in (plain, changed))
  assert all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


@small
def test_an_examined_example_does_not_know_its_batch(name):
  workload, model, batch = tiny(name), _model(name), _fake(name)
  turned = jax.tree.map(lambda x: jnp.roll(x, 3, axis=0), batch)
  _, stats = _examine(workload, model, batch)
  _, moved = _examine(workload, model, turned)
  # Sums may be taken in another order elsewhere in a batch.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(
      np.roll(a, 3, axis=0), b, rtol=1e-4, atol=1e-5
    ),
    stats,
    moved,
  )


@small
def test_metrics_do_not_depend_on_evaluation_batches_or_padding(name):
  workload, model = tiny(name), _model(name)
  source = tiny(name).source('validation', None)
  few = evaluate(workload, model, source, SIZE, limit=20)  # Four padded rows.
  once = evaluate(workload, model, source, 20, limit=20)  # None.
  assert few.keys() == once.keys()
  for metric, value in few.items():
    np.testing.assert_allclose(value, once[metric], rtol=1e-5, err_msg=metric)
    assert metric in metrics.RANGES and metrics.possible(metric, value), metric


@small
def test_thirty_steps_of_adam_learn_one_batch(name):
  workload, model, batch = tiny(name), _model(name), _fake(name)
  opt_state = _begun(model.params)
  (first, _), _ = _gradient(workload, model, batch)
  for _ in range(30):
    (loss, state), gradient = _gradient(workload, model, batch)
    model, opt_state = _adam(model, state, opt_state, gradient)
  assert loss < 0.8 * first


@small
def test_the_second_step_does_not_compile(name, caplog):
  workload, model = tiny(name), _model(name)
  source, opt_state = tiny(name).source('train', None), _begun(model.params)

  def compilations() -> int:
    return sum('Compiling' in r.getMessage() for r in caplog.records)

  with jax.log_compiles():
    jax.jit(lambda x: x + 1)(np.ones(3))
    assert compilations() == 1  # So the log can be believed.
    seen = []
    for n in range(2):
      batch = batches.train_batch(source, 0, n * SIZE, SIZE)
      (_, state), gradient = _gradient(workload, model, batch)
      model, opt_state = _adam(model, state, opt_state, gradient)
      seen.append(compilations())
  assert seen[0] == seen[1]


@every
def test_there_is_one_head_or_a_table_that_is_tied(name):
  labels = jax.tree.leaves(roles(_shapes(workloads.get(name)).params))
  heads = labels.count('head')
  assert heads == 1 or (heads == 0 and labels.count('embedding') == 1)


@mini
def test_a_fake_batch_looks_like_a_real_one(name):
  source, key = _source(name, 'train'), jax.random.key(2)
  real = batches.train_batch(source, 0, 0, SIZE)
  assert _like(workloads.get(name).fake_batch(key, SIZE)) == _like(real)


@every
def test_workloads_are_values(name):
  workload = workloads.get(name)
  copy = dataclasses.replace(workload)
  assert copy == workload
  assert hash(copy) == hash(workload)
  with pytest.raises(TypeError, match='Make it a variant instead'):
    type('Mine', (type(workload),), {})


def test_an_epoch_has_every_example_once_and_no_order_twice():
  first = batches.stream(10, 0, 0, 10)
  second = batches.stream(10, 0, 10, 10)
  across = batches.stream(10, 0, 7, 6)
  assert sorted(first) == sorted(second) == list(range(10))
  assert list(first) != list(second)
  assert list(across) == [*first[7:], *second[:3]]
  assert list(batches.stream(10, 1, 0, 10)) != list(first)


@mini
def test_a_training_batch_depends_on_seed_and_step_only(name):
  source = _source(name, 'train')
  first = 3 * len(source) - 5  # Across the end of an epoch.
  one = batches.train_batch(source, 7, first, SIZE)
  batches.train_batch(source, 8, 0, SIZE)
  again = batches.train_batch(source, 7, first, SIZE)
  assert all(jax.tree.leaves(jax.tree.map(np.array_equal, one, again)))


@mini
def test_hosts_that_share_a_batch_read_parts_of_it(name):
  """By their positions in the stream, across the end of an epoch."""
  source = _source(name, 'train')
  first = 3 * len(source) - 5
  whole = batches.train_batch(source, 7, first, SIZE)
  half = SIZE // 2
  parts = [
    batches.train_batch(source, 7, first + start, half) for start in (0, half)
  ]
  joined = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
  jax.tree.map(np.testing.assert_array_equal, whole, joined)


def test_hosts_that_share_an_evaluation_batch_read_their_rows_of_it():
  source = batches.Arrays({'inputs': np.arange(10)})
  parts = [
    list(batches.eval_batches(source, 4, 7, rows))
    for rows in (slice(0, 2), slice(2, 4))
  ]
  whole = list(batches.eval_batches(source, 4, 7))
  for one, other, both in zip(*parts, whole, strict=True):
    joined = jax.tree.map(lambda *rows: np.concatenate(rows), one, other)
    jax.tree.map(np.testing.assert_array_equal, both, joined)


def test_the_last_evaluation_batch_is_masked():
  source = batches.Arrays({'inputs': np.arange(10)})
  first, last = batches.eval_batches(source, 4, limit=7)
  assert list(first['weights']) == [1, 1, 1, 1]
  assert list(last['inputs']) == [4, 5, 6, 6]
  assert list(last['weights']) == [1, 1, 1, 0]


@functools.cache
def _digests(name: str, split: str) -> list[str]:
  """One for each example."""
  source = _source(name, split)
  size = len(source)
  leaves = jax.tree.leaves(source[np.arange(size)])
  rows = [np.ascontiguousarray(leaf).reshape(size, -1) for leaf in leaves]
  return [
    hashlib.md5(b''.join(r.tobytes() for r in row)).hexdigest()
    for row in zip(*rows, strict=True)
  ]


@mini
def test_no_example_is_in_two_splits(name):
  train, validation, test = (set(_digests(name, split)) for split in SPLITS)
  assert not train & validation
  assert not train & test
  assert not validation & test


PRINT_DIGESTS = """
import hashlib, json, sys
import jax, numpy as np
import workloads
found = {}
for name in sys.argv[1:]:
  source = workloads.get(name).source('validation', None)
  leaves = jax.tree.leaves(source[np.arange(len(source))])
  found[name] = [hashlib.md5(leaf.tobytes()).hexdigest() for leaf in leaves]
print(json.dumps(found))
"""


def test_another_process_has_the_same_data():
  here = {}
  for name in MINIS:
    source = _source(name, 'validation')
    leaves = jax.tree.leaves(source[np.arange(len(source))])
    here[name] = [hashlib.md5(leaf.tobytes()).hexdigest() for leaf in leaves]
  there = subprocess.run(
    [sys.executable, '-c', PRINT_DIGESTS, *MINIS],
    capture_output=True,
    check=True,
    cwd=pathlib.Path(__file__).parents[2],
    env={**os.environ, 'PYTHONHASHSEED': '1', 'JAX_PLATFORMS': 'cpu'},
  )
  assert json.loads(there.stdout) == here


@every
def test_a_workload_without_its_data_says_how_to_get_them(name):
  """Or, where data are generated, has them."""
  try:
    assert len(workloads.get(name).source('validation', None)) > 0
  except DataError as error:
    family = name.partition('/')[0]
    if family in data.NEEDS:
      assert f'data prepare --workload={family}' in str(error)
    else:
      assert f'{family}/mini' in str(error)


@every
def test_algoperf_joins_names_by_underscores(name):
  assert workloads.check(name.replace('/', '_')) == name


def test_an_unknown_quirk_is_explained():
  with pytest.raises(ValueError, match="digits has no quirk 'odd'"):
    workloads.get('digits', ['odd'])


@every
def test_every_quirk_can_be_asked_for(name):
  plain = workloads.get(name)
  for quirk, meaning in plain.QUIRKS.items():
    assert workloads.get(name, [quirk]).quirks == (quirk,)
    assert meaning.endswith('.')


def test_every_workload_is_one():
  assert all(isinstance(workloads.get(n), Workload) for n in workloads.names())
