"""python -m runner COMMAND --flags: plans, runs and looks after races.

Commands:
  run          Run what is missing in --out, resume what stopped.
  plan         Say what would be run.
  preflight    Try everything for a few steps; foretell times and memory.
  status       Say what is done, running, failed and why.
  check        Test submissions before they are entered.
  calibrate    Measure what step budgets are worth on this machine.
  set-targets  Find a suite's targets by tuning several algorithms.
  tune         Find a submission's one point that is good on all workloads.
  export-algoperf
               Write submissions as folders that AlgoPerf runs.
"""

import difflib
import functools
import math
import pathlib
import signal
import sys
from typing import Any

from absl import app, flags

from runner import commands, engine, fleet, hardware, pipes, race, requests

_SUITE = flags.DEFINE_string('suite', 'mini', 'Name or .toml file of a suite.')
_SUBMISSIONS = flags.DEFINE_list(
  'submissions', [], "Names, files or folders, or 'all'."
)
_WORKLOADS = flags.DEFINE_list('workloads', [], 'Only these of the suite.')
_RULESET = flags.DEFINE_string('ruleset', 'self', "'self' or 'external'.")
_STUDIES = flags.DEFINE_integer('studies', None, "Instead of the ruleset's.")
_OUT = flags.DEFINE_string('out', 'results', 'Folder of the results.')
_HARDWARE = flags.DEFINE_string(
  'hardware_dir', str(hardware.FOLDER), 'Folder of measured speeds.'
)
_JSON = flags.DEFINE_boolean('json', False, 'Print JSON, for programs.')
_POINTS = flags.DEFINE_integer(
  'points', 10, 'Draws from a search space, for set-targets and tune.'
)
_SEEDS = flags.DEFINE_integer('seeds', 5, 'To repeat with, for set-targets.')
_ATTEMPTS = flags.DEFINE_integer(
  'attempts',
  race.CARE.attempts,
  'At a trial that the machine fails.',
  lower_bound=1,
)
_PAUSE = flags.DEFINE_float(
  'pause', race.CARE.pause, 'Seconds before another attempt.'
)
_PREFLIGHT = flags.DEFINE_boolean(
  'preflight', True, 'Try what is long for a few steps before a run.'
)
_MIXED = flags.DEFINE_boolean(
  'mix_hardware', False, 'Add to results of another kind of hardware.'
)
_PRICE = flags.DEFINE_float(
  'price', None, 'Of an hour, for plan and preflight.', lower_bound=0.0
)
_ENGINE = flags.DEFINE_enum(
  'engine', 'local', fleet.ENGINES, 'What runs the trials of `run`.'
)
_OPTIONS = flags.DEFINE_list(
  'engine_options', [], "The engine's own, as NAME=VALUE."
)
_KIND = flags.DEFINE_string(
  'hardware', None, 'Kind of the machines, if not as this one: a measured one.'
)
# The terms of races: engine.Terms has them by the same names.
flags.DEFINE_string('data_dir', None, 'Folder of the data sets.')
flags.DEFINE_float(
  'silence', engine.TERMS.silence, 'Seconds without progress: a trial hangs.'
)
flags.DEFINE_boolean('network', False, 'Let trials use the network.')
flags.DEFINE_boolean(
  'shard_state', False, "Give each device a part of an optimizer's state."
)
flags.DEFINE_list(
  'also_on', [], "Words that reach each further host of a trial: 'ssh node2'."
)
flags.DEFINE_boolean(
  'prune', False, "Stop trials that cannot change their study's score."
)
_MEMORY = flags.DEFINE_float(
  'memory_gib', None, "Limit of a trial's process.", lower_bound=0.0
)
_PROFILE = flags.DEFINE_integer(
  'profile', 0, 'Steps of every trial to make a trace of.', lower_bound=0
)
# Of a machine of an engine's, and of the process of one trial.
_TRIAL = flags.DEFINE_string('trial', '', 'Its id in the plan.')
_FOLDER = flags.DEFINE_string('folder', '.', 'Folder of one trial.')
_STARTED = flags.DEFINE_float('started', 0.0, 'Monotonic seconds.')
_PROGRESS_FD = flags.DEFINE_integer(
  'progress_fd', -1, 'Where to tell progress.'
)
_BEATEN = flags.DEFINE_float(
  'beaten', math.inf, "Charged seconds that another of the study's needed."
)
_HOST = flags.DEFINE_integer('host', 0, 'Number of this one.')
_HOSTS = flags.DEFINE_integer('hosts', 1, 'That the trial runs on.')
_COORDINATOR = flags.DEFINE_string('coordinator', '', 'Where the first one is.')

COMMANDS = {
  'run': lambda: commands.run(_request()),
  'plan': lambda: commands.plan(_request()),
  'preflight': lambda: commands.preflight(_request()),
  'status': lambda: commands.status(pathlib.Path(_OUT.value), _JSON.value),
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
SENT = ('run', 'plan')  # The others do their work on this machine.


def main(argv: list[str]) -> int:
  if argv[1:] != ['trial']:  # Being terminated is as good as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
  command = COMMANDS.get(argv[1] if len(argv) > 1 else '')
  if command is None or len(argv) > 2:
    wrong = argv[2] if command else ' '.join(argv[1:])
    close = difflib.get_close_matches(wrong, COMMANDS, n=1)
    hint = f' Did you mean {close[0]!r}?' if close else ''
    known = ', '.join(name for name in COMMANDS if name not in INNER)
    print(f'No command {wrong!r}.{hint} Known: {known}.', file=sys.stderr)
    return 2
  try:
    if _ENGINE.value != 'local' and argv[1] not in SENT:
      raise ValueError(
        f'--engine={_ENGINE.value} is for the trials of `run`, and '
        f'`{argv[1]}` works on this machine. Leave it out.'
      )
    return command()
  except ValueError as error:  # Bad requests explain themselves.
    print(f'Error: {error}', file=sys.stderr)
    return 2
  except RuntimeError as error:
    print(f'Failed: {error}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    print('\nStopped. The same command goes on from here.', file=sys.stderr)
    return 1


def _request() -> requests.Request:
  return requests.Request(
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


def _terms() -> engine.Terms:
  """Each is called as its flag."""
  names = engine.Terms._fields
  given: dict[str, Any] = {name: flags.FLAGS[name].value for name in names}
  return engine.Terms(**given | {'also_on': tuple(given['also_on'])})


def _parse(argv: list[str]) -> list[str]:
  try:
    return flags.FLAGS(argv)
  except flags.Error as error:
    print(f'Error: {error}', file=sys.stderr)
    sys.exit(2)


if __name__ == '__main__':
  app.run(functools.partial(pipes.quietly, main), flags_parser=_parse)
