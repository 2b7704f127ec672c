"""Options of commands, and the suite, plan and speeds that they select."""

import dataclasses
import pathlib

import submissions
import workloads
from runner import planning
from runner.executors import cluster
from runner.executors.base import Executor
from runner.executors.jobs import JobsExecutor
from runner.executors.race import RetryPolicy
from runner.launch.attempt import TrialOptions
from runner.machine import speeds as measured_speeds
from runner.protocol import boards, plan_file
from runner.protocol.plan import Machine, Plan, Speed
from runner.protocol.suites import schema, suite as suites, suite_files
from runner.protocol.suites.schema import SuiteError
from runner.protocol.suites.suite import Suite
from runner.protocol.suites.workload_spec import WorkloadSpec
from workloads import data, worlds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """The flags of a command, turned into values once.

  Attributes:
    suite: Name or file of the suite.
    submissions: Names or paths of submissions.
    workloads: Names of workloads; empty: all of the suite.
    ruleset: 'self' or 'external'.
    studies: Number of studies; None: the ruleset's number.
    out: Results folder.
    json: Whether to print JSON.
    points: Points of each search space, for tuning.
    seeds: Repetitions of the best point.
    starts_only: Whether to measure where training begins and no targets.
    write: Whether to write the best point of a tuning as SELF.
    hardware_dir: Folder of measured speeds.
    retry: Attempts and pauses after machine failures.
    trial: Options of all trials.
    preflight: Whether long trials are tried for a few steps first.
    mixed: Whether kinds of machines may be mixed in one results folder.
    price: Price of an hour on the machine, for reports.
    executor: Name of the executor that runs the trials.
    executor_options: Options of the executor, as NAME=VALUE.
    jobs: Number of untimed trials at once on this machine.
    against: Folder of a board to race against, by its rules.
    machine: Name of a measured kind of machine; None: this machine's kind.
    decide: Whether to decide from the results which cells get more studies.
    hours: Hours in which new trials of `decide` may start; None: no limit.
    world: World of all workloads; None: as the suite says.
  """

  suite: str = 'mini'
  submissions: tuple[str, ...] = ()
  workloads: tuple[str, ...] = ()
  ruleset: str = 'self'
  studies: int | None = None
  out: pathlib.Path = pathlib.Path('results')
  json: bool = False
  points: int = 10
  seeds: int = 5
  starts_only: bool = False
  write: bool = False
  hardware_dir: pathlib.Path = measured_speeds.FOLDER
  retry: RetryPolicy = dataclasses.field(default_factory=RetryPolicy)
  trial: TrialOptions = dataclasses.field(default_factory=TrialOptions)
  preflight: bool = True
  mixed: bool = False
  price: float | None = None
  executor: str = 'local'
  executor_options: tuple[str, ...] = ()
  jobs: int = 1
  against: pathlib.Path | None = None
  machine: str | None = None
  decide: bool = False
  hours: float | None = None
  world: int | None = None


def load(options: Options) -> Suite:
  """Return the whole suite: that of the board to race against, if any."""
  if options.against is not None:
    return boards.plan(options.against).suite
  return suites.load(
    options.suite,
    workloads.canonical,
    options.world,
    started=not options.starts_only,
  )


def by_rules_of_board(options: Options) -> Options:
  """Return the options with ruleset and studies of the board, if any."""
  if options.against is None:
    return options
  plan = boards.plan(options.against)
  return dataclasses.replace(
    options, ruleset=plan.ruleset, studies=options.studies or plan.studies
  )


def ready(options: Options, suite: Suite | None = None) -> Suite:
  """Return the chosen part of the suite, after a check of its datasets.

  Args:
    options: The options.
    suite: That part, if it is known.

  Raises:
    DataError: a dataset is missing; the message says how to get it.
  """
  suite = suite or chosen_suite(options)
  for spec in suite.workloads.values():
    data.find(workloads.canonical(spec.workload), options.trial.data_dir)
  return suite


def chosen_suite(options: Options) -> Suite:
  """Return the suite with the chosen workloads and number of studies.

  Raises:
    SuiteError: a workload is not in the suite, or the number is wrong.
  """
  suite = load(options)
  specs = suite.workloads | suite.unscored
  chosen = tuple(map(workloads.canonical, options.workloads))
  for name in chosen:
    if name not in specs:
      workloads.check(name)
      raise SuiteError(
        f'Suite {suite.name} has no workload {name!r}. '
        f'It has: {", ".join(specs)}.'
      )
    if options.world is not None:
      worlds.check(name, options.world)
  chosen = chosen or tuple(suite.workloads)
  rulesets = suite.rulesets
  if options.studies is not None:
    most = schema.MOST_STUDIES
    if not 1 <= options.studies <= most:
      raise SuiteError(
        f'--studies={options.studies} must be positive, and at most {most}.'
      )
    rulesets = {
      name: dataclasses.replace(ruleset, studies=options.studies)
      for name, ruleset in rulesets.items()
    }
  return dataclasses.replace(
    suite,
    rulesets=rulesets,
    workloads={name: _alone(specs[name], chosen) for name in chosen},
    unscored={},
  )


def racing(options: Options) -> Suite:
  """Return the chosen part of the suite, with targets in every other world.

  World 0 may lack targets: its curves can be compared with published ones.

  Raises:
    SuiteError: a workload has no target; the message says how to set it.
  """
  suite = chosen_suite(options)
  rows = suite.workloads.values()
  aimless = [s.workload for s in rows if s.world and s.target is None]
  if aimless:
    path, flags = suite_files.find(options.suite), f'--suite={options.suite}'
    if options.world is not None:
      path = suite_files.world_file(options.suite, options.world).absolute()
      flags += f' --world={options.world}'
    if set(aimless) != load(options).workloads.keys():
      flags += f' --workloads={",".join(aimless)}'
    world = suite.workloads[aimless[0]].world
    raise SuiteError(
      f'There are no targets in world {world} for {", ".join(aimless)}: {path} '
      'has none, and those of other worlds do not hold. Set them first: '
      f'timetrial set-targets {flags} --out=targets_{world}'
    )
  return suite


def _alone(spec: WorkloadSpec, chosen: tuple[str, ...]) -> WorkloadSpec:
  """Let a held-out variant score by itself if its base is not raced."""
  if spec.held_out_of in chosen:
    return spec
  return dataclasses.replace(spec, held_out_of=None)


def named(options: Options) -> tuple[str, ...]:
  """Return the names or paths of the submissions.

  Raises:
    ValueError: none is named.
  """
  if not options.submissions:
    raise ValueError(
      'No submissions are named. Name some: '
      '--submissions=nadamw,lion,path/to/mine.py, or all that come with '
      'TimeTrial: --submissions=all'
    )
  if options.submissions != ('all',):
    return options.submissions
  return submissions.names()


def check_untimed(options: Options) -> None:
  """Raise ValueError if options contradict trials that are not timed."""
  if options.jobs > 1 and not options.trial.untimed:
    raise ValueError(
      f'--jobs={options.jobs}: timed trials run alone, as they would slow each '
      'other down. Add --untimed, or leave out --jobs.'
    )
  if options.jobs > 1 and options.executor != 'local':
    raise ValueError(
      f'--jobs is for this machine, and --engine={options.executor} sends '
      'trials to others. Leave out one of the two flags.'
    )


def executor(options: Options, plan: Plan) -> Executor:
  """Return the executor of a race's trials."""
  if options.jobs > 1:
    return JobsExecutor(options.jobs)
  return cluster.find(options.executor, options.out, plan, of_executor(options))


def of_executor(options: Options) -> dict[str, str]:
  """Return the executor's options; an option without a value is ''."""
  pairs = (one.partition('=') for one in options.executor_options)
  return {name: value for name, _, value in pairs}


def planned(
  options: Options, suite: Suite, machine: Machine, speeds: dict[str, Speed]
) -> Plan:
  """Return the plan of the named submissions.

  Args:
    options: The options.
    suite: The chosen suite.
    machine: The kind of machine.
    speeds: Measured speeds by workload, where known.
  """
  made = planning.make(suite, options.ruleset, named(options), machine, speeds)
  if options.trial.stop != 'safe':
    return made
  return plan_file.sealed(dataclasses.replace(made, stop='safe'))
