"""Metadata of a trial: its machine, drivers, versions and code."""

import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Mapping

import jax

from runner.launch import isolation
from runner.machine import hardware, settings
from runner.protocol import storage
from runner.protocol.trial_file import TrialSpec
from runner.trial import compile_time
from workloads import data

PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'numpy', 'scipy', 'ml_dtypes')
# Names of additional packages on machines with accelerators.
PLUGINS = re.compile('^(jax|nvidia|libtpu|triton)', re.IGNORECASE)


def write(
  path: pathlib.Path, trial: TrialSpec, examples: Mapping[str, int]
) -> None:
  """Write a meta_data file; keys that AlgoPerf has too have AlgoPerf's names.

  Args:
    path: Path of the file.
    trial: The trial.
    examples: Number of examples of each split.
  """
  spec = trial.spec
  storage.write_json(
    path,
    {
      'rng_seed': trial.trial.seed,
      'workload.validation_target_value': spec.target,
      'workload.target_metric_name': spec.metric,
      'workload.step_hint': spec.steps,
      'workload.max_allowed_runtime_sec': trial.budget.seconds,
      'workload.eval_period_time_sec': trial.budget.eval_seconds,
      'examples': dict(examples),
      'data': data.facts(spec.workload, trial.data_dir),
      'hardware': dict(hardware.describe(jax.process_count()).facts),
      **isolation.here(),
      'driver': hardware.driver(),
      'compilation': _policy(trial),
      'load_average': os.getloadavg(),
      'environment': settings.facts(jax.config.values),
      'hosts': jax.process_count(),
      'shard_state': trial.shard_state,
      'devices': [device.device_kind for device in jax.devices()],
      'platform': platform.platform(),
      'python_version': platform.python_version(),
      'packages': _packages(),
      'git_commit_hash': _git('rev-parse', 'HEAD'),
      'git_changes': bool(_git('diff', 'HEAD', '--name-only')),
    },
  )


def _policy(trial: TrialSpec) -> str:
  return compile_time.POLICY if trial.charges.compiling else 'not charged'


def _packages() -> dict[str, str]:
  """Return the versions of packages that change numbers or speed, by name."""
  found = {name: importlib.metadata.version(name) for name in PACKAGES}
  if jax.default_backend() == 'cpu':
    return found
  others = {
    one.name: one.version
    for one in importlib.metadata.distributions()
    if PLUGINS.search(one.name or '')
  }
  return others | found


def _git(*words: str) -> str | None:
  """Return git's output; None without git or outside of a checkout."""
  here = pathlib.Path(__file__).parent
  try:
    done = subprocess.run(
      ['git', *words],
      cwd=here,
      capture_output=True,
      encoding='utf-8',
      errors='replace',
      timeout=10,
      check=False,
    )
  except (OSError, subprocess.TimeoutExpired):
    return None
  return done.stdout.strip() if done.returncode == 0 else None
