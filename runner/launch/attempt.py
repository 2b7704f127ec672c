"""Runs planned trials on this machine, one process each.

One at a time, so that every trial has the machine to itself and its seconds
mean something. A trial that fails leaves its folder as it is, and the next one
begins; the same command later runs what is missing and resumes what stopped.
"""

import os
import pathlib
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from runner.launch import (
  child_process,
  early_stop,
  isolation,
  outcomes,
  remote_hosts,
  tampering,
  trial_log,
)
from runner.machine import gpu_monitor, hardware, settings
from runner.protocol import layout, results_folder, storage

CODE = pathlib.Path(__file__).parents[2]
# With this scheduler, programs on two cores of a CPU now and then wait for ever
# in their first step: 9 of 36 starts of librispeech_deepspeech/mini with jax
# 0.10.2, and none of 56 without it. Other workloads pay for that with steps up
# to a third longer (the conformer's), all submissions alike.
XLA_FLAGS = '--xla_cpu_enable_concurrency_optimized_scheduler=false'
# JAX's decompositions come from OpenBLAS, whose threads get in the way of
# XLA's: eigenvectors of eight matrices of 80 rows took 2.6 ms on two cores, and
# 1.6 ms with one thread a call; beside other work the difference is larger.
OPENBLAS_NUM_THREADS = '1'

# What the trials of a plan have compiled, in the results folder, by machine, as
# code for one does not run on every other.
COMPILED = '.compiled'
CACHE = {
  'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
  'JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES': '-1',
  # Autotuning shared by different programs would make those that come later
  # quick to compile, and nobody could say by how much.
  'JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES': 'none',
}

# Charged and free seconds together may be many times the budget: evaluations
# of Criteo 1TB took four fifths of the wall time of published runs.
WALL_FACTOR, WALL_SECONDS = 20.0, 3600.0
ORPHAN = 30.0  # Seconds in which a trial that has lost its runner is gone.
SECRET = re.compile(
  'TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|^AWS_|^AZURE_',
  re.IGNORECASE,
)

Tell = Callable[[dict], None]


class TrialOptions(NamedTuple):
  """On which all trials of a race run."""

  data_dir: str | None = None  # Of the data sets.
  silence: float = child_process.Timeouts().silence  # Seconds without progress.
  network: bool = False  # Whether they may use it.
  memory_gib: float | None = None  # Of a trial's process, if limited.
  profile: int = 0  # Steps of every trial to make a trace of.
  shard_state: bool = False  # An optimizer's, over the devices.
  also_on: tuple[str, ...] = ()  # Words that reach each further host.
  prune: bool = False  # Stop trials that cannot change their study's score.

  @property
  def hosts(self) -> int:
    return 1 + len(self.also_on)


TERMS = TrialOptions()


def pending(out: pathlib.Path, table: dict[str, Any]) -> list[dict]:
  """Planned trials that have no outcome that speaks of the algorithm."""
  return [
    trial
    for trial in table['trials']
    if not results_folder.status(results_folder.place(out, trial)).done
  ]


def run_trial(
  out: pathlib.Path,
  table: dict[str, Any],
  trial: dict,
  tell: Tell,
  terms: TrialOptions = TERMS,
) -> layout.Status:
  """Runs or resumes one trial in a process of its own, and waits for it.

  Not if it is done, and not if another process runs it, here or elsewhere.

  Args:
    out: The results folder.
    table: The plan as it is stored.
    trial: One of its trials.
    tell: Hears of its progress.
    terms: On which it runs.
  """
  folder = prepare(out, table, trial, terms)
  with results_folder.held(folder, ORPHAN) as lock:
    status = results_folder.status(folder)
    if lock is None:
      held = f'Another process runs it{_on_host(status)}.'
      return status._replace(outcome=None, reason=held, again=True)
    if status.done or status.outcome == results_folder.DAMAGED:
      return status
    outcomes.lost(folder, 'Its process ended without a word.')
    return run_attempt(out, folder, tell, terms, [lock])


def _on_host(status: layout.Status) -> str:
  host = (status.start or {}).get('host')
  return f' on {host}' if host and status.outcome is None else ''


def prepare(
  out: pathlib.Path, table: dict[str, Any], trial: dict, terms: TrialOptions
) -> pathlib.Path:
  """The folder of a trial, with all that its process needs."""
  own = {'data_dir': terms.data_dir, 'shard_state': terms.shard_state}
  return results_folder.prepare(out, table | own, trial)


def run_attempt(
  out: pathlib.Path,
  folder: pathlib.Path,
  tell: Tell,
  terms: TrialOptions = TERMS,
  keep: Sequence[int] = (),
) -> layout.Status:
  """As run_trial, of a trial in a folder that is ours, even if it is done.

  Args:
    keep: Descriptors that its process holds as long as it lives.
  """
  budget = storage.read_json(folder / layout.TRIAL)['budget']
  longest = WALL_FACTOR * budget['seconds'] + WALL_SECONDS
  patience = child_process.Timeouts(terms.silence, longest)
  network = isolation.network(terms.network or bool(terms.also_on))
  before = layout.status(folder).attempts
  written = tampering.written(folder)
  killed_before = outcomes.memory_kills()
  settings.say_left_out()
  used_before = child_process.processor_seconds()
  started = time.monotonic()
  command = [sys.executable, '-m', 'runner', 'trial', f'--folder={folder}']
  if terms.memory_gib is not None:
    command.append(f'--memory_gib={terms.memory_gib}')
  if terms.profile:
    command.append(f'--profile={terms.profile}')
  if terms.prune and 'steps' not in budget:  # Else seconds say nothing.
    command.append(f'--beaten={early_stop.limit(folder)!r}')
  with (
    # A trial may leave there what nobody can delete.
    tempfile.TemporaryDirectory(
      prefix='timetrial-', ignore_cleanup_errors=True
    ) as private,
    _log(folder) as log,
    gpu_monitor.watched() as cards,
  ):
    printed_before = log.tell()
    own = environment() | CACHE
    own.setdefault(
      'JAX_COMPILATION_CACHE_DIR',
      str(out.absolute() / COMPILED / hardware.describe()['name']),
    )
    own |= {'TMPDIR': private, isolation.SAID: network.said}
    with remote_hosts.started(
      terms.also_on, folder, command, own, f'{SECRET.pattern}|{settings.ALIKE}'
    ) as others:
      words = [*network.command, *command, f'--started={started!r}']
      words += others.flags
      env = own | dict(others.env)
      logs = trial_log.Watch([folder / outcomes.LOG, *others.logs])

      def lost() -> str:
        return others.lost() or logs.full()

      left = child_process.run(words, log, tell, patience, env, keep, lost)
      fault = others.fault()
  if full := logs.full():
    fault = remote_hosts.Fault('crashed', full, False)
  fault = tampering.mended(folder, before, written) or fault
  killed = outcomes.memory_kills() > killed_before
  printed = outcomes.printed_since(folder, printed_before)
  used = child_process.processor_seconds() - used_before
  seen: dict[str, Any] = {
    'wall_seconds': left.ended - started,
    'processor_seconds': used,
  }
  if summary := cards.summary():
    seen['cards'] = summary
  outcomes.close(folder, before, left, seen, killed, printed, fault)
  return layout.status(folder)


def environment() -> dict[str, str]:
  """Environment of a trial's process; most of what the user sets prevails.

  Submissions are other people's code, and have no use for anybody's keys. What
  changes numbers is pinned, see runner.machine.settings.
  """
  path = os.pathsep.join([str(CODE), os.environ.get('PYTHONPATH', '')])
  flags = f'{XLA_FLAGS} {os.environ.get("XLA_FLAGS", "")}'
  harmless = {n: v for n, v in os.environ.items() if not SECRET.search(n)}
  return settings.pinned(harmless) | {
    'PYTHONPATH': path.rstrip(os.pathsep),
    'XLA_FLAGS': flags.strip(),
    'OPENBLAS_NUM_THREADS': os.environ.get(
      'OPENBLAS_NUM_THREADS', OPENBLAS_NUM_THREADS
    ),
  }


def _log(folder: pathlib.Path):
  path = folder / outcomes.LOG
  results_folder.clear(path)
  with storage.storing(path):
    return path.open('ab')
