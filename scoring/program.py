"""Commands of scoring and their flags, for help and for `timetrial`.

Defines no flags: `timetrial` reads the tables of all programs at once.
"""

from workloads.command_line import Command, Program

_READING = ('suite', 'ruleset', 'mix_hardware', 'relax', 'by', 'hardware')
_DRAWN = ('integral', 'resample', 'draws', 'seed')
PROGRAM = Program(
  'scoring',
  'Score a results folder: print the leaderboard and write a report.',
  '[COMMAND] RESULTS --flags',
  {
    '': Command(
      'Print the leaderboard, and write the report.',
      (
        *_READING,
        *_DRAWN,
        'against',
        'out',
        'into',
        'report',
        'figures',
        'json',
      ),
      (
        'results --out=report',
        'path/to/logs --suite=algoperf_v06 --ruleset=external',
      ),
      takes='RESULTS',
    ),
    'replay': Command(
      'Show what smaller budgets, fewer studies and pruning would change.',
      (*_READING, 'integral', 'policy', 'json'),
      ('results', 'results --policy=safe'),
      takes='RESULTS',
    ),
    'verify': Command(
      'Check the results for contradictions.',
      (*_READING, 'json'),
      ('results',),
      takes='RESULTS',
    ),
    'verdict': Command(
      'Compare your entries with a board, in one paragraph.',
      ('board', 'reference', 'by', 'hardware', 'integral', 'json'),
      ('results --board=docs/leaderboard/self',),
      takes='RESULTS',
    ),
    'decide': Command(
      'Show which cells need more studies to tell ranks apart.',
      (
        *_READING,
        'integral',
        'draws',
        'seed',
        'hours',
        'jobs',
        'json',
      ),
      ('results', 'results --hours=2'),
      takes='RESULTS',
    ),
    'tensorboard': Command(
      'Write training curves for TensorBoard.',
      (*_READING, 'out'),
      ('results --out=report',),
      takes='RESULTS',
    ),
  },
  unnamed='score',
)
