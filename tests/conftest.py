"""Every test runs on the CPU; a broadcast that nobody asked for is an error.

Tests compile much and compute little, so XLA optimizes less here, which
compiles three times as fast. Processes that tests start optimize as ever. What
one test has compiled, others find, in whichever process.
"""

import atexit
import os
import tempfile

import pytest

from runner import engine  # Without JAX.

QUICK = (
  '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true'
)

if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:  # Nor do workers have it yet.
  compiled = tempfile.TemporaryDirectory(prefix='timetrial-compiled-')
  atexit.register(compiled.cleanup)
  os.environ['JAX_COMPILATION_CACHE_DIR'] = compiled.name
os.environ |= engine.CACHE
before = os.environ.get('XLA_FLAGS')
os.environ['XLA_FLAGS'] = f'{engine.XLA_FLAGS} {before or ""} {QUICK}'

import jax  # noqa: E402  XLA reads its flags when the backend starts.

jax.config.update('jax_platforms', 'cpu')
jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.devices()
if before is None:
  del os.environ['XLA_FLAGS']
else:
  os.environ['XLA_FLAGS'] = before


def pytest_collection_modifyitems(items):
  """Tests of a file run in one process, where what they share is made once.

  Unless they say of themselves with which others they share something.
  """
  for item in items:
    if not item.get_closest_marker('xdist_group'):
      item.add_marker(pytest.mark.xdist_group(item.module.__name__))
