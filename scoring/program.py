"""Commands of scoring and their flags, for help and for `timetrial`.

Defines no flags: `timetrial` reads the tables of all programs at once.
"""

from workloads.command_line import Command, Program

_READING = ('suite', 'ruleset', 'mix_hardware', 'relax')
_DRAWN = ('integral', 'resample', 'draws', 'seed')
PROGRAM = Program(
  'scoring',
  'Scores a results folder: the leaderboard on the terminal, and a report.',
  '[COMMAND] RESULTS --flags',
  {
    '': Command(
      'Print the leaderboard, and write the report.',
      (*_READING, *_DRAWN, 'against', 'out', 'into', 'report', 'json'),
      (
        'results --out=report',
        'path/to/logs --suite=algoperf_v06 --ruleset=external',
      ),
      takes='RESULTS',
    ),
    'replay': Command(
      'Say what smaller budgets, fewer studies and pruning would have changed.',
      (*_READING, 'integral', 'json'),
      ('results',),
      takes='RESULTS',
    ),
    'verify': Command(
      'Say what in the results should not be believed.',
      (*_READING, 'json'),
      ('results',),
      takes='RESULTS',
    ),
    'tensorboard': Command(
      'Write curves for TensorBoard.',
      (*_READING, 'out'),
      ('results --out=report',),
      takes='RESULTS',
    ),
  },
  unnamed='score',
)
