"""Every published variant has AlgoPerf's parameters and initial values.

The record of AlgoPerf's own models (../shared/data/param_shapes) names layers
as flax numbers them there; ours have names of their own. So parameters are
matched by shape, and within a shape by their extremes. Skipped where
the record is missing.
"""

import collections
import dataclasses
import functools
import json
import pathlib

import jax
import numpy as np
import pytest

import workloads

RECORDS = pathlib.Path(__file__).parents[3] / 'shared/data/param_shapes'
PARAMETERS = {  # AlgoPerf's, counted from its models.
  'cifar': 11_173_962,
  'criteo1tb': 539_267_457,
  'criteo1tb/embed_init': 539_267_457,
  'criteo1tb/layernorm': 539_275_137,
  'criteo1tb/resnet': 538_121_473,
  'criteo1tb/test': 10_785_153,
  'fastmri': 7_756_097,
  'fastmri/layernorm': 7_761_985,
  'fastmri/model_size': 7_692_929,
  'fastmri/tanh': 7_756_097,
  'finewebedu_lm': 252_815_372,
  'imagenet_resnet': 25_557_032,
  'imagenet_resnet/gelu': 25_557_032,
  'imagenet_resnet/large_bn_init': 25_557_032,
  'imagenet_resnet/silu': 25_557_032,
  'imagenet_vit': 22_122_472,
  'imagenet_vit/glu': 50_452_456,
  'imagenet_vit/map': 23_896_552,
  'imagenet_vit/post_ln': 22_121_704,
  'librispeech_conformer': 32_321_792,
  'librispeech_conformer/attention_temperature': 32_321_792,
  'librispeech_conformer/gelu': 32_321_792,
  'librispeech_conformer/layernorm': 32_317_696,
  'librispeech_deepspeech': 18_381_312,
  'librispeech_deepspeech/no_resnet': 18_381_312,
  'librispeech_deepspeech/norm_and_spec_aug': 18_380_288,
  'librispeech_deepspeech/tanh': 18_381_312,
  'mnist': 101_770,
  'ogbg': 3_554_176,
  'ogbg/gelu': 3_554_176,
  'ogbg/model_size': 2_571_648,
  'ogbg/silu': 3_554_176,
  'wmt': 133_521_408,
  'wmt/attention_temp': 133_521_408,
  'wmt/glu_tanh': 146_116_608,
  'wmt/post_ln': 133_517_312,
}
RECORDED = [name for name in PARAMETERS if name != 'finewebedu_lm']
QUICK = [n for n in RECORDED if 'criteo1tb' in n or PARAMETERS[n] < 12_000_000]
published = pytest.mark.parametrize('name', RECORDED)
# XLA compiles this generator much faster than the usual one; both draw from
# the same distributions.
OPTIMIZED = {  # Unlike other tests', as this one draws 100 million numbers.
  'xla_backend_optimization_level': 3,
  'xla_llvm_disable_expensive_passes': False,
}
INITIAL = {}  # Statistics by program.
KEY = jax.random.key(0, impl='unsafe_rbg')


def _record(name: str) -> dict:
  path = RECORDS / f'{name.replace("/", "_")}.json'
  if not RECORDS.exists():
    pytest.skip(f'{RECORDS} is not here.')
  return json.loads(path.read_text())


def _shapes(rows) -> list[tuple[int, ...]]:
  return sorted(tuple(row['shape']) for row in rows)


def test_every_published_size_is_counted():
  names = {n for n in workloads.names() if 'mini' not in n}
  assert names - {'digits', 'digits/silu'} == PARAMETERS.keys()


@pytest.mark.parametrize('name', PARAMETERS)
def test_a_model_has_as_many_parameters_as_published(name):
  model = jax.eval_shape(workloads.get(name).init, KEY)
  sizes = [leaf.size for leaf in jax.tree.leaves(model.params)]
  assert sum(sizes) == PARAMETERS[name]


@published
def test_parameters_and_state_have_the_published_shapes(name):
  record = _record(name)
  model = jax.eval_shape(workloads.get(name).init, KEY)
  params = [leaf.shape for leaf in jax.tree.leaves(model.params)]
  state = [leaf.shape for leaf in jax.tree.leaves(model.state)]
  assert sorted(params) == _shapes(record['params'])
  if name == 'cifar':  # AlgoPerf's is a copy of the parameters, by mistake.
    assert sum(map(np.prod, state)) == 9_600
  else:
    assert sorted(state) == _shapes(record.get('model_state') or [])


@pytest.mark.parametrize('name', QUICK)
def test_initial_values_are_distributed_as_published(name):
  """The large ones take minutes: tests/benchmarks/initial_values.py."""
  check_initial_values(name)


def check_initial_values(name):
  record, workload = _record(name), workloads.get(name)
  rows = record['params']
  if name.startswith('criteo1tb'):  # Rows of its large table are alike.
    for row in rows:
      if row['shape'] == [workload.vocab, workload.embed_dim]:
        row['shape'] = [2048, workload.embed_dim]
    workload = dataclasses.replace(workload, vocab=2048)
  expected, found = (collections.defaultdict(list) for _ in range(2))
  for row in rows:
    if row['mean'] is not None:  # Too large to have been recorded.
      expected[tuple(row['shape'])].append(
        (row['absmax'], row['mean'], row['std'])
      )
  for shape, statistics in _initial(workload):
    found[shape].append(statistics)
  compared = 0
  for shape, several in expected.items():
    assert len(found[shape]) == len(several)
    for one, other in zip(sorted(several), sorted(found[shape]), strict=True):
      _same_distribution(np.prod(shape), one, other)
      compared += 1
  assert compared > len(rows) - 2


def _initial(workload):
  """Shape, (extreme, mean, standard deviation) of all initial parameters.

  Variants that differ elsewhere share the work: their program is the same.
  """
  program = str(jax.make_jaxpr(workload.init)(KEY))
  if program not in INITIAL:
    init = jax.jit(workload.init, compiler_options=OPTIMIZED)
    INITIAL[program] = [
      (leaf.shape, (abs(leaf).max(), leaf.mean(), leaf.std()))
      for leaf in map(
        functools.partial(np.asarray, dtype=np.float64),
        jax.tree.leaves(init(KEY).params),
      )
    ]
  return INITIAL[program]


def _same_distribution(size, one, other):
  """Both are samples of that size: (extreme, mean, standard deviation)."""
  (extreme, mean, std), (our_extreme, our_mean, our_std) = one, other
  if size == 1:
    return  # A single random number tells nothing.
  # Five standard errors of a difference of two, which for the deviation are
  # at most those of a normal's: std / sqrt(2 size) each.
  error = 5 * std * (2 / size) ** 0.5 + 1e-12
  np.testing.assert_allclose(our_mean, mean, atol=error)
  np.testing.assert_allclose(our_std, std, atol=error)
  # Extremes of the same number of normal values vary by less than a half.
  np.testing.assert_allclose(our_extreme, extreme, rtol=0.5, atol=1e-12)


@published
def test_state_starts_at_zero_mean_and_unit_variance(name):
  record, workload = _record(name), workloads.get(name)
  if not record.get('model_state'):
    pytest.skip('It has no state.')
  state = jax.jit(lambda key: workload.init(key).state)(KEY)
  for path, leaf in jax.tree_util.tree_leaves_with_path(state):
    assert (leaf == (path[-1].key == 'var')).all()
