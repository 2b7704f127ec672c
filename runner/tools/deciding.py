"""Races that results decide: only studies that tell ranks apart.

Scoring says in a child process which cells of a results folder need more
studies. Each round adds one study to each of these cells, because what is
worth running changes with every result.
"""

import dataclasses
import math
import shlex
import sys
import time
from collections.abc import Sequence

from runner import machines, options as chosen, planning
from runner.executors import race, untimed
from runner.executors.jobs import JobsExecutor
from runner.launch import planned_trial
from runner.options import Options
from runner.protocol import plan_file, results_folder
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records import decisions
from runner.protocol.records.decisions import Decision
from runner.tools import scoring_child


def show(options: Options) -> int:
  """Print what to run next; return the exit code."""
  results_folder.planned(options.out)
  return scoring_child.run(_words(options, options.hours)).returncode


def run(options: Options) -> int:
  """Run studies until ranks are told apart, or the hours are spent.

  Trials that are planned and missing run first. Trials of a round that have not
  begun when the hours are spent leave the plan, so no cell stays open for them.

  Args:
    options: The options of the command.

  Returns:
    The exit code: 1 if trials failed.
  """
  stored = results_folder.planned(options.out)
  machine = machines.machine(options)
  chosen.check_untimed(options)
  if not options.trial.untimed:
    machines.check_here(options, machine)
  chosen.ready(options, stored.suite)
  speeds = machines.speeds(options, stored.suite, machine)
  here = dataclasses.replace(
    stored,
    machine=machine,
    also=(),
    budgets=planning.budgets(stored.suite, stored.ruleset, speeds),
  )
  begun = time.monotonic()
  hours = math.inf if options.hours is None else options.hours
  end = begun + 3600 * hours
  added = 0
  cells: Sequence[tuple[str, str]] = ()
  while True:
    more = planning.further(stored, cells)
    if more or planned_trial.pending(options.out, stored):
      stored, ran = _round(options, here, more, end)
      added += ran
    if left := planned_trial.pending(options.out, stored):
      break
    remaining = (end - time.monotonic()) / 3600
    if remaining <= 0:
      break
    found = _decided(options, None if math.isinf(end) else remaining)
    if not found.cells:
      break
    print(' '.join(found.reasons), flush=True)
    cells = found.cells
  spent = (time.monotonic() - begun) / 3600
  print(f'{added} trials were added in {spent:.2f} h.', flush=True)
  folder = shlex.quote(str(options.out))
  if left and time.monotonic() < end:
    print(f'See: timetrial status --out={folder}', file=sys.stderr)
    return 1
  return scoring_child.run(_words(options, None)).returncode


def _round(
  options: Options, here: Plan, more: Sequence[PlannedTrial], end: float
) -> tuple[Plan, int]:
  """Run missing and new trials; return the folder's plan and how many are new.

  Args:
    options: The options of the command.
    here: The stored plan with the machine and the budgets of now.
    more: New trials.
    end: Time of `time.monotonic` from which on no trial starts.
  """
  plan = plan_file.sealed(dataclasses.replace(here, trials=tuple(more)))
  ids = {trial.id for trial in more}
  withdrawn: list[str] = []
  try:
    race.run(
      options.out,
      plan,
      options.trial,
      limits=untimed.limits(options.out) if options.trial.untimed else None,
      retry=options.retry,
      executor=JobsExecutor(options.jobs) if options.jobs > 1 else None,
      mixed=options.mixed or options.trial.untimed,
      end=end,
    )
  finally:
    withdrawn = results_folder.withdraw(options.out, ids)
  return results_folder.planned(options.out), len(ids) - len(withdrawn)


def _decided(options: Options, hours: float | None) -> Decision:
  """Return what scoring says to run next.

  Args:
    options: The options of the command.
    hours: Hours that are left; None: no limit.

  Raises:
    ValueError: the results cannot be scored; scoring has said why.
  """
  done = scoring_child.run([*_words(options, hours), '--json'], reads=True)
  if done.returncode:
    raise ValueError(
      f'The results in {options.out} cannot be scored, so nothing can be '
      'decided from them. Score them first: timetrial score '
      f'{shlex.quote(str(options.out))}'
    )
  return decisions.parse(done.stdout)


def _words(options: Options, hours: float | None) -> list[str]:
  """Return the command of scoring that decides."""
  words = ['decide', str(options.out), f'--jobs={options.jobs}']
  if hours is not None:
    words.append(f'--hours={hours:.6f}')
  if options.mixed:
    words.append('--mix_hardware')
  if options.json:
    words.append('--json')
  return words
