"""What the source of a submission may import and use, by full name.

A name that leads through another module's imports counts as what it leads to:
`flax.linen.jnp.load` is `jax.numpy.load`. Only libraries and modules of
TimeTrial are imported for that, never a submission.
"""

import builtins
import functools
import importlib
import sys
import types
import warnings
from typing import NamedTuple

FILES = (
  'may read or write files. Take data from start.batches, and write small '
  'constants in the source.'
)
WORK = 'may mean work beside the clock. Do all work in the loop of `train`.'
NETWORK = 'may mean the network. A trial needs none.'
LOOK = (
  'may be a look at the harness or at other objects. Use only what build and '
  'train are given.'
)
CLOCK = (
  'may be a look at the clock. Call start.elapsed() for the charged seconds.'
)
CODE = 'may run code that cannot be read here. Write the code out.'
SETTINGS = 'may change settings of the whole process. Leave them.'
CALLBACK = (
  'may run Python while the devices compute or the harness works. Return '
  'values from compiled functions instead.'
)
PYTREES = (
  'may run code whenever a state is flattened. Write the state as a NamedTuple '
  'or with flax.struct.dataclass.'
)
DATA = (
  'may mean other data than training batches. Use what build and train are '
  'given.'
)
PATCH = 'may change objects of others. Make objects of your own.'
OTHER = 'is not among the imports that docs/submitting.md allows.'

# Modules of the standard library and others, by first part: what they may mean.
MEANINGS = {
  **dict.fromkeys(
    ('threading', '_thread', 'multiprocessing', 'concurrent', 'asyncio',
     'subprocess', 'queue', 'sched', 'pty', 'joblib', 'ray'), WORK
  ),
  **dict.fromkeys(
    ('os', 'io', 'pathlib', 'glob', 'shutil', 'tempfile', 'pickle', 'marshal',
     'shelve', 'mmap', 'fcntl', 'linecache', 'fileinput', 'posix', 'zipfile',
     'tarfile', 'gzip', 'bz2', 'lzma', 'h5py', 'pandas', 'etils', 'fsspec',
     'orbax', 'tensorstore', 'safetensors', 'cloudpickle', 'dill', 'csv',
     'sqlite3', 'dbm', 'logging', 'configparser'), FILES
  ),
  **dict.fromkeys(
    ('socket', 'urllib', 'http', 'requests', 'ssl', 'ftplib', 'smtplib',
     'socketserver', 'select', 'selectors', 'xmlrpc', 'aiohttp', 'httpx',
     'huggingface_hub'), NETWORK
  ),
  **dict.fromkeys(
    ('gc', 'inspect', 'sys', 'weakref', 'traceback', 'tracemalloc', 'runner',
     'scoring', 'configs', 'tests', 'psutil', 'operator', 'types', 'copyreg',
     'builtins', 'contextvars', 'trace', 'resource', 'platform', 'site'), LOOK
  ),
  **dict.fromkeys(('time', 'datetime', 'timeit', 'calendar'), CLOCK),
  **dict.fromkeys(
    ('ctypes', 'importlib', 'code', 'codeop', 'ast', 'runpy', 'cffi', 'dis',
     'imp', 'pkgutil', 'zipimport', 'numba', 'cython', 'string', 'jaxlib',
     'base64', 'zlib', 'binascii', 'codecs', 'struct', 'array'), CODE
  ),
  **dict.fromkeys(
    ('signal', 'atexit', 'faulthandler', 'warnings', 'locale', 'absl'), SETTINGS
  ),
  **dict.fromkeys(
    ('tensorflow_datasets', 'sklearn', 'datasets', 'workloads', 'grain',
     'array_record'), DATA
  ),
}  # fmt: skip
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
  ),
  'workloads': ('workload',),
  'workloads.workload': (
    'Array', 'Batch', 'Key', 'Model', 'PyTree', 'Workload', 'mean_loss',
  ),
}  # fmt: skip
CLOSED = ('jax.debug', 'workloads', 'workloads.workload', 'submissions')
ALGOPERF = ('algoperf', 'algorithmic_efficiency')  # Provided by import_shims.
LOGGING = ('absl.logging',)  # For submissions written for AlgoPerf, too.
# Members of allowed modules that may not be used, by full name.
DENIED = {
  **dict.fromkeys(
    (
      'jax.pure_callback', 'jax.experimental.io_callback',
      'jax.core.Primitive', 'jax.core.new_primitive', 'jax.debug',
      'jax.lax.infeed', 'jax.lax.outfeed',
      'jax.make_user_context', 'chex.chexify',
    ), CALLBACK
  ),
  **dict.fromkeys(
    (
      'jax.config', 'jax.clear_caches', 'jax.clear_backends', 'jax.set_mesh',
      'jax.array_garbage_collection_guard', 'jax.thread_guard',
      'chex.set_n_cpu_devices', 'chex.fake_jit', 'chex.fake_pmap',
      'chex.fake_pmap_and_jit', 'numpy.seterr', 'numpy.seterrcall',
      'numpy.set_printoptions', 'numpy.setbufsize', 'flax.config',
    ), SETTINGS
  ),
  **dict.fromkeys(
    ('jax.live_arrays', 'jax.print_environment_info', 'numpy.test',
     'numpy.show_config', 'numpy.show_runtime', 'scipy.test',
     'scipy.show_config', 'scipy.LowLevelCallable'), LOOK
  ),
  **dict.fromkeys(
    ('functools.update_wrapper', 'functools.singledispatchmethod'), PATCH
  ),
  **dict.fromkeys(
    (
      'typing.get_type_hints', 'typing.ForwardRef', 'typing.io',
      'typing.evaluate_forward_ref', 'dataclasses.make_dataclass',
    ), CODE
  ),
  **dict.fromkeys(('jax.tree_util.default_registry',), PYTREES),
}  # fmt: skip
FILE_FUNCTIONS = (  # Of numpy, jax.numpy and scipy.
  'DataSource', 'fromfile', 'fromregex', 'genfromtxt', 'load', 'load_npz',
  'loadtxt', 'memmap', 'open_memmap', 'save', 'save_npz', 'savetxt', 'savez',
  'savez_compressed',
)  # fmt: skip
BUILTINS = frozenset(
  """abs all any ascii bin bool callable classmethod complex dict divmod
  enumerate filter float format frozenset getattr hasattr hash hex id int
  isinstance issubclass iter len list map max min next object oct pow print
  property range repr reversed round set slice sorted staticmethod str sum super
  tuple type zip True False None Ellipsis NotImplemented __debug__
  __name__""".split()
)
NO_ERRORS = ('BaseException', 'GeneratorExit', 'KeyboardInterrupt',
             'SystemExit')  # fmt: skip
BUILTIN_MEANINGS = {
  **dict.fromkeys(('open', 'input', 'license', 'help', '__file__'), FILES),
  **dict.fromkeys(
    ('eval', 'exec', 'compile', '__import__', '__build_class__',
     'chr', 'ord', 'bytes', 'bytearray'), CODE
  ),
  **dict.fromkeys(('setattr', 'delattr'), PATCH),
  **dict.fromkeys(
    ('exit', 'quit', 'breakpoint', *NO_ERRORS),
    'may end the process or hide its end. Return from `train` instead.',
  ),
}  # fmt: skip
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
  """What a full name leads to."""

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
  if isinstance(value, type) and issubclass(value, BaseException):
    if name not in NO_ERRORS:
      return ''
  return BUILTIN_MEANINGS.get(name, LOOK)
