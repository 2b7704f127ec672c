"""Commands of workloads and their flags, for help and for `timetrial`.

Defines no flags: `timetrial` reads the tables of all programs at once.
"""

from workloads.command_line import Command, Program

PROGRAM = Program(
  'workloads',
  'The datasets of workloads.',
  'COMMAND --flags',
  {
    'data status': Command(
      'Show which data are ready, which are missing, and where to get them.',
      ('workload', 'data_dir'),
      ('--data_dir=data',),
    ),
    'data prepare': Command(
      'Prepare datasets from their published files; download without --raw.',
      ('workload', 'data_dir', 'raw'),
      ('--workload=mnist,cifar --data_dir=data',),
    ),
    'data import': Command(
      'Copy a dataset that TFDS prepared elsewhere.',
      ('workload', 'data_dir', 'source'),
      ('--workload=mnist --source=path/to/mnist --data_dir=data',),
    ),
  },
)
