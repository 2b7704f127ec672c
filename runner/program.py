"""Commands of the runner and their flags, for help and for `timetrial`.

Defines no flags: `timetrial` reads the tables of all programs at once.
"""

from workloads.command_line import Command, Program

_CHOICE = ('suite', 'workloads')
_WORLD = (*_CHOICE, 'world')
_ENTRIES = (*_WORLD, 'submissions', 'ruleset', 'studies')
_TERMS = (
  'data_dir',
  'hang_timeout',
  'network',
  'memory_gib',
  'shard_state',
  'extra_hosts',
)
_ENGINES = ('engine', 'engine_options', 'hardware')
PROGRAM = Program(
  'runner',
  'Plan, run and follow races.',
  'COMMAND --flags',
  {
    'run': Command(
      'Run missing trials in --out, resume stopped trials.',
      (
        *_ENTRIES,
        'out',
        *_TERMS,
        'attempts',
        'pause',
        'stop',
        'prune',
        'untimed',
        'jobs',
        'against',
        'decide',
        'hours',
        'preflight',
        'profile',
        'mix_hardware',
        'hardware_dir',
        *_ENGINES,
      ),
      (
        '--submissions=nadamw,lion --out=results',
        '--submissions=mine.py --against=docs/leaderboard/self --untimed',
      ),
    ),
    'plan': Command(
      'Print the trials that would run.',
      (
        *_ENTRIES,
        'decide',
        'stop',
        'against',
        'out',
        'hours',
        'jobs',
        'mix_hardware',
        'json',
        'price',
        'extra_hosts',
        'hardware_dir',
        *_ENGINES,
      ),
      ('--suite=mini --submissions=nadamw,lion', '--decide --out=results'),
    ),
    'preflight': Command(
      'Test all trials for a few steps; predict times and memory.',
      (*_ENTRIES, *_TERMS, 'json', 'price', 'hardware_dir'),
      ('--suite=mini --submissions=nadamw,lion',),
    ),
    'status': Command(
      'Print what is done, running or failed, and why.',
      ('out', 'json'),
      ('--out=results',),
    ),
    'verify-again': Command(
      'Evaluate the stored models of a results folder again.',
      ('out', 'data_dir', 'hang_timeout', 'json'),
      ('--out=results',),
    ),
    'forget': Command(
      'Remove submissions from a results folder; their files are kept.',
      ('submissions', 'out'),
      ('--submissions=mine --out=results',),
    ),
    'check': Command(
      'Test submissions before they are entered.',
      (*_WORLD, 'submissions', *_TERMS),
      (
        '--submissions=path/to/mine.py',
        '--submissions=path/to/mine.py --workloads=digits',
      ),
    ),
    'calibrate': Command(
      'Measure the seconds of step budgets on this machine.',
      (*_WORLD, *_TERMS, 'hardware_dir'),
      ('--suite=mini',),
    ),
    'set-targets': Command(
      "Find a suite's targets by tuning several algorithms.",
      (
        *_WORLD,
        'submissions',
        'points',
        'seeds',
        'starts_only',
        'out',
        'jobs',
        *_TERMS,
      ),
      (
        '--suite=path/to/suite.toml',
        '--world=7 --out=targets_7',
      ),
    ),
    'time': Command(
      'Time one trial of each program, for the seconds of untimed trials.',
      (
        'out',
        'against',
        'submissions',
        *_TERMS,
        'attempts',
        'pause',
        'hardware_dir',
      ),
      ('--out=results', '--out=results --against=docs/leaderboard/self'),
    ),
    'tune': Command(
      'Find one point of a submission that is good on all workloads.',
      (*_CHOICE, 'submissions', 'points', 'write', 'out', 'jobs', *_TERMS),
      ('--submissions=path/to/mine.py --points=4 --out=tuning --write',),
    ),
    'export-algoperf': Command(
      'Write submissions as folders that AlgoPerf runs.',
      ('submissions', 'out'),
      ('--submissions=lion --out=exported',),
    ),
  },
)
