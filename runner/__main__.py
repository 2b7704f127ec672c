"""python -m runner COMMAND --flags: plans, runs and looks after races."""

import dataclasses
import difflib
import pathlib
import signal
import sys
from typing import Any, NoReturn

from absl import flags

from runner import commands
from runner.executors import cluster
from runner.executors.race import RetryPolicy
from runner.launch.attempt import TrialOptions
from runner.machine import speeds
from runner.options import Options
from workloads import command_line
from workloads.command_line import Command

_SUITE = flags.DEFINE_string('suite', 'mini', 'Name or .toml file of a suite.')
_SUBMISSIONS = flags.DEFINE_list(
  'submissions',
  [],
  'Names of submissions, files or folders of your own, separated by commas; '
  "'all' are those that come with TimeTrial.",
)
_WORKLOADS = flags.DEFINE_list(
  'workloads', [], 'Some workloads of the suite, separated by commas: else all.'
)
_RULESET = flags.DEFINE_string(
  'ruleset', 'self', "'self' (one point each) or 'external' (a search space)."
)
_STUDIES = flags.DEFINE_integer(
  'studies',
  None,
  "Number of studies, in the place of the ruleset's. A larger one adds to a "
  'results folder.',
)
_OUT = flags.DEFINE_string('out', 'results', 'Folder of the results.')
_HARDWARE = flags.DEFINE_string(
  'hardware_dir', str(speeds.FOLDER), "Folder of the machines' speeds."
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
_ATTEMPTS = flags.DEFINE_integer(
  'attempts',
  RetryPolicy().attempts,
  'Most attempts at a trial that the machine fails.',
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
  'preflight', True, 'Try long trials for a few steps before a run.'
)
_MIXED = flags.DEFINE_boolean(
  'mix_hardware', False, 'Add to results of another kind of hardware.'
)
_PRICE = flags.DEFINE_float(
  'price',
  None,
  'Price of an hour on the machine.',
  lower_bound=0.0,
  upper_bound=1e9,
)
_ENGINE = flags.DEFINE_enum(
  'engine', 'local', cluster.EXECUTORS, 'What runs the trials.'
)
_OPTIONS = flags.DEFINE_list(
  'engine_options', [], 'Options of the engine, as NAME=VALUE.'
)
_KIND = flags.DEFINE_string(
  'hardware',
  None,
  'Name of a measured kind of machine to run on, if it is not this one.',
)
# TrialOptions has these by the same names.
flags.DEFINE_string('data_dir', None, 'Folder of the data sets.')
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
  'shard_state', False, "Give each device a part of an optimizer's state."
)
flags.DEFINE_list(
  'extra_hosts',
  [],
  "Commands that reach each further host of a trial, for example 'ssh node2'.",
)
flags.DEFINE_alias('also_on', 'extra_hosts')
flags.DEFINE_boolean(
  'prune', False, "Stop trials that cannot change their study's score."
)
flags.DEFINE_float(
  'memory_gib',
  None,
  'Most GiB that a trial may allocate.',
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
# Flags of a worker on another machine, and of the process of one trial.
_TRIAL = flags.DEFINE_string('trial', '', 'Id of the trial in the plan.')
_SPEC = flags.DEFINE_string('spec', '{}', 'One attempt at a trial, as JSON.')
_PROGRESS_FD = flags.DEFINE_integer(
  'progress_fd', -1, 'Descriptor that progress is written to.'
)

COMMANDS = {
  'run': lambda: commands.run(_options()),
  'plan': lambda: commands.plan(_options()),
  'preflight': lambda: commands.preflight(_options()),
  'status': lambda: commands.status(_options()),
  'verify-again': lambda: commands.verify_again(_options()),
  'forget': lambda: commands.forget(_options()),
  'check': lambda: commands.check(_options()),
  'calibrate': lambda: commands.calibrate(_options()),
  'set-targets': lambda: commands.set_targets(_options()),
  'tune': lambda: commands.tune(_options()),
  'export-algoperf': lambda: commands.export_algoperf(_options()),
  'work': lambda: commands.work(
    pathlib.Path(_OUT.value), _TRIAL.value, _trial_options()
  ),
  'trial': lambda: commands.trial(_SPEC.value, _PROGRESS_FD.value),
  'exam': commands.exam,
}

INNER = ('work', 'trial', 'exam')  # Other commands start these.
RESUMED = ('run', 'set-targets', 'tune')  # Others begin again.
SENT = ('run', 'plan')  # The others do their work on this machine.

_CHOICE = ('suite', 'workloads')
_ENTRIES = (*_CHOICE, 'submissions', 'ruleset', 'studies')
_TERMS = (
  'data_dir',
  'hang_timeout',
  'network',
  'memory_gib',
  'shard_state',
  'extra_hosts',
)
_ENGINES = ('engine', 'engine_options', 'hardware')
PROGRAM = command_line.Program(
  'runner',
  'Plans, runs and looks after races.',
  'COMMAND --flags',
  {
    'run': Command(
      'Run what is missing in --out, resume what stopped.',
      (
        *_ENTRIES,
        'out',
        *_TERMS,
        'attempts',
        'pause',
        'prune',
        'preflight',
        'profile',
        'mix_hardware',
        'hardware_dir',
        *_ENGINES,
      ),
    ),
    'plan': Command(
      'Say what would be run.',
      (*_ENTRIES, 'json', 'price', 'extra_hosts', 'hardware_dir', *_ENGINES),
    ),
    'preflight': Command(
      'Try everything for a few steps; predict times and memory.',
      (*_ENTRIES, *_TERMS, 'json', 'price', 'hardware_dir'),
    ),
    'status': Command(
      'Say what is done, running, failed and why.', ('out', 'json')
    ),
    'verify-again': Command(
      'Evaluate the stored models of a results folder again.',
      ('out', 'data_dir', 'hang_timeout', 'json'),
    ),
    'forget': Command(
      'Take submissions out of a results folder; their files are kept.',
      ('submissions', 'out'),
    ),
    'check': Command(
      'Test submissions before they are entered.',
      (*_CHOICE, 'submissions', *_TERMS),
    ),
    'calibrate': Command(
      'Measure what step budgets are worth on this machine.',
      (*_CHOICE, *_TERMS, 'hardware_dir'),
    ),
    'set-targets': Command(
      "Find a suite's targets by tuning several algorithms.",
      (*_CHOICE, 'submissions', 'points', 'seeds', 'out', *_TERMS),
    ),
    'tune': Command(
      "Find a submission's one point that is good on all workloads.",
      (*_CHOICE, 'submissions', 'points', 'out', *_TERMS),
    ),
    'export-algoperf': Command(
      'Write submissions as folders that AlgoPerf runs.',
      ('submissions', 'out'),
    ),
  },
)


class Terminated(KeyboardInterrupt):
  """SIGTERM, as schedulers send it: as good as Ctrl-C."""


def main(argv: list[str]) -> int:
  if argv[1:] not in (['trial'], ['exam']):
    signal.signal(signal.SIGTERM, _terminated)
  command = COMMANDS.get(argv[1] if len(argv) > 1 else '')
  if command is None or len(argv) > 2:
    wrong = argv[2] if command else ' '.join(argv[1:])
    close = difflib.get_close_matches(wrong, PROGRAM.commands, n=1)
    hint = f' Did you mean {close[0]!r}?' if close else ''
    known = ', '.join(PROGRAM.commands)
    print(f'No command {wrong!r}.{hint} Known: {known}.', file=sys.stderr)
    return command_line.WRONG
  try:
    if _ENGINE.value != 'local' and argv[1] not in SENT:
      raise ValueError(
        f'--engine={_ENGINE.value} is for the trials of `run`, and '
        f'`{argv[1]}` works on this machine. Leave it out.'
      )
    return command()
  except ValueError as error:  # Bad requests explain themselves.
    print(f'Error: {error}', file=sys.stderr)
    return command_line.WRONG
  except RuntimeError as error:
    print(f'Failed: {error}', file=sys.stderr)
    return 1
  except KeyboardInterrupt as interrupt:
    goes_on = ' The same command goes on from here.' * (argv[1] in RESUMED)
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
    hardware_dir=pathlib.Path(_HARDWARE.value),
    retry=RetryPolicy(_ATTEMPTS.value, _PAUSE.value),
    trial=_trial_options(),
    preflight=_PREFLIGHT.value,
    mixed=_MIXED.value,
    price=_PRICE.value,
    executor=_ENGINE.value,
    executor_options=tuple(_OPTIONS.value),
    machine=_KIND.value,
  )


def _trial_options() -> TrialOptions:
  """Every field has the name of its flag."""
  names = [field.name for field in dataclasses.fields(TrialOptions)]
  given: dict[str, Any] = {name: flags.FLAGS[name].value for name in names}
  hosts = tuple(given['extra_hosts'])
  return TrialOptions(**given | {'extra_hosts': hosts})


if __name__ == '__main__':
  command_line.run(PROGRAM, main)
