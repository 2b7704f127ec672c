import jax
import numpy as np
import pytest

import workloads
from runner.guard.company import Company
from runner.trial import compile_time, evaluate
from runner.trial.clock import Clock


@pytest.mark.parametrize('seed', [0, 7, 2**31 - 1])
def test_the_first_model_is_that_of_separate_programs(seed):
  workload = workloads.get('digits')
  init, key = jax.random.split(jax.random.key(seed))
  model = jax.jit(workload.init)(init)
  found, train = evaluate.fresh(workload, seed)
  assert jax.tree.structure(found) == jax.tree.structure(model)
  for one, other in zip(
    jax.tree.leaves(found), jax.tree.leaves(model), strict=True
  ):
    np.testing.assert_array_equal(one, other, strict=True)
  np.testing.assert_array_equal(*map(jax.random.key_data, (train, key)))


def test_the_first_model_is_one_program():
  workload = workloads.get('mnist/mini')
  clock = Clock()
  noticed = compile_time.noticed(clock, Company())
  with noticed as compiled, clock.account('train'):
    evaluate.fresh(workload, 0)
  assert compiled.programs == 1


def test_padding_compiles_nothing():
  workload = workloads.get('ogbg/mini')
  batch = workload.source('test', None)[np.arange(32)]
  clock = Clock()
  noticed = compile_time.noticed(clock, Company())
  with noticed as compiled, clock.account('train'):
    assert 0 < workload.padding(batch) < 1
  assert not compiled.programs
