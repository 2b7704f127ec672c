"""Environment variables and other settings that change numbers or speed.

Variables that would change the results of a plan's seeds are removed or pinned
for trials. Other settings are the user's choice for a machine: they are
recorded, and must be the same on a board.
"""

import functools
import os
import pathlib
import re
import sys
from collections.abc import Mapping
from typing import Any

from runner.machine import cgroup

# Families of variables. Trials get only the members listed in OPEN, so that new
# variables of later library versions are removed too.
CLOSED = 'JAX_|FLAX_|CHEX_|PYTHON|LC_|LANG$|LANGUAGE$'
OPEN = (
  # Choice of devices.
  'JAX_PLATFORMS',
  'JAX_PLATFORM_NAME',
  'JAX_NUM_CPU_DEVICES',
  'JAX_CUDA_VISIBLE_DEVICES',
  'JAX_ROCM_VISIBLE_DEVICES',
  # Cache of compiled programs.
  'JAX_COMPILATION_CACHE_DIR',
  'JAX_COMPILATION_CACHE_MAX_SIZE',
  'JAX_ENABLE_COMPILATION_CACHE',
  'JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES',
  'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS',
  'JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES',
  # Messages.
  'JAX_LOGGING_LEVEL',
  'JAX_TRACEBACK_FILTERING',
  'PYTHONFAULTHANDLER',
  # Places of code.
  'PYTHONDONTWRITEBYTECODE',
  'PYTHONHOME',
  'PYTHONNOUSERSITE',
  'PYTHONPATH',
  'PYTHONPYCACHEPREFIX',
  'PYTHONSAFEPATH',
  'PYTHONUNBUFFERED',
  'PYTHONUSERBASE',
)
LEFT_OUT = re.compile(f'^(?!({"|".join(OPEN)})$)({CLOSED})')
# Fixed order of sets of strings, and UTF-8 for files and messages.
PINNED = {'PYTHONHASHSEED': '0', 'PYTHONUTF8': '1', 'LC_ALL': 'C.UTF-8'}
# Settings for a machine: flags of compilers, threads, libraries.
MACHINE = (
  'XLA_|TSL_|TPU_|LIBTPU_|PJRT_|TRITON_'
  '|TF_(XLA|CUD|CUBLAS|GPU|FORCE|ENABLE|DISABLE|DETERM|NUM|USE|FP16|AUTOTUNE)'
  '|NVIDIA_TF32|CUDA_|CUDNN_|CUBLAS|CUFFT|CUSOLVER|NCCL_'
  '|HIP_|HSA_|ROCR_|ROCM_|ROCBLAS|ROCSOLVER|ROCFFT|MIOPEN_|RCCL_'
  '|OMP_|GOMP_|KMP_|OPENBLAS_|GOTO_|MKL_|BLIS_|VECLIB_|NUMEXPR_'
  '|DNNL_|ONEDNN_|NPY_|NUMPY_'
  '|MALLOC_|GLIBC_TUNABLES$|TCMALLOC_|MIMALLOC_|LD_PRELOAD$'
)
# Parts of names in MACHINE that concern only places and messages.
PLACES = (
  'VISIBLE_DEVICES|HOME|PATH|DIR|LOG|DEBUG|DBG|IFNAME|HOST|WORKER|ADDRESS'
)
_SETTINGS = f'(?!.*({PLACES}))({MACHINE})'
RECORDED = re.compile(f'^{_SETTINGS}')
# Variables that all hosts of a trial copy from its first host.
ALIKE = f'^({_SETTINGS}|{CLOSED})'
JAX = (  # Recorded options of JAX's configuration.
  'jax_enable_x64',
  'jax_default_matmul_precision',
  'jax_default_prng_impl',
  'jax_random_seed_offset',
  'jax_threefry_partitionable',
  'jax_numpy_dtype_promotion',
  'jax_disable_jit',
  'jax_debug_nans',
)
GOVERNOR = pathlib.Path('/sys/devices/system/cpu/cpufreq/policy0')
PAGES = pathlib.Path('/sys/kernel/mm/transparent_hugepage/enabled')
_GIVEN = dict(os.environ)  # A copy, because imported libraries add variables.
# Removed variables that users are told about.
TOLD = re.compile('^(JAX_|FLAX_|PYTHONOPTIMIZE$)')


def pinned(variables: Mapping[str, str]) -> dict[str, str]:
  """Return an environment without LEFT_OUT and with PINNED variables."""
  kept = {n: v for n, v in variables.items() if not LEFT_OUT.search(n)}
  return kept | PINNED


def say_left_out() -> None:
  """Print, once per process, the user's variables that trials do not get."""
  left_out = (n for n in os.environ if LEFT_OUT.search(n) and TOLD.search(n))
  _say(', '.join(f'{name}={os.environ[name]}' for name in sorted(left_out)))


@functools.cache
def _say(words: str) -> None:
  if words:
    print(
      f'Trials run without {words}, because these variables would change the '
      "results of the plan's seeds.",
      file=sys.stderr,
    )


def facts(jax_config: Mapping[str, Any]) -> dict[str, Any]:
  """Return the settings of this trial process, for its records.

  Variables have their values from the import of this module.

  Args:
    jax_config: JAX's configuration by name.
  """
  found: dict[str, Any] = {
    name: value
    for name, value in sorted(_GIVEN.items())
    if RECORDED.search(name)
  }
  found |= {name: str(jax_config[name]) for name in JAX if name in jax_config}
  return found | {
    'cores by quota': cgroup.quota(),
    'niceness': os.nice(0),
    'frequency governor': _line(GOVERNOR / 'scaling_governor'),
    'huge pages': _chosen(_line(PAGES)),
  }


def _line(path: pathlib.Path) -> str | None:
  try:
    return path.read_text(encoding='utf-8').strip()
  except OSError:
    return None


def _chosen(line: str | None) -> str | None:
  """Return the word in brackets, which marks the active choice in /sys."""
  found = re.search(r'\[(\w+)\]', line or '')
  return found and found[1]
