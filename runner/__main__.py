"""`timetrial run|plan|...` and `python -m runner COMMAND --flags`."""

import dataclasses
import pathlib
import signal
import sys
from typing import Any, NoReturn

from absl import flags

from runner import commands, preparing
from runner.executors import cluster
from runner.executors.race import RetryPolicy
from runner.launch import environment
from runner.launch.attempt import TrialOptions
from runner.machine import speeds
from runner.options import Options
from runner.program import PROGRAM
from runner.protocol.records import advice
from workloads import command_line

_SUITE = flags.DEFINE_string(
  'suite',
  'mini',
  'Name or .toml file of a suite. If none is named, tune uses mini_tuning.',
)
_SUBMISSIONS = flags.DEFINE_list(
  'submissions',
  [],
  'Names of submissions, or paths of your files or folders, separated by '
  "commas; 'all': all submissions that come with TimeTrial.",
)
_WORKLOADS = flags.DEFINE_list(
  'workloads', [], 'Workloads to use, separated by commas; default: all.'
)
_RULESET = flags.DEFINE_string(
  'ruleset', 'self', "'self' (one point) or 'external' (a search space)."
)
_STUDIES = flags.DEFINE_integer(
  'studies',
  None,
  "Number of studies, instead of the ruleset's. A larger number adds studies "
  'to a results folder.',
)
_OUT = flags.DEFINE_string('out', 'results', 'Folder of the results.')
_HARDWARE = flags.DEFINE_string(
  'hardware_dir', str(speeds.FOLDER), 'Folder of measured speeds of machines.'
)
_JSON = flags.DEFINE_boolean('json', False, 'Print JSON, for programs.')
_POINTS = flags.DEFINE_integer(
  'points',
  10,
  'Number of points to draw from each search space.',
  lower_bound=1,
  upper_bound=10_000,
)
_SEEDS = flags.DEFINE_integer(
  'seeds',
  5,
  'Number of repetitions of the best point.',
  lower_bound=1,
  upper_bound=1000,
)
_STARTS = flags.DEFINE_boolean(
  'starts_only',
  False,
  'Measure only where training begins (`start`), and leave the targets.',
)
_WRITE = flags.DEFINE_boolean(
  'write', False, "Write the best point into the submission's file, as SELF."
)
_ATTEMPTS = flags.DEFINE_integer(
  'attempts',
  RetryPolicy().attempts,
  'Maximum attempts per trial after machine failures.',
  lower_bound=1,
  upper_bound=1000,
)
_PAUSE = flags.DEFINE_float(
  'pause',
  RetryPolicy().pause,
  'Seconds before the second attempt.',
  lower_bound=0.0,
  upper_bound=86_400.0,
)
_PREFLIGHT = flags.DEFINE_boolean(
  'preflight', True, 'Test long trials for a few steps before a run.'
)
_MIXED = flags.DEFINE_boolean(
  'mix_hardware', False, 'Allow results of different kinds of hardware.'
)
_WORLD = flags.DEFINE_integer(
  'world',
  None,
  'World of all workloads: other data than those of the suite, made from this '
  'number; its targets are in SUITE_world_NUMBER.toml in the current folder, '
  'from `set-targets --world`.',
  lower_bound=1,
  upper_bound=2**53,
)
_PRICE = flags.DEFINE_float(
  'price', None, 'Price of a machine hour.', lower_bound=0.0, upper_bound=1e9
)
_ENGINE = flags.DEFINE_enum(
  'engine', 'local', cluster.EXECUTORS, 'Executor that runs the trials.'
)
_OPTIONS = flags.DEFINE_list(
  'engine_options', [], 'Options of the executor, as NAME=VALUE.'
)
_KIND = flags.DEFINE_string(
  'hardware',
  None,
  "Name of a measured kind of machine to run on; default: this machine's.",
)
_AGAINST = flags.DEFINE_string(
  'against',
  None,
  'Folder of a board to race against: your entries run by its rules, and are '
  'compared with its entries.',
)
_JOBS = flags.DEFINE_integer(
  'jobs',
  1,
  'Number of trials at once on this machine: untimed ones, or those of '
  '`tune` and `set-targets`.',
  lower_bound=1,
  upper_bound=1024,
)
_DECIDE = flags.DEFINE_boolean(
  'decide',
  False,
  'Let the results in --out say which cells get more studies, to tell ranks '
  'apart.',
)
_HOURS = flags.DEFINE_float(
  'hours',
  None,
  'Hours in which new trials of --decide may start; default: no limit.',
  lower_bound=0.0,
  upper_bound=1e6,
)
# Each of these flags has the name of its field in TrialOptions.
flags.DEFINE_string('data_dir', None, 'Folder of the datasets.')
flags.DEFINE_float(
  'hang_timeout',
  TrialOptions().hang_timeout,
  'Seconds without progress after which a trial counts as hanging.',
  lower_bound=0.0,
  upper_bound=1e9,
)
flags.DEFINE_alias('silence', 'hang_timeout')
flags.DEFINE_boolean('network', False, 'Let trials use the network.')
flags.DEFINE_boolean(
  'shard_state', False, "Split an optimizer's state over the devices."
)
flags.DEFINE_list(
  'extra_hosts',
  [],
  "Commands that reach the remote hosts of a trial, for example 'ssh node2'.",
)
flags.DEFINE_alias('also_on', 'extra_hosts')
_STOP = flags.DEFINE_enum(
  'stop',
  'none',
  advice.POLICIES,
  'What may stop trials early: a faster trial of their study (beaten), all '
  'that provably changes no score (exact), or also a forecast that the target '
  'will not be reached (safe).',
)
_PRUNE = flags.DEFINE_boolean('prune', False, 'Old name of --stop=beaten.')
flags.DEFINE_boolean(
  'untimed',
  False,
  'Run trials by steps, on any machine and several at once: their seconds do '
  'not count, and come from `time`.',
)
flags.DEFINE_float(
  'memory_gib',
  None,
  'Maximum GiB that a trial may allocate.',
  lower_bound=0.0,
  upper_bound=1e6,
)
flags.DEFINE_integer(
  'profile',
  0,
  'Number of steps of every trial to trace.',
  lower_bound=0,
  upper_bound=1_000_000,
)
# Flag of the command `work`, which other commands start.
_TRIAL = flags.DEFINE_string('trial', '', 'Ids of trials in the plan.')


def _set_targets() -> int:
  """Set targets; this process measures where training begins, with JAX."""
  environment.adopt()
  return preparing.set_targets(_options())


COMMANDS = {
  'run': lambda: commands.run(_options()),
  'plan': lambda: commands.plan(_options()),
  'preflight': lambda: commands.preflight(_options()),
  'status': lambda: commands.status(_options()),
  'verify-again': lambda: commands.verify_again(_options()),
  'forget': lambda: commands.forget(_options()),
  'check': lambda: preparing.check(_options()),
  'calibrate': lambda: preparing.calibrate(_options()),
  'set-targets': _set_targets,
  'tune': lambda: preparing.tune(_to_tune()),
  'time': lambda: commands.time(_options()),
  'export-algoperf': lambda: preparing.export_algoperf(_options()),
  'work': lambda: commands.work(
    pathlib.Path(_OUT.value), _TRIAL.value.split(','), _trial_options()
  ),
}

# Commands that continue after a stop.
RESUMED = ('run', 'set-targets', 'tune', 'time')
# Flags whose values --decide takes from the results.
TAKEN = (
  'suite',
  'workloads',
  'submissions',
  'ruleset',
  'studies',
  'against',
  'world',
)
SENT = ('run', 'plan')  # Commands that accept --engine.


class Terminated(KeyboardInterrupt):
  """SIGTERM, which schedulers send; treated like Ctrl-C."""


def main(argv: list[str]) -> int:
  """Run the command in argv; return its exit code."""
  signal.signal(signal.SIGTERM, _terminated)
  command = COMMANDS.get(argv[1] if len(argv) > 1 else '')
  if command is None:
    return command_line.refuse(argv[1:], PROGRAM.commands)
  if len(argv) > 2:
    return command_line.refuse_argument(argv[1], argv[2])
  try:
    if _ENGINE.value != 'local' and argv[1] not in SENT:
      raise ValueError(
        f'--engine={_ENGINE.value} is for the trials of `run`, and '
        f'`{argv[1]}` works on this machine. Leave out --engine.'
      )
    return command()
  except ValueError as error:
    print(f'Error: {error}', file=sys.stderr)
    return command_line.WRONG
  except RuntimeError as error:
    print(f'Failed: {error}', file=sys.stderr)
    return 1
  except KeyboardInterrupt as interrupt:
    goes_on = ' The same command continues from here.' * (argv[1] in RESUMED)
    print(f'\nStopped.{goes_on}', file=sys.stderr)
    return 1 if isinstance(interrupt, Terminated) else command_line.INTERRUPTED


def _terminated(*_) -> NoReturn:
  raise Terminated


def _options() -> Options:
  return Options(
    suite=_SUITE.value,
    submissions=tuple(_SUBMISSIONS.value),
    workloads=tuple(_WORKLOADS.value),
    ruleset=_RULESET.value,
    studies=_STUDIES.value,
    out=pathlib.Path(_OUT.value),
    json=_JSON.value,
    points=_POINTS.value,
    seeds=_SEEDS.value,
    starts_only=_STARTS.value,
    write=_WRITE.value,
    hardware_dir=pathlib.Path(_HARDWARE.value),
    retry=RetryPolicy(_ATTEMPTS.value, _PAUSE.value),
    trial=_trial_options(),
    preflight=_PREFLIGHT.value,
    mixed=_MIXED.value,
    price=_PRICE.value,
    executor=_ENGINE.value,
    executor_options=tuple(_OPTIONS.value),
    jobs=_JOBS.value,
    against=_board(),
    machine=_KIND.value,
    decide=_decides(),
    hours=_HOURS.value,
    world=_WORLD.value,
  )


def _board() -> pathlib.Path | None:
  """Return the board to race against.

  Raises:
    ValueError: flags contradict the board, which has rules of its own.
  """
  if _AGAINST.value is None:
    return None
  for name in ('suite', 'ruleset'):
    if flags.FLAGS[name].present:
      raise ValueError(
        f'--against takes the {name} of the board. Leave out --{name}.'
      )
  return pathlib.Path(_AGAINST.value)


def _to_tune() -> Options:
  """Read the flags; tune on a suite that no board is made on."""
  suite = _SUITE.value if _SUITE.present else preparing.TUNING
  return dataclasses.replace(_options(), suite=suite)


def _decides() -> bool:
  """Return whether the results say what to run.

  Raises:
    ValueError: flags contradict the results, which have rules of their own.
  """
  if not _DECIDE.value:
    if _HOURS.value is not None:
      raise ValueError(
        f'--hours={_HOURS.value:g} bounds the new trials of --decide. Add '
        '--decide, or leave out --hours.'
      )
    return False
  for name in TAKEN:
    if flags.FLAGS[name].present:
      raise ValueError(
        f'--decide takes {name} from the results in --out. Leave out --{name}.'
      )
  if (stop := _STOP.value) in ('exact', 'safe'):
    raise ValueError(
      f'--stop={stop} takes the number of studies for final, and --decide adds '
      'studies. Use --stop=beaten.'
    )
  if _ENGINE.value != 'local':
    raise ValueError(
      f'--decide runs on this machine, not with --engine={_ENGINE.value}: '
      'print what to run with `plan --decide`.'
    )
  return True


def _trial_options() -> TrialOptions:
  """Read the flags that are named like fields of TrialOptions."""
  names = [field.name for field in dataclasses.fields(TrialOptions)]
  given: dict[str, Any] = {name: flags.FLAGS[name].value for name in names}
  hosts = tuple(flags.FLAGS.extra_hosts)
  if _PRUNE.value and not _STOP.present:
    given |= {'stop': 'beaten'}
  return TrialOptions(**given | {'extra_hosts': hosts})


if __name__ == '__main__':
  command_line.run(PROGRAM, main)
