"""What an AlgoPerf submission imports, made in the process that runs it.

`algoperf` and its older name `algorithmic_efficiency`, where they cannot be
imported: one that is installed is left alone and used. Names that JAX has
removed since are put back. Nothing of this is seen outside the process.
"""

import importlib
import importlib.machinery
import pathlib
import sys
import types
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pjit
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from submissions.algoperf import package, spec

PACKAGES = ('algoperf', 'algorithmic_efficiency')
OWN = package.OWN


def _sharding(*axes: str) -> NamedSharding:
  return NamedSharding(Mesh(jax.devices(), ('batch',)), PartitionSpec(*axes))


def get_replicate_sharding() -> NamedSharding:
  """A copy of every array on every device."""
  return _sharding()


def get_batch_dim_sharding() -> NamedSharding:
  """The first axis spread over the devices."""
  return _sharding('batch')


def replicate(tree):
  return jax.device_put(tree, get_replicate_sharding())


def shard_along_batch_dim(tree):
  return jax.device_put(tree, get_batch_dim_sharding())


# By module: what it offers.
OFFERED: dict[str, dict[str, Any]] = {
  'spec': {
    name: value for name, value in vars(spec).items() if name[0].isupper()
  },
  'jax_sharding_utils': {
    function.__name__: function
    for function in (
      get_replicate_sharding,
      get_batch_dim_sharding,
      replicate,
      shard_along_batch_dim,
    )
  },
  'random_utils': {
    'PRNGKey': jax.random.PRNGKey,
    'fold_in': jax.random.fold_in,
    'split': jax.random.split,
  },
}


def _clip(arr=None, /, min=None, max=None, *, a=None, a_min=None, a_max=None):
  """numpy.clip with the names that its arguments once had."""
  low = a_min if min is None else min
  high = a_max if max is None else max
  return _CLIP(a if arr is None else arr, low, high)


_CLIP = jnp.clip
DRIFT: dict[str, Any] = {  # By full name: what JAX had there.
  'jax.tree_map': jax.tree.map,
  'jax.numpy.clip': _clip,
  'jax.experimental.pjit.with_sharding_constraint': (
    jax.lax.with_sharding_constraint
  ),
}


def load(path: pathlib.Path) -> tuple[types.ModuleType, Any]:
  """Runs a submission; also gives the `spec` that it sees.

  Raises:
    Exception: whatever importing it raises.
  """
  jax.tree_map = DRIFT['jax.tree_map']  # pyrefly: ignore
  jnp.clip = _clip
  pjit.with_sharding_constraint = DRIFT[  # pyrefly: ignore
    'jax.experimental.pjit.with_sharding_constraint'
  ]
  for name in PACKAGES:
    if not _installed(name):
      _offer(name)
  module = package.run(path)
  seen = [
    sys.modules[f'{name}.spec']
    for name in PACKAGES
    if f'{name}.spec' in sys.modules
  ]
  # Of two, that which is not ours: enumerations compare by identity.
  foreign = [s for s in seen if s.LossType is not spec.LossType]
  return module, (foreign or seen or [spec])[0]


def _installed(package: str) -> bool:
  """Whether it can be imported; a checkout that lacks something cannot."""
  try:
    importlib.import_module(f'{package}.spec')
  except ImportError:
    for name in [n for n in sys.modules if n.partition('.')[0] == package]:
      del sys.modules[name]
    return False
  return True


def _offer(package: str) -> None:
  parent = _module(package)
  parent.__path__ = []
  for name, members in OFFERED.items():
    module = _module(f'{package}.{name}')
    vars(module).update(members)
    setattr(parent, name, module)


def _module(name: str) -> types.ModuleType:
  module = types.ModuleType(name)
  module.__spec__ = importlib.machinery.ModuleSpec(name, None)
  sys.modules[name] = module
  return module
