"""Every test runs on the CPU; a broadcast that nobody asked for is an error.

Tests compile much and compute little, so XLA optimizes less here, which
compiles three times as fast, also in the trials that tests start: these take
half the time. What one test has compiled, others find, in whichever process.
"""

import atexit
import os
import sys
import tempfile

import pytest
from hypothesis import HealthCheck, settings

from runner.launch import environment  # Without JAX.

QUICK = ' '.join([
  '--xla_backend_optimization_level=0',
  '--xla_llvm_disable_expensive_passes=true',
  '--xla_cpu_use_fusion_emitters=false',  # Halves what is left to compile.
  # A program in one part instead of 32: a quarter less to compile.
  '--xla_cpu_parallel_codegen_split_count=1',
])  # fmt: skip

if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:  # Nor do workers have it yet.
  compiled = tempfile.TemporaryDirectory(prefix='timetrial-compiled-')
  atexit.register(compiled.cleanup)
  os.environ['JAX_COMPILATION_CACHE_DIR'] = compiled.name
os.environ |= environment.CACHE
quick = f'{os.environ.get("XLA_FLAGS", "")} {QUICK}'.strip()
os.environ['XLA_FLAGS'] = f'{environment.XLA_FLAGS} {quick}'

import jax  # noqa: E402  XLA reads its flags when the backend starts.

jax.config.update('jax_platforms', 'cpu')
jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.devices()
os.environ['XLA_FLAGS'] = quick  # Trials add the flags of the environment.

# The time of an example tells how busy the machine is, and nothing else.
settings.register_profile(
  'unhurried', deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile('unhurried')

# Beginnings of variables that our code or JAX reads. Libraries set others when
# they are imported, and pytest sets one in each phase of a test.
READ = (
  'JAX_',
  'XLA_',
  'TIMETRIAL_',
  'OPENBLAS_',
  'CUDA_',
  'PATH',
  'PYTHONPATH',
)


def pytest_addoption(parser):
  parser.addoption(
    '--clear-caches',
    action='store_true',
    help='Clear what JAX has traced and compiled, before every test.',
  )


def pytest_runtest_setup(item):
  if item.config.getoption('clear_caches'):
    jax.clear_caches()


@pytest.fixture(autouse=True)
def unchanged():
  """Fail a test that leaves its process changed for the tests after it."""
  before = _process()
  yield
  after = _process()
  changed = {n for n in before | after if before.get(n) != after.get(n)}
  assert not changed, f'The test has to put back {sorted(changed)}.'


def _process() -> dict[str, object]:
  """Working directory, search path, environment and settings of JAX."""
  environment = {k: v for k, v in os.environ.items() if k.startswith(READ)}
  places = {'os.getcwd()': os.getcwd(), 'sys.path': list(sys.path)}
  return {**places, **environment, **jax.config.values}


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups, and is next.
def pytest_collection_modifyitems(items):
  """Put tests of a file into one process, where what they share is made once.

  Tests that name their group stay in it. Slow tests of a file with the mark
  `apart` go to any process, unless they use a fixture of the whole file.
  """
  for item in items:
    if item.get_closest_marker('xdist_group'):
      continue
    if not item.get_closest_marker('apart') or _shares(item):
      item.add_marker(pytest.mark.xdist_group(item.module.__name__))


def _shares(item) -> bool:
  found = item._fixtureinfo.name2fixturedefs.values()
  return any(fixture.scope == 'module' for many in found for fixture in many)
