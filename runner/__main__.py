"""python -m runner COMMAND --flags: plans, runs and looks after races."""

import difflib
import math
import pathlib
import signal
import sys
from typing import Any, NoReturn

from absl import flags

from runner import commands, options
from runner.executors import cluster, race
from runner.launch import attempt
from runner.machine import hardware
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
  'hardware_dir', str(hardware.FOLDER), "Folder of the machines' speeds."
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
  race.CARE.attempts,
  'Most attempts at a trial that the machine fails.',
  lower_bound=1,
  upper_bound=1000,
)
_PAUSE = flags.DEFINE_float(
  'pause',
  race.CARE.pause,
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
  'engine', 'local', cluster.ENGINES, 'What runs the trials.'
)
_OPTIONS = flags.DEFINE_list(
  'engine_options', [], 'Options of the engine, as NAME=VALUE.'
)
_KIND = flags.DEFINE_string(
  'hardware',
  None,
  'Name of a measured kind of machine to run on, if it is not this one.',
)
# The terms of races: engine.Terms has them by the same names.
flags.DEFINE_string('data_dir', None, 'Folder of the data sets.')
flags.DEFINE_float(
  'silence',
  attempt.TERMS.silence,
  'Seconds without progress after which a trial counts as hanging.',
  lower_bound=0.0,
  upper_bound=1e9,
)
flags.DEFINE_boolean('network', False, 'Let trials use the network.')
flags.DEFINE_boolean(
  'shard_state', False, "Give each device a part of an optimizer's state."
)
flags.DEFINE_list(
  'also_on',
  [],
  "Commands that reach each further host of a trial, for example 'ssh node2'.",
)
flags.DEFINE_boolean(
  'prune', False, "Stop trials that cannot change their study's score."
)
_MEMORY = flags.DEFINE_float(
  'memory_gib',
  None,
  'Most GiB that a trial may allocate.',
  lower_bound=0.0,
  upper_bound=1e6,
)
_PROFILE = flags.DEFINE_integer(
  'profile',
  0,
  'Number of steps of every trial to trace.',
  lower_bound=0,
  upper_bound=1_000_000,
)
# Flags of a worker on another machine, and of the process of one trial.
_TRIAL = flags.DEFINE_string('trial', '', 'Id of the trial in the plan.')
_FOLDER = flags.DEFINE_string('folder', '.', 'Folder of one trial.')
_STARTED = flags.DEFINE_float('started', 0.0, 'Monotonic seconds.')
_PROGRESS_FD = flags.DEFINE_integer(
  'progress_fd', -1, 'Descriptor that progress is told to.'
)
_BEATEN = flags.DEFINE_float(
  'beaten', math.inf, "Charged seconds that another of the study's needed."
)
_HOST = flags.DEFINE_integer('host', 0, 'Number of this host.')
_HOSTS = flags.DEFINE_integer('hosts', 1, 'Number of hosts of the trial.')
_COORDINATOR = flags.DEFINE_string(
  'coordinator', '', 'Address of the first host.'
)

COMMANDS = {
  'run': lambda: commands.run(_request()),
  'plan': lambda: commands.plan(_request()),
  'preflight': lambda: commands.preflight(_request()),
  'status': lambda: commands.status(pathlib.Path(_OUT.value), _JSON.value),
  'forget': lambda: commands.forget(_request()),
  'check': lambda: commands.check(_request()),
  'calibrate': lambda: commands.calibrate(_request()),
  'set-targets': lambda: commands.set_targets(_request()),
  'tune': lambda: commands.tune(_request()),
  'export-algoperf': lambda: commands.export_algoperf(_request()),
  'work': lambda: commands.work(
    pathlib.Path(_OUT.value), _TRIAL.value, _terms()
  ),
  'trial': lambda: commands.trial(
    pathlib.Path(_FOLDER.value),
    _STARTED.value,
    _PROGRESS_FD.value,
    _MEMORY.value,
    _PROFILE.value,
    _BEATEN.value,
    (_HOST.value, _HOSTS.value, _COORDINATOR.value),
  ),
}

INNER = ('work', 'trial')  # Other commands start these.
RESUMED = ('run', 'set-targets', 'tune')  # Others begin again.
SENT = ('run', 'plan')  # The others do their work on this machine.

_CHOICE = ('suite', 'workloads')
_ENTRIES = (*_CHOICE, 'submissions', 'ruleset', 'studies')
_TERMS = (
  'data_dir',
  'silence',
  'network',
  'memory_gib',
  'shard_state',
  'also_on',
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
      (*_ENTRIES, 'json', 'price', 'also_on', 'hardware_dir', *_ENGINES),
    ),
    'preflight': Command(
      'Try everything for a few steps; predict times and memory.',
      (*_ENTRIES, *_TERMS, 'json', 'price', 'hardware_dir'),
    ),
    'status': Command(
      'Say what is done, running, failed and why.', ('out', 'json')
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
  if argv[1:] != ['trial']:
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


def _request() -> options.Request:
  return options.Request(
    _SUITE.value,
    tuple(_SUBMISSIONS.value),
    tuple(_WORKLOADS.value),
    _RULESET.value,
    _STUDIES.value,
    pathlib.Path(_OUT.value),
    _JSON.value,
    _POINTS.value,
    _SEEDS.value,
    pathlib.Path(_HARDWARE.value),
    race.Care(_ATTEMPTS.value, _PAUSE.value),
    _terms(),
    _PREFLIGHT.value,
    _MIXED.value,
    _PRICE.value,
    _ENGINE.value,
    tuple(_OPTIONS.value),
    _KIND.value,
  )


def _terms() -> attempt.Terms:
  """Each is called as its flag."""
  names = attempt.Terms._fields
  given: dict[str, Any] = {name: flags.FLAGS[name].value for name in names}
  return attempt.Terms(**given | {'also_on': tuple(given['also_on'])})


if __name__ == '__main__':
  command_line.run(PROGRAM, main)
