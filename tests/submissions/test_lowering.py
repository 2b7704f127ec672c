"""Trainings lower for GPUs and TPUs, which these tests never have.

All workloads and submissions: python -m tests.benchmarks.lowering.
"""

import jax
import pytest

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
  assert lowering.failures(name, tiny('digits'), SIZE) == FINE


def test_what_does_not_lower_is_told(monkeypatch):
  """A program that only a CPU knows fails for both, with its reason."""

  def rule(*_, **__):
    raise NotImplementedError('only here')

  primitive = jax.extend.core.Primitive('only_on_a_cpu')
  primitive.def_abstract_eval(lambda x: x)
  jax.interpreters.mlir.register_lowering(primitive, rule)
  workload = tiny('mnist/mini')
  monkeypatch.setattr(
    type(workload),
    'predict',
    lambda self, model, batch: primitive.bind(batch['inputs']).sum(1)[:, 0],
  )
  found = lowering.failures('nadamw', workload, SIZE)
  assert found.keys() == FINE.keys()
  assert all('only here' in why for why in found.values())


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
