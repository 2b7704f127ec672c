"""Settings that change numbers: pinned, or recorded and compared."""

import os

import jax
import pytest

from runner.launch import environment
from runner.machine import settings
from runner.protocol import layout, storage
from tests.support import races

NUMBERS = {  # Each changes what trials compute, or how fast.
  'JAX_ENABLE_X64': '1',
  'JAX_DEFAULT_PRNG_IMPL': 'rbg',
  'JAX_DEFAULT_MATMUL_PRECISION': 'bfloat16',
  'JAX_RANDOM_SEED_OFFSET': '7',
  'JAX_THREEFRY_PARTITIONABLE': '0',
  'JAX_NUMPY_DTYPE_PROMOTION': 'strict',
  'JAX_NUMPY_RANK_PROMOTION': 'raise',
  'JAX_DISABLE_JIT': '1',
  'JAX_DEBUG_NANS': '1',
  'JAX_ENABLE_CHECKS': '1',
  'JAX_WHATEVER_COMES_NEXT': '1',
  'FLAX_FIX_RNG_SEPARATOR': '1',
  'PYTHONOPTIMIZE': '2',
  'PYTHONHASHSEED': '42',
  'PYTHONWARNINGS': 'error',
  'PYTHONTRACEMALLOC': '5',
  'PYTHONUTF8': '0',
  'PYTHONIOENCODING': 'gbk',
  'LC_ALL': 'tr_TR',
  'LANG': 'de_DE',
}
OURS = {  # What users may set.
  'JAX_PLATFORMS': 'cpu',
  'JAX_NUM_CPU_DEVICES': '2',
  'JAX_ENABLE_COMPILATION_CACHE': 'false',
  'JAX_COMPILATION_CACHE_DIR': '/x',
  'PYTHONPATH': '/x',
  'PYTHONUNBUFFERED': '1',
  'XLA_FLAGS': '--xla_cpu_enable_fast_math=true',
  'OMP_NUM_THREADS': '3',
  'CUDA_VISIBLE_DEVICES': '1',
  'MY_OWN': 'x',
}


def test_trials_get_no_settings_that_change_numbers(monkeypatch):
  for name, value in (NUMBERS | OURS).items():
    monkeypatch.setenv(name, value)
  found = environment.variables()
  for name in NUMBERS:
    assert found.get(name) == settings.PINNED.get(name), name
  for name, value in OURS.items():
    assert value in found[name], name


def test_what_they_do_not_get_is_said_once(monkeypatch, capsys):
  settings._say.cache_clear()
  for name in NUMBERS:
    monkeypatch.delenv(name, raising=False)
  settings.say_left_out()
  assert capsys.readouterr().err == ''
  monkeypatch.setenv('JAX_ENABLE_X64', '1')
  monkeypatch.setenv('LC_ALL', 'C')
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  settings.say_left_out()
  settings.say_left_out()
  said = capsys.readouterr().err
  assert said.count('Trials run without JAX_ENABLE_X64=1,') == 1
  assert 'LC_ALL' not in said and 'JAX_PLATFORMS' not in said
  settings._say.cache_clear()


@pytest.mark.parametrize(
  'name, kept',
  [
    ('XLA_FLAGS', True),
    ('XLA_PYTHON_CLIENT_MEM_FRACTION', True),
    ('OMP_NUM_THREADS', True),
    ('OPENBLAS_NUM_THREADS', True),
    ('MKL_NUM_THREADS', True),
    ('NVIDIA_TF32_OVERRIDE', True),
    ('TF_CUDNN_DETERMINISTIC', True),
    ('TF_ENABLE_ONEDNN_OPTS', True),
    ('CUBLAS_WORKSPACE_CONFIG', True),
    ('CUDA_LAUNCH_BLOCKING', True),
    ('NCCL_ALGO', True),
    ('NPY_DISABLE_CPU_FEATURES', True),
    ('LD_PRELOAD', True),
    ('MALLOC_CONF', True),
    ('GLIBC_TUNABLES', True),
    # They tell places and words, and differ from node to node.
    ('CUDA_VISIBLE_DEVICES', False),
    ('CUDA_HOME', False),
    ('NCCL_SOCKET_IFNAME', False),
    ('TF_CPP_MIN_LOG_LEVEL', False),
    ('TF_VAR_password', False),  # Terraform's.
    ('LD_LIBRARY_PATH', False),
    ('HOME', False),
    ('JAX_PLATFORMS', False),  # Devices are recorded by themselves.
  ],
)
def test_what_changes_numbers_or_speed_is_recorded(name, kept, monkeypatch):
  monkeypatch.setitem(settings._GIVEN, name, 'x')
  found = settings.facts(jax.config.values)
  assert (found.get(name) == 'x') is kept


def test_what_libraries_set_when_they_are_imported_is_not(monkeypatch):
  monkeypatch.setenv('KMP_INIT_AT_FORK', 'FALSE')
  monkeypatch.delitem(settings._GIVEN, 'KMP_INIT_AT_FORK', raising=False)
  assert 'KMP_INIT_AT_FORK' not in settings.facts({})


def test_jaxs_own_names_are_recorded_as_they_came_out():
  found = settings.facts(jax.config.values)
  assert set(settings.JAX) <= set(found)  # All are known to this JAX.
  assert found['jax_enable_x64'] == 'False'
  assert found['jax_default_prng_impl'] == 'threefry2x32'
  assert found['niceness'] == os.nice(0)


TELLS = (
  'print("DTYPE", jnp.asarray(1.0, float).dtype, '
  'jax.config.jax_default_prng_impl, __debug__, hash("x"), flush=True)'
)


def test_a_trial_is_the_same_whatever_the_environment_says(
  tmp_path, monkeypatch
):
  """The seeds of a plan once gave other numbers under JAX_ENABLE_X64."""
  flags = dict(
    suite=races.suite(tmp_path),
    submissions=races.mine(tmp_path, 'mine', steps=3, build=TELLS),
  )
  told, finals = [], []
  for name in ('plain', 'strange'):
    if name == 'strange':
      for one, value in NUMBERS.items():
        if not one.startswith(('LC_', 'LANG', 'PYTHONIO', 'PYTHONUTF8')):
          monkeypatch.setenv(one, value)
      monkeypatch.delenv('PYTHONWARNINGS')  # The runner's own would be errors.
    done = races.run(tmp_path, 'run', **flags, out=tmp_path / name)
    assert done.returncode == 0, done.stderr
    folder = races.folder(tmp_path / name, 'mine')
    log = (folder / 'trial.log').read_text(encoding='utf-8')
    told += [line for line in log.splitlines() if line.startswith('DTYPE')]
    finals.append(races.final(folder))
    meta = storage.read_json(folder / 'meta_data_0.json')
    assert meta['environment']['jax_enable_x64'] == 'False'
    assert layout.status(folder).outcome == 'ended'
  assert 'JAX_ENABLE_X64=1' in done.stderr
  assert told[0] == told[1] and told[0].startswith('DTYPE float32 threefry')
  assert finals[0] == finals[1]
