"""Commands of `python -m runner`; each returns its exit code.

0: done. 1: a trial or a check failed. Wrong options raise ValueError. Only
commands that train import JAX, in child processes.
"""

import contextlib
import pathlib
import shlex
import sys

from runner import machines, options as chosen, summaries
from runner.executors import cluster, race, untimed as untimed_trials
from runner.launch import planned_trial
from runner.launch.attempt import TrialOptions
from runner.options import Options
from runner.protocol import boards, layout, plan_file, results_folder, schemas
from runner.protocol.suites import suite_files
from runner.tools import (
  deciding,
  expected_hours,
  forget as forgetting,
  preflight as preflights,
  scoring_child,
  verify_again as again,
)


def run(options: Options) -> int:
  """Run missing trials, and resume stopped trials."""
  return deciding.run(options) if options.decide else _race(options)


def _race(options: Options) -> int:
  """Run the trials of the named submissions."""
  options = chosen.by_rules_of_board(options)
  suite = chosen.ready(options, chosen.racing(options))
  machine = machines.machine(options)
  here = machines.is_here(options, machine)
  untimed = options.trial.untimed
  chosen.check_untimed(options)
  local = options.executor == 'local'
  if local and not untimed:
    machines.check_here(options, machine)
  if options.trial.extra_hosts and not local:
    raise ValueError(
      '--extra_hosts adds hosts to this one, but '
      f'--engine={options.executor} gives every trial one node. Leave out one '
      'of the two flags.'
    )
  # Wrong options fail before measuring, and leave no folder.
  chosen.planned(options, suite, machine, {})
  results_folder.stored(options.out)
  if local:
    results_folder.make(options.out)
  if options.world is not None:
    path = suite_files.world_file(options.suite, options.world).absolute()
    print(f'World {options.world}: the targets are those of {path}.')
  find = machines.speeds if untimed else machines.all_speeds
  plan = chosen.planned(options, suite, machine, find(options, suite, machine))
  executor = chosen.executor(options, plan)
  merging = {
    'mixed': options.mixed or untimed,
    'grows': options.studies is not None,
  }
  tries = options.preflight and not untimed  # No hours of one machine.
  if tries and here:
    preflights.before(options.out, plan, options.trial, **merging)
  elif tries:
    print(f'Preflight is left out: this machine is not {machine.name}.')
  whole = race.run(
    options.out,
    plan,
    options.trial,
    limits=untimed_trials.limits(options.out) if untimed else None,
    retry=options.retry,
    executor=executor,
    **merging,
  )
  left = planned_trial.pending(options.out, whole)
  total = len(whole.trials)
  print(f'{total - len(left)} of {total} trials done in {options.out}.')
  folder = shlex.quote(str(options.out))
  if left:
    print(f'See: timetrial status --out={folder}', file=sys.stderr)
  elif options.against is not None:
    return _verdict(options)
  elif untimed:
    print(
      f'Next: timetrial time --out={folder} on a quiet machine, or, by steps: '
      f'timetrial score {folder} --by=steps'
    )
  else:
    print(f'Next: timetrial score {folder} --out=report')
  return 1 if left else 0


def plan(options: Options) -> int:
  """Print the trials that would run, and their longest time."""
  if options.decide:
    return deciding.show(options)
  options = chosen.by_rules_of_board(options)
  suite = chosen.racing(options)
  machine = machines.machine(options)
  speeds = machines.speeds(options, suite, machine)
  plan = chosen.planned(options, suite, machine, speeds)
  stops = options.trial.stop != 'none'
  expected = expected_hours.predict(options, plan) if stops else None
  if options.json:
    facts = {
      'hours': plan.hours,
      'cost': _cost(plan.hours, options.price),
      'hours_expected': expected and expected.hours,
      'stop': plan.stop,
    }
    print(schemas.text('plan', plan_file.dump(plan) | facts))
  else:
    print(summaries.of_plan(plan, options.price))
    if expected is not None:
      print(expected.said)
  return 0


def preflight(options: Options) -> int:
  """Try every kind of trial for a few steps; predict times."""
  suite = chosen.ready(options)
  machine = machines.machine(options)
  machines.check_here(options, machine)
  speeds = machines.speeds(options, suite, machine)
  plan = chosen.planned(options, suite, machine, speeds)
  found = preflights.run(plan, preflights.cells(plan.trials), options.trial)
  if options.json:
    cost = _cost(preflights.hours(found), options.price)
    print(schemas.text('preflight', preflights.table(found) | {'cost': cost}))
  else:
    print(summaries.of_forecasts(found, options.price))
  return 1 if any(one.failed for one in found) else 0


def verify_again(options: Options) -> int:
  """Evaluate every stored model of a results folder again."""
  out = options.out
  stored = results_folder.planned(out)
  found = list(again.verify(out, stored, options.trial))
  if options.json:
    print(schemas.text('verify-again', [one._asdict() for one in found]))
  else:
    print(again.text(found))
  return 0 if all(one.agrees for one in found) else 1


def _cost(hours: float | None, price: float | None) -> float | None:
  return None if hours is None or price is None else hours * price


def status(options: Options) -> int:
  """Print which trials are done, running or failed, and why."""
  out = options.out
  stored = results_folder.planned(out)
  rows = summaries.foreseen(out, summaries.trials(out, stored))
  if options.json:
    print(schemas.text('status', [row.to_json() for row in rows]))
  else:
    print(summaries.of_trials(rows))
  return 0


def forget(options: Options) -> int:
  """Take submissions out of a results folder."""
  for name, run, folder in forgetting.forget(
    options.out, chosen.named(options)
  ):
    print(
      f'{name} was removed from {options.out}. Its files, with {run} trials '
      f'that had run, are in {folder}.'
    )
  return 0


def work(out: pathlib.Path, ids: list[str], options: TrialOptions) -> int:
  """Run trials of a results folder, on a machine of a scheduler.

  Args:
    out: The results folder.
    ids: Ids of the trials in the plan.
    options: Options of all trials.
  """
  found = cluster.work(out, ids, options)
  if len(ids) == 1:
    print(f'{found[0].outcome or "not run"}. {found[0].reason}')
  return 0 if all(status.outcome for status in found) else 1


def _verdict(options: Options) -> int:
  """Let scoring say what the entries come to beside the board."""
  words = ['verdict', str(options.out), f'--board={options.against}']
  return scoring_child.run(words).returncode


def time(options: Options) -> int:
  """Time one trial of each program of a results folder."""
  from runner.tools import timing  # noqa: PLC0415

  if options.submissions and options.against is None:
    raise ValueError(
      'time --submissions names entries of the board of --against. All '
      f'programs of {options.out} are timed: leave out --submissions, or give '
      '--against.'
    )
  stored = results_folder.planned(options.out)
  machine = machines.machine(options)
  machines.check_here(options, machine)
  with contextlib.ExitStack() as stack:
    boards_raced = {options.out: stored}
    if options.against is not None:
      board = stack.enter_context(boards.opened(options.against))
      names = options.submissions or (stored.suite.reference,)
      boards_raced[board] = timing.part(board, names, stored.suite)
    speeds = machines.all_speeds(options, stored.suite, machine)
    made = timing.plan_of(boards_raced, machine, speeds)
    place = timing.run(
      options.out, made, boards_raced, options.trial, options.retry
    )
  left = planned_trial.pending(place, made)
  print(
    f'{len(made.trials) - len(left)} of {len(made.trials)} programs are timed '
    f'on {machine.name}.'
  )
  if busy := timing.disturbed(place, made):
    names = ', '.join(f'{t.submission} on {t.workload}' for t in busy)
    print(
      f'Other programs took more than {layout.HELD_UP:.0%} of the processor '
      f'time of {names}. Stop them, and give the same command again.',
      file=sys.stderr,
    )
    return 1
  if not left and options.against is not None:
    return _verdict(options)
  if not left:
    folder = shlex.quote(str(options.out))
    print(f'Next: timetrial score {folder} --out=report')
  return 1 if left else 0
