"""Modules that AlgoPerf submissions import, made in the running process.

Provides `algoperf` and its older name `algorithmic_efficiency`, unless they are
installed. Also restores names that JAX has removed since. Nothing changes
outside the process.
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
  """Return the sharding that copies every array to every device."""
  return _sharding()


def get_batch_dim_sharding() -> NamedSharding:
  """Return the sharding that splits the first axis over the devices."""
  return _sharding('batch')


def replicate(tree):
  """Copy all arrays to every device."""
  return jax.device_put(tree, get_replicate_sharding())


def shard_along_batch_dim(tree):
  """Split the first axis of all arrays over the devices."""
  return jax.device_put(tree, get_batch_dim_sharding())


# Members of each provided module, by module name.
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
  """Call jnp.clip, accepting the former names of its arguments."""
  low = a_min if min is None else min
  high = a_max if max is None else max
  return _CLIP(a if arr is None else arr, low, high)


_CLIP = jnp.clip
DRIFT: dict[str, Any] = {  # Names that JAX has removed, by full name.
  'jax.tree_map': jax.tree.map,
  'jax.numpy.clip': _clip,
  'jax.experimental.pjit.with_sharding_constraint': (
    jax.lax.with_sharding_constraint
  ),
}


def load(path: pathlib.Path) -> tuple[types.ModuleType, Any]:
  """Run a submission's main file; return its module and its `spec` module.

  Raises:
    Exception: any error of the submission's own code.
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
  # If there are two, prefer the foreign `spec`, because the submission compares
  # its enumerations by identity.
  foreign = [s for s in seen if s.LossType is not spec.LossType]
  return module, (foreign or seen or [spec])[0]


def _installed(package: str) -> bool:
  """Return whether a package's `spec` imports, with all its dependencies."""
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
