"""Names of the columns of a trial's files.

The columns of evaluations are AlgoPerf's, with three of ours (`TRACE`, `DATA`,
`VIEW`) for accounts that AlgoPerf does not report. All seconds are cumulative.
"""

from runner.protocol import layout

STEP = 'global_step'
SECONDS = 'accumulated_submission_time'  # All charged accounts.
EVAL = 'accumulated_eval_time'
LOGGING = 'accumulated_logging_time'
TRACE = 'accumulated_trace_time'
COMPILE = 'accumulated_compile_time'
DATA = 'accumulated_data_time'
VIEW = 'accumulated_view_time'
ATTEMPT = 'preemption_count'
SCORE = 'score'  # The same as SECONDS.
TOTAL = 'total_duration'  # All accounts.

# Columns that never fall from one evaluation to the next.
RISING = (
  STEP, SECONDS, EVAL, LOGGING, TRACE, COMPILE, DATA, VIEW, ATTEMPT, TOTAL,
)  # fmt: skip
TRAIN, VALIDATION, TEST = SPLITS = ('train', 'validation', 'test')


def names(file: str, rows: list[dict[str, object]]) -> list[str]:
  """Return the columns of a file, from its first row.

  Evaluations have the metrics of all splits, whichever the first row has.
  """
  first = rows[0] if rows else {}
  if file == layout.SCALARS:
    return list(first)
  metrics = [
    column.partition('/')[2]
    for column in first
    if column.startswith(f'{VALIDATION}/')
  ]
  return [column for column in first if '/' not in column] + [
    f'{split}/{metric}' for split in SPLITS for metric in metrics
  ]
