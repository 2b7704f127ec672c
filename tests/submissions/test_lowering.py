"""Trainings lower for GPUs and TPUs, which these tests never have.

All workloads and submissions: python -m tests.benchmarks.lowering.
"""

import jax
import pytest
from jax.extend.core import Primitive
from jax.interpreters import mlir

from tests.support import lowering
from tests.support.tiny import tiny

SIZE = 8
FIELDS = (
  'criteo1tb/mini',
  'fastmri/mini',
  'imagenet_vit/mini',
  'librispeech_deepspeech/mini',
  'ogbg/mini',
  'wmt/mini',
)
# Eight-bit state has a kernel for GPUs, shampoo decomposes matrices.
KINDS = ('adamw_8bit', 'muon', 'shampoo')
FINE = dict.fromkeys(lowering.PLATFORMS, '')


@pytest.mark.parametrize('name', FIELDS)
def test_a_workload_of_every_field_lowers(name):
  assert lowering.failures('nadamw', tiny(name), SIZE) == FINE


@pytest.mark.parametrize('name', KINDS)
def test_submissions_of_all_kinds_lower(name):
  assert lowering.failures(name, tiny('digits'), SIZE, whole=False) == FINE


def test_what_does_not_lower_is_told(monkeypatch):
  """A program that only a CPU knows fails for both, with its reason."""

  primitive = Primitive('only_on_a_cpu')
  primitive.def_abstract_eval(lambda x: x)
  mlir.register_lowering(primitive, lambda _, x: [x], platform='cpu')
  workload = tiny('mnist/mini')
  predict = type(workload).predict

  def odd(self, model, batch):
    ones = primitive.bind(batch['weights'])[:, None]
    return predict(self, model, batch) * ones

  monkeypatch.setattr(type(workload), 'predict', odd)
  found = lowering.failures('nadamw', workload, SIZE)
  assert found.keys() == FINE.keys()
  assert all('only_on_a_cpu' in why for why in found.values())


def test_a_steps_memory_is_planned_and_donated_state_counts_once():
  workload = tiny('mnist/mini')
  found = lowering.step_bytes('nadamw', workload, SIZE)
  params = sum(
    4 * x.size
    for x in jax.tree.leaves(jax.eval_shape(workload.init, jax.random.key(0)))
  )
  images = 4 * SIZE * 28 * 28
  assert found['arguments'] == pytest.approx(3 * params + images, rel=0.05)
  assert found['all'] < found['arguments'] + found['temporary'] + params / 2
