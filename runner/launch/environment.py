"""Environment variables of a trial's process."""

import os
import re

from runner.launch import compiled
from runner.machine import settings

# Programs with this scheduler sometimes hang in their first step on two CPU
# cores: 9 of 36 starts of librispeech_deepspeech/mini with jax 0.10.2, and none
# of 56 without the scheduler. Other workloads have steps up to a third longer
# without it (the conformer's), equally for all submissions.
XLA_FLAGS = '--xla_cpu_enable_concurrency_optimized_scheduler=false'
# Variables that trials get unless the user has set them.
DEFAULTS = {
  # JAX's decompositions come from OpenBLAS, whose threads compete with XLA's
  # threads: eigenvectors of eight matrices of 80 rows took 2.6 ms on two cores,
  # and 1.6 ms with one thread per call. Other work makes the difference larger.
  'OPENBLAS_NUM_THREADS': '1',
  # Keeps freed memory in the process. XLA allocates the temporary memory of
  # each step anew, and glibc takes more than 32 MB from the system each time,
  # page by page. That was four tenths of the steps of wmt/mini and
  # finewebedu_lm/mini (docs/benchmarks/harness.md). With several arenas, large
  # blocks would still come from the system.
  'MALLOC_ARENA_MAX': '1',
  'MALLOC_MMAP_MAX_': '0',
  'MALLOC_TRIM_THRESHOLD_': str(2**40),
}

CACHE = {
  'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
  'JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES': '-1',
  # Shared autotuning results would make later programs compile faster, by an
  # unknown amount that could not be charged.
  'JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES': 'none',
}

SECRET = re.compile(
  'TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|^AWS_|^AZURE_',
  re.IGNORECASE,
)


def python_path() -> str:
  """Return PYTHONPATH of a trial's process: our code, then the user's."""
  path = os.pathsep.join([str(compiled.CODE), os.environ.get('PYTHONPATH', '')])
  return path.rstrip(os.pathsep)


def variables() -> dict[str, str]:
  """Return the environment of a trial's process, from the user's environment.

  Variables that may hold secrets are removed, because submissions are other
  people's code. Variables that change numbers are pinned, see
  runner.machine.settings.
  """
  flags = f'{XLA_FLAGS} {os.environ.get("XLA_FLAGS", "")}'
  harmless = {n: v for n, v in os.environ.items() if not SECRET.search(n)}
  own = {'PYTHONPATH': python_path(), 'XLA_FLAGS': flags.strip()}
  return DEFAULTS | settings.pinned(harmless) | own


def adopt() -> None:
  """Set these variables for this process, before it imports JAX.

  For measurements outside a trial: without the flags of XLA they sometimes hang
  as well, with nobody to notice it.
  """
  os.environ.update(variables())
