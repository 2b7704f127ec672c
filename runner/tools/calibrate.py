"""Measurement of the reference algorithm's speed, for budgets in seconds."""

import dataclasses
import sys
from collections.abc import Mapping

from runner import planning
from runner.launch.attempt import TrialOptions
from runner.protocol import layout
from runner.protocol.plan import Machine, Speed
from runner.protocol.records.progress import OnProgress
from runner.protocol.suites.suite import Suite
from runner.tools import short_trial

STEPS = 0.25  # Share of the step budget that is run to measure the speed.


class CalibrationError(RuntimeError):
  """The reference algorithm did not run; the message says why."""


def missing(suite: Suite, speeds: Mapping[str, Speed]) -> list[str]:
  """Return workloads that need a measured speed and have none yet."""
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

  The clock's accounts separate compilation from the steps after it.

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
  plan = planning.make_endless(only, 'self', [suite.reference], machine)
  steps = max(2, int(STEPS * spec.steps))
  found = short_trial.run(plan, plan.trials[0], steps, options, on_progress)
  status = found.status
  if status.outcome != 'ended':
    raise CalibrationError(
      f'{suite.reference} on {name}: {status.outcome}: {status.reason}'
    )
  share = found.held_up
  if share > layout.HELD_UP:
    print(
      f'While {name} was measured, other programs used {share:.0%} of the '
      'processor time that it wanted: its budget is too long. Stop other '
      'programs and measure again: timetrial calibrate',
      file=sys.stderr,
    )
  return found.speed
