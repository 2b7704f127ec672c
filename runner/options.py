"""What the flags ask for: a part of a suite, submissions, a plan, speeds."""

import pathlib
from typing import Any, NamedTuple

import submissions
import workloads
from runner.executors import progress, race
from runner.launch import attempt as engine
from runner.machine import hardware
from runner.protocol import plan as plans, schema, suite as rules
from runner.tools import calibrate
from workloads import data


class Request(NamedTuple):
  """The flags, turned into values at once."""

  suite: str
  submissions: tuple[str, ...]
  workloads: tuple[str, ...]
  ruleset: str
  studies: int | None
  out: pathlib.Path
  json: bool
  points: int = 10  # Of each search space, to tune with.
  seeds: int = 5  # Repeats of the best point.
  hardware: pathlib.Path = hardware.FOLDER  # Measured speeds of machines.
  care: race.Care = race.CARE  # For trials that the machine fails.
  terms: engine.Terms = engine.TERMS
  preflight: bool = True  # Before long runs.
  mixed: bool = False  # Kinds of hardware in one results folder.
  price: float | None = None  # Of an hour, where it is to be told.
  engine: str = 'local'
  options: tuple[str, ...] = ()  # The engine's own, as NAME=VALUE.
  kind: str | None = None  # Of the machines, by name; None: as this one.


def ready(request: Request) -> rules.Rules:
  """The suite, its data being there; else DataError says how to get them."""
  suite = chosen_suite(request)
  for row in suite.workloads.values():
    data.find(workloads.canonical(row.workload), request.terms.data_dir)
  return suite


def chosen_suite(request: Request) -> rules.Rules:
  suite = rules.load(request.suite)
  rows = suite.workloads | suite.unscored
  chosen = tuple(map(workloads.canonical, request.workloads))
  for name in chosen:
    if name not in rows:
      workloads.check(name)
      raise rules.RulesError(
        f'Suite {suite.name} has no workload {name!r}. '
        f'It has: {", ".join(rows)}.'
      )
  chosen = chosen or tuple(suite.workloads)
  rulesets = suite.rulesets
  if request.studies is not None:
    most = schema.MOST['studies']
    if not 1 <= request.studies <= most:
      raise rules.RulesError(
        f'--studies={request.studies} must be positive, and at most {most}.'
      )
    rulesets = {
      name: ruleset._replace(studies=request.studies)
      for name, ruleset in rulesets.items()
    }
  return suite._replace(
    rulesets=rulesets,
    workloads={name: _alone(rows[name], chosen) for name in chosen},
    unscored={},
  )


def _alone(row: rules.Row, chosen: tuple[str, ...]) -> rules.Row:
  """A held-out variant that is raced without its base scores by itself."""
  return row if row.held_out_of in chosen else row._replace(held_out_of=None)


def named(request: Request) -> tuple[str, ...]:
  if not request.submissions:
    raise ValueError(
      'No submissions. Name some: --submissions=nadamw,lion,path/to/mine.py, '
      'or all that come with TimeTrial: --submissions=all'
    )
  if request.submissions != ('all',):
    return request.submissions
  known = submissions.names()
  if request.ruleset == 'external':  # Restarts, for one, tune themselves.
    return tuple(n for n in known if submissions.find(n).space is not None)
  return known


def machine(request: Request) -> dict[str, Any]:
  """The kind of machine that trials are for: this one, if none is named."""
  if request.kind is None:
    return here(request)
  return hardware.find(request.hardware, request.kind)


def here(request: Request) -> dict[str, Any]:
  """This machine, with the hosts beside it."""
  return hardware.describe(request.terms.hosts)


def is_here(request: Request, machine: dict[str, Any]) -> bool:
  return machine['name'] == here(request)['name']


def check_here(request: Request, machine: dict[str, Any]) -> None:
  """Raises ValueError where it is not this machine."""
  if not is_here(request, machine):
    raise ValueError(
      f'This machine is not {machine["name"]}. Leave out --hardware, or name '
      'an --engine that has such machines.'
    )


def options(request: Request) -> dict[str, str]:
  """What has no value is empty."""
  pairs = (one.partition('=') for one in request.options)
  return {name: value for name, _, value in pairs}


def planned(request: Request, suite, machine, speeds) -> plans.Plan:
  made = plans.make(suite, request.ruleset, named(request), machine, speeds)
  return made._replace(mixed=request.mixed, grows=request.studies is not None)


def known_speeds(request: Request, suite, machine) -> dict[str, hardware.Speed]:
  """Speeds on this machine, measured now where they are not known yet."""
  speeds = hardware.load(request.hardware, machine['name'], suite)
  lacking = calibrate.missing(suite, speeds)
  if lacking and request.engine != 'local':
    # This may be a machine to log in on, and not to measure.
    raise ValueError(
      f'{machine["name"]} is not calibrated for {", ".join(lacking)}. On one '
      f'such machine, with nothing else on it: python -m runner calibrate '
      f'--suite={request.suite} --hardware_dir={request.hardware.absolute()}; '
      'then --hardware=NAME here, as it prints it.'
    )
  if lacking:
    speeds |= measured(request, suite, lacking, machine)
  return speeds


def measured(
  request: Request, suite, names, machine
) -> dict[str, hardware.Speed]:
  hardware.check_folder(request.hardware)
  print(f'Measuring {suite.reference} on this machine ({machine["name"]}) ...')
  with progress.Progress(len(names)) as live:
    speeds = {}
    for name in names:
      live.begin(
        f'{suite.reference} on {name}',
        {'metric': suite.workloads[name].metric},
      )
      speeds[name] = calibrate.measure(
        suite, name, machine, request.terms, live.tell
      )
  path = hardware.save(request.hardware, machine, suite, speeds)
  print(f'Written to {path}.')
  return speeds
