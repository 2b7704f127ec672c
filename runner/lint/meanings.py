"""Meanings of findings, and honest ways instead: ends of sentences."""

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
FREE = (
  'may run while the clock stands: JAX or the harness calls it. Do the work in '
  '`train`, and return plain arrays.'
)
APART = 'may tell one workload from the others. Treat all of them alike.'
EVALUATION = (
  'may mean an evaluation of its own. The harness evaluates, outside of the '
  'clock.'
)
COMPUTED = (
  'computes the name of an attribute. Write the attribute, or a dictionary of '
  'functions by name.'
)
HANDED = (
  'is a module that is handed on, so what is used of it cannot be read. Use '
  'its functions by name.'
)
WEIGHTS = (
  'may be weights or data that were learnt elsewhere. Compute them in `train`.'
)
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
  'jax.tree_util.default_registry': PYTREES,
  'numpy.datetime64': CLOCK,  # numpy.datetime64('now')
}  # fmt: skip
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
ATTRIBUTES = {  # Of any object: what they may mean.
  **dict.fromkeys(('source', 'with_text', 'data_dir'), DATA),
  **dict.fromkeys(('eval_stats', 'eval_model', 'summarize'), EVALUATION),
  **dict.fromkeys(
    ('dump', 'glob', 'iterdir', 'listdir', 'load', 'mkdir', 'open',
     'read_bytes', 'read_text', 'rglob', 'rmdir', 'savez', 'tofile', 'unlink',
     'write_bytes', 'write_text', 'save'), FILES
  ),
  **dict.fromkeys(
    ('cell_contents', 'client', 'co_code', 'co_consts', 'cr_code', 'cr_frame',
     'ag_frame', 'ag_code', 'ctypes', 'environ', 'f_back', 'f_builtins',
     'f_code', 'f_globals', 'f_locals', 'gi_code', 'gi_frame', 'gi_yieldfrom',
     'func', 'live_arrays', 'live_buffers', 'live_executables', 'modules',
     'mro', 'runtime_executable', 'tb_frame', 'tb_next', 'tb_lasti',
     'unsafe_buffer_pointer'), LOOK
  ),
  **dict.fromkeys(
    ('fork', 'kill', 'popen', 'spawn', 'system', 'urlopen'),
    WORK,
  ),
}  # fmt: skip
