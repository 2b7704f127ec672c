"""Several devices train as one does, and may share an optimizer's state.

XLA makes eight devices of a CPU in a process of their own; one is here. Batch
norm is over the whole batch, dropout has the same keys, evaluation is padded to
what divides; sums are taken in another order, and nothing else differs. What
every workload gives is in docs/benchmarks/devices.md.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from runner.trial import checkpoint
from runner.trial.state_tree import Flattener
from tests.conftest import QUICK
from tests.support import several
from tests.support.several import Case

MANY = 8
TOLERANCE = 1e-5  # Of float32; measured: 4e-7.
CASES = [
  Case('cifar/mini', 'nadamw', shard=True),  # Has batch norm.
  Case('digits', 'muon', stack=2),  # Has dropout.
]
FED = [case._replace(ahead=True) for case in CASES]
together = pytest.mark.xdist_group('devices')


@pytest.fixture(scope='module')
def many(tmp_path_factory):
  """A folder of checkpoints, and figures by case."""
  folder = tmp_path_factory.mktemp('several')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('XLA_FLAGS', QUICK)  # As programs here.
    return folder, several.on(MANY, CASES + FED, folder)


@together
@pytest.mark.parametrize('case', CASES, ids=str)
def test_eight_devices_train_as_one_does(many, case):
  folder, found = many
  one = several.figures(case)
  assert several.difference(one, found[case]) < TOLERANCE
  losses = several.resumed(case, folder / several.name(case))
  assert losses == pytest.approx(one['losses'][several.SAVED :], rel=TOLERANCE)


@together
@pytest.mark.parametrize('case', FED, ids=str)
def test_fed_ahead_steps_copy_nothing_and_are_the_same(many, case):
  """Steps run under jax.transfer_guard('disallow'), see several._states."""
  _, found = many
  assert found[case] == found[case._replace(ahead=False)]


def test_fed_as_on_a_cpu_a_step_copies_its_batch():
  """The guard above would notice: on one CPU device, batches are numpy's."""
  _, start = several._begun(CASES[1])
  batch = next(start.batches(4))
  total = jax.jit(lambda batch: batch['inputs'].sum())
  total(batch)
  with (
    jax.transfer_guard('disallow'),
    pytest.raises(Exception, match='Disallowed host-to-device transfer'),
  ):
    total(batch)


@together
def test_sharded_each_device_has_its_part_of_the_optimizers_state(many):
  """NAdamW's moments are twice the parameters, which stay whole everywhere."""
  _, found = many
  cifar, digits = CASES
  everything = found[cifar]['all_bytes']
  params, moments = everything / 3, everything * 2 / 3
  assert found[cifar]['bytes'] < params + moments / 5  # Some do not divide.
  assert found[digits]['bytes'] == found[digits]['all_bytes']


def test_what_lies_where_it_likes_is_restored_to_where_it_likes():
  """Put on one device, it would not go together with what lies on several."""
  free = jnp.zeros(3)
  fixed = jax.device_put(jnp.zeros(3), jax.devices()[0])
  state = {'free': free, 'fixed': fixed}
  again = checkpoint.restore(
    state, checkpoint.snapshot(Flattener()(state).leaves)
  )
  assert not again['free'].committed and again['fixed'].committed
  np.testing.assert_array_equal(again['free'], free)
