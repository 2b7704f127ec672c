"""The full names that a submission may use.

A name that leads through another module's imports counts as what it leads to:
`optax.contrib.jnp.load` is `jax.numpy.load`. Only libraries and modules of
TimeTrial are imported for that, never a submission.
"""

import builtins
import functools
import importlib
import sys
import types
import warnings
from typing import NamedTuple

from runner.lint.meanings import (
  BUILTIN_MEANINGS,
  CALLBACK,
  DATA,
  DENIED,
  FILES,
  LOOK,
  MEANINGS,
  NO_ERRORS,
  OTHER,
  PYTREES,
)

PLAIN = (  # Modules of which all may be used that is not in DENIED.
  '__future__', 'chex', 'collections', 'collections.abc', 'dataclasses',
  'functools', 'itertools', 'math', 'optax', 'typing',
)  # fmt: skip
# Modules of which only these parts may be used; their functions may be.
PARTS = {
  'jax': (
    'ad_checkpoint', 'core', 'custom_batching', 'custom_derivatives', 'debug',
    'dtypes', 'errors', 'experimental', 'flatten_util', 'image', 'lax', 'nn',
    'numpy', 'ops', 'random', 'ref', 'scipy', 'sharding', 'stages', 'tree',
    'tree_map', 'tree_util', 'typing',
  ),
  'jax.experimental': (
    'checkify', 'jet', 'layout', 'maps', 'mesh_utils', 'ode', 'pallas', 'pjit',
    'rnn', 'shard', 'shard_map', 'sparse',
  ),
  'jax.debug': ('print',),
  'numpy': (
    'dtypes', 'emath', 'exceptions', 'fft', 'lib', 'linalg', 'ma', 'polynomial',
    'random', 'strings', 'typing',
  ),
  'numpy.lib': ('stride_tricks', 'scimath', 'array_utils'),
  'flax': (
    'core', 'errors', 'jax_utils', 'linen', 'nnx', 'serialization', 'struct',
    'training', 'traverse_util', 'typing',
  ),
  'flax.training': (
    'common_utils', 'dynamic_scale', 'lr_schedule', 'train_state',
  ),
  'scipy': (
    'constants', 'fft', 'integrate', 'interpolate', 'linalg', 'ndimage',
    'optimize', 'signal', 'sparse', 'spatial', 'special', 'stats',
  ),
  'submissions': (
    'algorithms', 'averaging', 'blocks', 'eight_bit', 'extra_args',
    'learning_rate_free', 'norm', 'phases', 'quantization', 'rate_search',
    'row_kernels', 'schedules', 'submission', 'transforms', 'trust_ratio',
    'writer',
  ),
  'workloads': ('workload',),
  'workloads.workload': (
    'Array', 'Batch', 'Key', 'Model', 'PyTree', 'Workload', 'mean_loss',
  ),
}  # fmt: skip
CLOSED = ('jax.debug', 'workloads', 'workloads.workload', 'submissions')
ALGOPERF = ('algoperf', 'algorithmic_efficiency')  # Provided by import_shims.
LOGGING = ('absl.logging',)  # For submissions written for AlgoPerf, too.
FILE_FUNCTIONS = (  # Of numpy, jax.numpy and scipy.
  'DataSource', 'fromfile', 'fromregex', 'genfromtxt', 'load', 'load_npz',
  'loadtxt', 'memmap', 'open_memmap', 'save', 'save_npz', 'savetxt', 'savez',
  'savez_compressed',
)  # fmt: skip
BUILTINS = (  # What Python offers without an import, errors aside.
  'Ellipsis', 'False', 'None', 'NotImplemented', 'True', '__debug__',
  '__name__', 'abs', 'all', 'any', 'ascii', 'bin', 'bool', 'callable',
  'classmethod', 'complex', 'dict', 'divmod', 'enumerate', 'filter', 'float',
  'format', 'frozenset', 'getattr', 'hasattr', 'hash', 'hex', 'id', 'int',
  'isinstance', 'issubclass', 'iter', 'len', 'list', 'map', 'max', 'min',
  'next', 'object', 'oct', 'pow', 'print', 'property', 'range', 'repr',
  'reversed', 'round', 'set', 'slice', 'sorted', 'staticmethod', 'str', 'sum',
  'super', 'tuple', 'type', 'zip',
)  # fmt: skip
# Underscored names that are public: the API of named tuples, and few others.
PUBLIC = (
  '_asdict', '_field_defaults', '_fields', '_make', '_replace', '__name__',
  '__version__',
)  # fmt: skip
# Modules of Python in which harmless functions of libraries are defined.
HARMLESS = (
  'abc', 'builtins', 'collections', 'contextlib', 'copy', 'dataclasses', 'enum',
  'functools', 'itertools', 'math', 'numbers', 'operator', 're', 'types',
  'typing', '_collections', '_functools', '_operator', '_abc', 'warnings',
)  # fmt: skip


class Found(NamedTuple):
  """The object that a full name leads to."""

  name: str  # The full name, through the module that it leads to.
  value: object  # None if there is no such name.
  is_module: bool


def allowed_import(full: str, algoperf: bool) -> bool:
  """Return whether a module may be imported, all its parts aside."""
  known = (*PLAIN, *PARTS, *((*ALGOPERF, *LOGGING) if algoperf else ()))
  return any(full == one or full.startswith(f'{one}.') for one in known)


def fault(full: str, algoperf: bool) -> str:
  """Return what the use of a full name may mean; '' if it is allowed."""
  first = full.partition('.')[0]
  if not allowed_import(full, algoperf):
    return MEANINGS.get(first, OTHER)
  if any(is_underscored(part) for part in full.split('.')[1:]):
    return LOOK
  if first in (*ALGOPERF, '__future__'):
    known = {*sys.stdlib_module_names, *PARTS, *PLAIN, 'np', 'jnp'}
    return OTHER if known.intersection(full.split('.')[1:]) else ''
  found = canonical(full)
  if not allowed_import(found.name, algoperf):
    return MEANINGS.get(found.name.partition('.')[0], OTHER)
  return _denied(found.name) or _outside(found) or _elsewhere(found.value)


def is_underscored(name: str) -> bool:
  """Return whether an attribute is private and no public API."""
  return name.startswith('_') and name not in PUBLIC


def is_module(full: str) -> bool:
  """Return whether a full name is a module that may be imported."""
  first = full.partition('.')[0]
  if first in ALGOPERF or not allowed_import(full, True):
    return False
  return canonical(full).is_module


@functools.cache
def canonical(full: str) -> Found:
  """Follow a full name through the modules that it leads to."""
  first, *rest = full.split('.')
  name, value = first, _module(first)
  for number, part in enumerate(rest):
    inner = f'{name}.{part}'
    if isinstance(value, types.ModuleType) and not is_underscored(part):
      value = _attribute(value, part)
      value = _module(inner) if value is None else value
    else:
      value = None  # Attributes of classes and objects are not followed.
    if isinstance(value, types.ModuleType):
      name = _public(value.__name__, inner)
    else:
      return Found('.'.join([name, *rest[number:]]), value, False)
  return Found(name, value, isinstance(value, types.ModuleType))


def _public(actual: str, written: str) -> str:
  """Return a module's own name, unless the name is private or its alias."""
  private = any(part.startswith('_') for part in actual.split('.'))
  first = actual.partition('.')[0]
  same = first == written.partition('.')[0] or first == 'jaxlib'
  return written if private and same else actual


def _attribute(value: object, name: str) -> object:
  """Return an attribute of a module; None if there is none."""
  with warnings.catch_warnings(action='ignore'):  # Deprecated, or moved.
    try:
      found = getattr(value, name, None)
      return True if found is None and name in vars(value) else found
    except Exception:  # Whatever a library raises for a removed name.
      return None


def _module(name: str) -> object:
  """Import a module of an allowed package; None if there is no such module."""
  parts = name.split('.')
  for number in range(1, len(parts)):
    around, inner = '.'.join(parts[:number]), parts[number]
    if around in PARTS and inner not in PARTS[around]:
      return None
  with warnings.catch_warnings(action='ignore'):
    try:
      return importlib.import_module(name)
    except Exception:  # Whatever a library raises: there is no such module.
      return None


def _denied(name: str) -> str:
  parts = name.split('.')
  for denied, meaning in DENIED.items():
    if f'{name}.'.startswith(f'{denied}.') and name != 'jax.debug':
      return '' if name == 'jax.debug.print' else meaning
  if parts[-1] in FILE_FUNCTIONS and parts[0] in ('jax', 'numpy', 'scipy'):
    return FILES
  if any('callback' in part for part in parts) and parts[0] == 'jax':
    return '' if name == 'jax.make_array_from_callback' else CALLBACK
  if any(part.startswith('register') for part in parts[1:]):
    return PYTREES
  return ''


def _outside(found: Found) -> str:
  """Return what a part of a module may mean that PARTS does not have."""
  parts = found.name.split('.')
  for number in range(1, len(parts)):
    around, inner = '.'.join(parts[:number]), parts[number]
    if around not in PARTS or inner in PARTS[around]:
      continue
    there = _attribute(_module(around), inner)
    opened = around not in CLOSED and there is not None
    if not opened or isinstance(there, types.ModuleType):
      known = ', '.join(PARTS[around])
      meaning = DATA if parts[0] == 'workloads' else 'is not known to `check`.'
      return f'{meaning} Allowed of {around} are: {known}.'
  return ''


def _elsewhere(value: object) -> str:
  """Return what a function may mean that another package defines."""
  if not callable(value):
    return ''
  module = getattr(value, '__module__', None)
  first = module.partition('.')[0] if isinstance(module, str) else ''
  if first in sys.stdlib_module_names and first not in HARMLESS:
    return MEANINGS.get(first, OTHER)
  return ''


def builtin_fault(name: str) -> str:
  """Return what the use of a builtin may mean; '' if it is allowed."""
  value = getattr(builtins, name, None)
  dunder = name.startswith('__') and name.endswith('__')
  if name in BUILTINS or (value is None and not dunder):
    return ''
  error = isinstance(value, type) and issubclass(value, BaseException)
  if error and name not in NO_ERRORS:
    return ''
  return BUILTIN_MEANINGS.get(name, LOOK)
