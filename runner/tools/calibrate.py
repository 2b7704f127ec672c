"""Measures what a suite's step budgets are worth in seconds on this machine."""

import dataclasses
import sys
from collections.abc import Mapping

from runner import planning
from runner.launch.attempt import OnProgress, TrialOptions
from runner.protocol import layout
from runner.protocol.plan import Machine, Speed
from runner.protocol.suite import Suite
from runner.tools import short_trial

STEPS = 0.25  # Of the step budget, run to measure the speed.


class CalibrationError(RuntimeError):
  """The reference algorithm did not run; the message says why."""


def missing(suite: Suite, speeds: Mapping[str, Speed]) -> list[str]:
  """Return workloads whose budgets are calibrated and not known here."""
  return [
    name
    for name, spec in suite.workloads.items()
    if spec.seconds is None and name not in speeds
  ]


def measure(
  suite: Suite,
  name: str,
  machine: Machine,
  options: TrialOptions,
  on_progress: OnProgress,
) -> Speed:
  """Run the reference algorithm on a workload for a share of its steps.

  The clock's accounts tell compilation from the steps after it.

  Args:
    suite: The suite.
    name: Name of the workload.
    machine: This machine.
    options: Options of all trials.
    on_progress: Called with every progress event.

  Raises:
    CalibrationError: the reference algorithm did not run.
  """
  spec = suite.workloads[name]
  only = dataclasses.replace(suite, workloads={name: spec})
  made = planning.make_endless(only, 'self', [suite.reference], machine)
  steps = max(2, int(STEPS * spec.steps))
  found = short_trial.run(made, made.trials[0], steps, options, on_progress)
  status = found.status
  if status.outcome != 'ended':
    raise CalibrationError(
      f'{suite.reference} on {name}: {status.outcome}: {status.reason}'
    )
  share = found.held_up
  if share > layout.HELD_UP:
    print(
      f'While {name} was measured, others had {share:.0%} of the processor '
      'time that it wanted: its budget is too long. Measure again when nothing '
      'else runs: timetrial calibrate',
      file=sys.stderr,
    )
  return found.speed
