"""The second dropout rate that AlgoPerf had up to v0.6: its places, its rates.

Places of v0.5.0 and of later versions, from mlcommons/algorithmic-efficiency.
"""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from flax import linen as nn

import workloads
from submissions.algoperf import loop, missing, spec
from submissions.submission import Task
from tests.support.tiny import tiny
from tests.support.written import (
  IDLE,
  KEY,
  V05,
  V06,
  WORDS,
  goal,
  seen,
  write,
)

QUIRK = ('aux_dropout',)
SPEECH = ['librispeech_conformer', 'librispeech_deepspeech']
WITH_PLACES = ['wmt', *SPEECH]
PARTS = ('FeedForward', 'Attention', 'Convolution', 'BidirectionalLSTM')
RATE, NAMED, UNNAMED = 0.3, 0.2, 0.1

# By how the second rate is asked for: quirks and a named rate.
LATER, V05_WITHOUT, V05_NAMED, NAMED_ALONE = (
  ((), None),
  (QUIRK, None),
  (QUIRK, NAMED),
  ((), NAMED),
)


def _asked(name, quirks, named):
  fields = {'layers': 1} if name == 'wmt' else {}
  workload = dataclasses.replace(tiny(name), quirks=quirks, **fields)
  return workload if named is None else workload.with_aux_dropout(named)


@functools.cache
def _arguments(name):
  workload = _asked(name, *LATER)
  return jax.jit(workload.init)(KEY), workload.fake_batch(KEY, 2)


def _places(workload, model, batch, rate=RATE):
  """Dropout that acts in training, in order: path and rate.

  Between them the parts of the models that begin. The model is made outside, as
  `init` has a rate of zero, and is traced only where nobody has done so.
  """
  found, within = [], []

  def watch(call, arguments, options, context):
    module = context.module
    if type(module).__name__ in PARTS and context.method_name == '__call__':
      found.append(type(module).__name__)
    if not isinstance(module, nn.Dropout) or within:
      return call(*arguments, **options)  # A layer may call the one it extends.
    within.append(module)
    if not module.deterministic and module.rate != 0:
      found.append(('/'.join(module.path), module.rate))
    result = call(*arguments, **options)
    within.pop()
    return result

  def forward(model, key):
    return workload.forward(model, batch, key, rate)[0]

  with nn.intercept_methods(watch):
    jax.eval_shape(forward, model, KEY)
  return found


EVERYWHERE = [
  *('decoder_0/joints_0/drop', 'decoder_0/joints_1/drop'),
  *('decoder_0/joints_2/drop', 'decoder_0/mlp/Dropout_0', 'drop', 'drop'),
  *('encoder_0/joints_0/drop', 'encoder_0/joints_1/drop'),
  'encoder_0/mlp/Dropout_0',
]
PROBABILITIES = [
  'decoder_0/cross/drop',
  'decoder_0/own/drop',
  'encoder_0/own/drop',
]


@pytest.mark.parametrize(
  ('asked', 'second'),
  [
    (LATER, None),
    (V05_WITHOUT, UNNAMED),
    (V05_NAMED, NAMED),
    (NAMED_ALONE, NAMED),
  ],
)
def test_attention_probabilities_of_translation_have_a_rate(asked, second):
  """v0.5: encoder, decoder and from one to the other. Later: nowhere."""
  workload = _asked('wmt', *asked)
  found = [
    place
    for place in _places(workload, *_arguments('wmt'))
    if not isinstance(place, str)
  ]
  expected = [(place, RATE) for place in EVERYWHERE]
  if second is not None:
    expected += [(place, second) for place in PROBABILITIES]
  assert sorted(found) == sorted(expected)


def _rates(places):
  return [place if isinstance(place, str) else place[1] for place in places]


@pytest.mark.parametrize(
  ('asked', 'first', 'inner'),
  [
    (LATER, RATE, [RATE]),
    (V05_WITHOUT, UNNAMED, []),
    (V05_NAMED, NAMED, []),
    (NAMED_ALONE, NAMED, [RATE]),
  ],
)
def test_places_of_the_conformer(asked, first, inner):
  """v0.5: not within feed-forward layers nor after the convolution."""
  workload = _asked('librispeech_conformer', *asked)
  found = _rates(_places(workload, *_arguments('librispeech_conformer')))
  feed_forward = ['FeedForward', *inner, RATE]
  assert found == [
    first,
    *feed_forward,
    *('Attention', RATE),
    *('Convolution', *inner),
    *feed_forward,
  ]


@pytest.mark.parametrize(
  ('asked', 'first'),
  [
    (LATER, RATE),
    (V05_WITHOUT, UNNAMED),
    (V05_NAMED, NAMED),
    (NAMED_ALONE, NAMED),
  ],
)
def test_places_of_deepspeech(asked, first):
  workload = _asked('librispeech_deepspeech', *asked)
  found = _rates(_places(workload, *_arguments('librispeech_deepspeech')))
  layers = ['BidirectionalLSTM'] * workload.recurrent
  assert found == [first, *layers, *[RATE] * workload.feed_forward]


@pytest.mark.parametrize('name', WITH_PLACES)
@pytest.mark.parametrize('rate', [0.0, RATE])
def test_nobody_asked_for_is_a_tenth_whatever_the_first_rate_is(name, rate):
  """Also without any dropout, as the published baseline's points have it."""
  workload = _asked(name, *V05_WITHOUT)
  places = _rates(_places(workload, *_arguments(name), rate))
  assert UNNAMED in places
  assert (RATE in places) is (rate == RATE)
  silent = workload.with_aux_dropout(0.0)
  assert UNNAMED not in _rates(_places(silent, *_arguments(name), rate))


@pytest.mark.parametrize('name', WITH_PLACES)
def test_evaluation_drops_nothing(name):
  model, batch = _arguments(name)
  plain, odd = (
    jax.jit(_asked(name, *asked).predict)(model, batch)
    for asked in (LATER, V05_NAMED)
  )
  jax.tree.map(np.testing.assert_array_equal, plain, odd)


@pytest.mark.parametrize('name', WITH_PLACES)
def test_the_first_rate_may_be_traced_beside_the_second(name):
  model, batch = _arguments(name)
  forward = _asked(name, *V05_NAMED).forward

  def outputs(model, rate):
    return forward(model, batch, KEY, rate)[0]

  traced = jax.jit(outputs)(model, RATE)
  fixed = jax.jit(outputs, static_argnums=1)(model, RATE)
  # Rounding of one division.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
    traced,
    fixed,
  )


@pytest.mark.parametrize('name', workloads.names())
def test_other_workloads_have_no_second_rate(name):
  workload = workloads.get(name)
  same = workload.with_aux_dropout(0.5) == workload
  assert same is (name.partition('/')[0] not in WITH_PLACES)


@pytest.mark.parametrize('name', WITH_PLACES)
def test_a_model_that_is_made_again_has_the_rate_it_is_made_with(name):
  """init_model_fn(rng, dropout_rate, aux_dropout_rate), as up to v0.6."""
  shown, model = seen(name, generation='v0.5')
  batch = shown.batch(_arguments(name)[1])

  def outputs(words):
    return shown.model_fn(
      model.params,
      batch,
      model.state or None,
      spec.ForwardPassMode.TRAIN,
      words,
      update_batch_norm=True,
      dropout_rate=0.0,
    )[0]

  def run():  # Traced anew.
    return jax.tree.leaves(jax.jit(functools.partial(outputs))(WORDS))[0]

  plain = run()
  shown.init_model_fn(WORDS)
  assert np.array_equal(plain, run())
  shown.init_model_fn(WORDS, None, 0.5)
  assert not np.allclose(plain, run())


@pytest.mark.usefixtures('alone')
@pytest.mark.parametrize('folder', [V05, V06])
def test_submissions_to_algoperf_get_the_rate_that_they_name(folder):
  """AlgoPerf's runner read that hyperparameter up to v0.6."""
  task = Task(tiny('wmt'), 40, 8, 100)
  for rate in (None, 0.25):
    point = {} if rate is None else {'aux_dropout_rate': rate}
    driver = loop._driver(folder, task, point, goal('wmt'))
    assert driver.workload._ours.aux_dropout == rate


def test_naming_it_is_no_fault(tmp_path):
  space = {'aux_dropout_rate': {'feasible_points': [0.1]}}
  assert not missing.find(write(tmp_path / 'one', IDLE, space))
