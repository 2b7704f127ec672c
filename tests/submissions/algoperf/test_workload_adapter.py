"""A workload as submissions written for AlgoPerf see it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from submissions.algoperf import spec
from tests.support.tiny import tiny
from tests.support.written import KEY, WORDS, seen
from workloads.workload import Model, mean_loss

BASES = [name for name in workloads.names() if '/' not in name]


@pytest.mark.parametrize('name', BASES)
def test_its_loss_is_the_mean_loss_of_the_workload(name):
  """Through batches whose labels are all called targets.

  Every argument that is not a flag may be traced, as in AlgoPerf's own models:
  submissions pass rates and keys to their compiled step.
  """
  shown, model = seen(name)
  ours = tiny(name).fake_batch(jax.random.key(1), 4)
  params, state = shown.handed(model)

  def theirs(batch, mask, words, rate, smoothing):
    logits, new = shown.model_fn(
      params,
      batch,
      state,
      spec.ForwardPassMode.TRAIN,
      words,
      update_batch_norm=True,
      dropout_rate=rate,
    )
    loss = shown.loss_fn(
      label_batch=batch['targets'],
      logits_batch=logits,
      mask_batch=mask,
      label_smoothing=smoothing,
    )
    assert loss['per_example'].shape == (4,)
    return loss['summed'] / loss['n_valid_examples'], new

  @jax.jit  # Both at once: what they share is compiled once.
  def both(batch, mask, words, rate, smoothing):
    key = jax.random.wrap_key_data(WORDS)
    expected = mean_loss(
      tiny(name),
      params,
      model.state,
      batch | {'weights': mask},
      key,
      dropout=0.3,
      label_smoothing=0.1,
    )
    return theirs(shown.batch(batch), mask, words, rate, smoothing), expected

  mask = jnp.array([1.0, 0.0, 0.5, 1.0])
  (found, new), (expected, moved) = both(ours, mask, WORDS, 0.3, 0.1)
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  assert jax.tree.structure(new) == jax.tree.structure(state)
  assert (state is None) == (not jax.tree.leaves(moved))


@pytest.mark.parametrize('name', BASES)
def test_parameters_have_a_shape_a_type_and_one_output_layer(name):
  shown, model = seen(name)
  with pytest.raises(ValueError, match='before init_model_fn'):
    _ = shown.param_shapes
  with pytest.raises(ValueError, match='before init_model_fn'):
    _ = shown.model_params_types
  shown.handed(model)
  shapes = jax.tree.map(lambda s: s.shape_tuple, shown.param_shapes)
  assert shapes == jax.tree.map(jnp.shape, model.params)
  types = shown.model_params_types
  assert jax.tree.structure(types) == jax.tree.structure(model.params)
  assert all(
    isinstance(kind, spec.ParameterType) for kind in jax.tree.leaves(types)
  )
  outputs = [key for key in model.params if shown.is_output_params(key)]
  assert len(outputs) == 1


def test_types_follow_from_names():
  kinds = spec.ParameterType
  shown, model = seen('imagenet_vit')
  shown.handed(model)
  types = shown.model_params_types
  attention = types['Block_0']['MultiHeadDotProductAttention_0']
  assert attention['query']['kernel'] is kinds.ATTENTION_Q
  assert attention['out']['kernel'] is kinds.ATTENTION_OUT
  assert attention['value']['bias'] is kinds.ATTENTION_BIAS
  assert types['Block_0']['LayerNorm_0']['scale'] is kinds.LAYER_NORM_SCALE
  assert types['Conv_0']['kernel'] is kinds.CONV_WEIGHT
  assert types['head'] == {'kernel': kinds.WEIGHT, 'bias': kinds.BIAS}
  shown, model = seen('digits')
  shown.handed(model)
  assert shown.model_params_types['BatchNorm_0'] == {
    'scale': kinds.BATCH_NORM_SCALE,
    'bias': kinds.BATCH_NORM_BIAS,
  }
  shown, model = seen('finewebedu_lm')
  shown.handed(model)
  types = shown.model_params_types
  assert types['GatedMLP_0']['out']['kernel'] is kinds.WEIGHT
  assert types['embedding']['embedding'] is kinds.EMBEDDING


def test_batch_norm_takes_the_statistics_that_are_asked_for():
  shown, model = seen('digits')
  ours = tiny('digits')
  batch = ours.fake_batch(KEY, 8)
  moved = ours.forward(model, batch, KEY, 0.0)[1]
  model = Model(model.params, moved)
  evaluated = ours.predict(model, batch)
  trained = ours.forward(model, batch, KEY, 0.0)

  def run(mode, **options):
    return shown.model_fn(
      model.params, batch, moved, spec.ForwardPassMode[mode], WORDS, **options
    )

  def assert_same(found, logits, state):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
      found,
      (logits, state),
    )

  assert_same(run('TRAIN', update_batch_norm=True), *trained)
  assert_same(run('EVAL', update_batch_norm=True), *trained)
  assert_same(run('TRAIN', update_batch_norm=False), evaluated, moved)
  assert_same(run('EVAL', update_batch_norm=False), evaluated, moved)
  assert_same(
    run('TRAIN', update_batch_norm=True, use_running_average_bn=True),
    evaluated,
    moved,
  )
  with pytest.raises(ValueError, match='drop the new state'):
    run('TRAIN', update_batch_norm=False, use_running_average_bn=False)


def test_dropout_is_off_in_evaluation_and_has_published_defaults():
  shown, model = seen('wmt')
  batch = tiny('wmt').fake_batch(KEY, 2)

  def run(mode, words=WORDS, **options):
    return shown.model_fn(
      model.params,
      batch,
      None,
      spec.ForwardPassMode[mode],
      words,
      update_batch_norm=False,
      **options,
    )[0]

  other = jax.random.PRNGKey(1)
  assert not np.array_equal(run('TRAIN'), run('TRAIN', other))
  steady = run('TRAIN', dropout_rate=0.0)
  np.testing.assert_allclose(steady, run('EVAL'), atol=1e-4)
  assert np.array_equal(run('EVAL'), run('EVAL', other))
  shown.default_dropout(0.0)  # As v0.5 reads it from the hyperparameters.
  assert np.array_equal(run('TRAIN'), steady)


def test_what_a_race_is_for_is_told():
  shown, _ = seen('cifar')
  assert shown.target_metric_name == 'loss'
  assert (shown.validation_target_value, shown.test_target_value) == (0.5, 0.6)
  assert shown.has_reached_validation_target({'validation/loss': 0.5})
  assert not shown.has_reached_validation_target({'validation/loss': 0.51})
  assert not shown.has_reached_validation_target({})
  assert shown.has_reached_test_target({'test/loss': 0.6})
  assert shown.max_allowed_runtime_sec == 100.0
  assert shown.eval_period_time_sec == 10.0
  assert shown.step_hint == 40
  assert shown.eval_batch_size == 50
  examples = (
    shown.num_train_examples,
    shown.num_eval_train_examples,
    shown.num_validation_examples,
    shown.num_test_examples,
  )
  assert examples == (100, 20, 30, 40)
  assert shown.train_mean[0] == pytest.approx(125.307, abs=1e-3)
  assert len(shown.train_stddev) == 3
  assert shown.loss_type is spec.LossType.SOFTMAX_CROSS_ENTROPY
  probabilities = shown.output_activation_fn(jnp.zeros((2, 4)), 'jax')
  np.testing.assert_allclose(probabilities, 0.25)
  with pytest.raises(ValueError, match='pytorch'):
    shown.output_activation_fn(jnp.zeros(2), 'pytorch')
  assert shown.eval_model(8, {}, None, WORDS, None, None, 1) == {
    'train/loss': 1.0,
    'validation/loss': 1.0,
    'test/loss': 1.0,
  }
  shown.attach_metrics_logger('a logger')
  assert shown.metrics_logger == 'a logger'
  assert isinstance(hash(shown), int)
  shown, _ = seen('criteo1tb')
  with pytest.raises(NotImplementedError):
    _ = shown.train_mean


def test_a_model_can_be_made_again_and_v05_gets_a_copy_for_every_device():
  shown, model = seen('digits')
  params, state = shown.init_model_fn(WORDS)
  expected = jax.jit(tiny('digits').init)(jax.random.wrap_key_data(WORDS))
  jax.tree.map(np.testing.assert_array_equal, params, expected.params)
  jax.tree.map(np.testing.assert_array_equal, state, expected.state)
  old, _ = seen('digits', generation='v0.5')
  params, state = old.init_model_fn(WORDS)
  count = jax.local_device_count()
  assert jax.tree.map(jnp.shape, params) == jax.tree.map(
    lambda x: (count, *x.shape), model.params
  )


def test_a_mask_has_a_number_for_every_example():
  shown, _ = seen('wmt')
  batch = tiny('wmt').fake_batch(KEY, 2)
  logits = jnp.zeros((*batch['targets'].shape, tiny('wmt').vocab))
  for_tokens = batch['targets'] > 0
  with pytest.raises(ValueError, match='one number for every example'):
    shown.loss_fn(batch['targets'], logits, for_tokens)
  plain = shown.loss_fn(batch['targets'], logits)
  masked = shown.loss_fn(batch['targets'], logits, jnp.array([True, False]))
  assert masked['summed'] == plain['per_example'][0]


def test_a_key_is_needed_where_something_is_drawn():
  def run(name, mode):
    shown, model = seen(name)
    params, state = shown.handed(model)
    batch, mode = tiny(name).fake_batch(KEY, 2), spec.ForwardPassMode[mode]
    return shown.model_fn(params, batch, state, mode, None, True)[0]

  assert run('mnist', 'TRAIN').shape == (2, 10)
  assert run('digits', 'EVAL').shape == (2, 10)
  with pytest.raises(ValueError, match='digits draws in training'):
    run('digits', 'TRAIN')


def test_a_model_may_be_made_with_rates():
  """Up to v0.6 so; later a rate is an argument of every call."""
  shown, model = seen('digits')
  batch = tiny('digits').fake_batch(KEY, 4)
  mode = spec.ForwardPassMode.TRAIN

  def outputs(**options):
    state = model.state
    return shown.model_fn(
      model.params, batch, state, mode, WORDS, True, **options
    )[0]

  wanted = outputs(dropout_rate=0.5)
  assert not np.array_equal(outputs(), wanted)
  shown.init_model_fn(WORDS, dropout_rate=0.5, aux_dropout_rate=None)
  np.testing.assert_array_equal(outputs(), wanted)
