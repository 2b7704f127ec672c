"""Measures what a suite's step budgets are worth in seconds on this machine."""

import sys

from runner.launch import attempt
from runner.machine.hardware import Speed
from runner.protocol import layout, plan, suite as rules
from runner.tools import short_trial

STEPS = 0.25  # Of the step budget, run to measure the speed.


class CalibrationError(RuntimeError):
  """The reference algorithm did not run; the message says why."""


def missing(suite: rules.Suite, speeds: dict[str, Speed]) -> list[str]:
  """Workloads that need calibrated budgets and have none on this machine."""
  return [
    name
    for name, row in suite.workloads.items()
    if row.seconds is None and name not in speeds
  ]


def measure(
  suite: rules.Suite,
  name: str,
  machine: dict,
  terms: attempt.TrialOptions,
  tell: attempt.Tell,
) -> Speed:
  """Runs the reference algorithm on a workload for a share of its steps.

  Compilation and the steps after it are told apart by the clock's accounts.
  """
  row = suite.workloads[name]
  only = suite._replace(workloads={name: row})
  made = plan.make_endless(only, 'self', [suite.reference], machine)
  steps = max(2, int(STEPS * row.steps))
  found = short_trial.run(made, made.trials[0], steps, terms, tell)
  status = found.status
  if status.outcome != 'ended':
    raise CalibrationError(
      f'{suite.reference} on {name}: {status.outcome}: {status.reason}'
    )
  share = layout.held_up(found.end.get('load', {}))
  if share > layout.HELD_UP:
    print(
      f'While {name} was measured, others had {share:.0%} of the processor '
      'time that it wanted: its budget is too long. Measure again when nothing '
      'else runs: python -m runner calibrate',
      file=sys.stderr,
    )
  return found.speed
