"""`timetrial score|replay|verify|decide|... RESULTS`; `python -m scoring`.

`score` prints the leaderboard, and writes index.html, report.md,
leaderboard.csv, leaderboard.json and times_to_target.csv into --out.
`replay` says what smaller budgets, fewer studies and pruning would have
changed; `verify` says what should not be believed; `tensorboard` writes the
curves for TensorBoard. `python -m scoring` calls `score` by no name.
"""

import math
import pathlib
import sys

import rich.console
from absl import flags

from runner.protocol import boards, schemas
from scoring.load import results as read
from scoring.program import PROGRAM
from scoring.rank import board, bootstrap, score
from scoring.report import sentences, terminal
from workloads import command_line

_SUITE = flags.DEFINE_string(
  'suite',
  None,
  "Name or .toml file of the suite to score by; default: the plan's suite.",
)
flags.DEFINE_alias('rules', 'suite')
_RULESET = flags.DEFINE_enum(
  'ruleset',
  None,
  ['self', 'external'],
  'Ruleset for results without a plan; decides budgets and studies.',
)
_MIXED = flags.DEFINE_boolean(
  'mix_hardware', False, 'Rank trials on different kinds of hardware together.'
)
_RELAX = flags.DEFINE_float(
  'relax',
  0.0,
  'Share by which to make every target easier, as AlgoPerf does: 0.05 is 5 %. '
  "The easier target then counts alone, without the suite's ladder.",
)
_BY = flags.DEFINE_enum(
  'by',
  None,
  read.EFFORTS,
  'Effort to score by; default: seconds, or steps for untimed trials without '
  'time profiles.',
)
_HARDWARE = flags.DEFINE_string(
  'hardware',
  None,
  'Kind of machine whose time profiles give the seconds of untimed trials; '
  'default: the planned one, or the only one.',
)
_INTEGRAL = flags.DEFINE_enum(
  'integral',
  'exact',
  score.INTEGRALS,
  'How to compute the area under the profiles: in closed form, or by the '
  "published boards' trapezoids on 100 points.",
)
_RESAMPLE = flags.DEFINE_enum(
  'resample',
  'studies',
  bootstrap.UNITS,
  'Unit to draw again (bootstrap) for the intervals.',
)
_DRAWS = flags.DEFINE_integer(
  'draws',
  bootstrap.DRAWS,
  'Number of draws for the intervals.',
  lower_bound=1,
  upper_bound=bootstrap.MOST,
)
_SEED = flags.DEFINE_integer(
  'seed', bootstrap.SEED, 'Seed of the draws.', lower_bound=0
)
_AGAINST = flags.DEFINE_string(
  'against',
  None,
  "Submission that speedups compare with; default: the suite's reference.",
)
_BOARD = flags.DEFINE_string(
  'board', None, 'Folder of the board to compare with, for `verdict`.'
)
_REFERENCE = flags.DEFINE_string(
  'reference',
  None,
  'Entry of the board to compare with; default: adamw, or the leader where '
  'adamw has no such times.',
)
_HOURS = flags.DEFINE_float(
  'hours',
  None,
  'Hours that the new studies of `decide` may take; default: no limit.',
  lower_bound=0.0,
  upper_bound=1e6,
)
_JOBS = flags.DEFINE_integer(
  'jobs',
  1,
  'Number of trials at once, for the hours of `decide`.',
  lower_bound=1,
  upper_bound=1024,
)
_POLICY = flags.DEFINE_enum(
  'policy',
  'exact',
  ['exact', 'safe'],
  'What stops trials early in `replay`: only what provably changes no score '
  '(exact), or also a forecast that the target will not be reached (safe).',
)
_OUT = flags.DEFINE_string('out', 'report', 'Folder for the report.')
_INTO = flags.DEFINE_string(
  'into',
  None,
  "Markdown file to update with the leaderboard, between report.md's markers.",
)
_REPORT = flags.DEFINE_boolean('report', True, 'Write the report.')
_FIGURES = flags.DEFINE_boolean(
  'figures', False, 'Write figures for papers, too: SVG and PNG files.'
)
_JSON = flags.DEFINE_boolean('json', False, 'Print JSON for programs.')


def main(argv: list[str]) -> int:
  """Run one command and return the exit status."""
  try:
    match argv[1:]:
      case [command, folder] if command in COMMANDS:
        _refuse_others(command)
        return COMMANDS[command](folder)
      case [folder] if folder not in PROGRAM.commands:
        _refuse_others('')
        return COMMANDS[''](folder)
    named = len(argv) > 1 and argv[1] in PROGRAM.commands
    raise ValueError(
      f'Give exactly one results folder, not {len(argv) - 1 - named}: '
      'timetrial score results --out=report, '
      f'or timetrial {"|".join(filter(None, COMMANDS))} results'
    )
  except ValueError as error:  # Errors of ours are ValueErrors; no traceback.
    print(f'Error: {sentences.clean(str(error), "?")}', file=sys.stderr)
    return 2


def _refuse_others(command: str) -> None:
  """Raise a ValueError where a flag of other commands is given."""
  own = PROGRAM.commands[command].flags
  known = {name for one in PROGRAM.commands.values() for name in one.flags}
  for name in sorted(known - {*own}):
    if flags.FLAGS[name].present:
      typed = command or PROGRAM.unnamed
      raise ValueError(
        f'`{typed}` does not use --{name}. Leave it out; all flags: timetrial '
        f'{typed} --help'
      )


def _read(folder: str) -> read.Results:
  return read.read(
    pathlib.Path(folder),
    _SUITE.value,
    _RULESET.value,
    _MIXED.value,
    _RELAX.value,
    _BY.value,
    _HARDWARE.value,
  )


def _report_folder(results: pathlib.Path) -> pathlib.Path:
  """Return the folder for the report.

  Raises:
    ValueError: it is empty, or within the results, whose folders are entries.
  """
  out = pathlib.Path(_OUT.value)
  within = results.resolve() in (out.resolve(), *out.resolve().parents)
  if not _OUT.value or within:
    raise ValueError(
      f'--out={_OUT.value} must be a folder outside the results {results}, '
      'whose folders are entries. For example: --out=report'
    )
  return out


def _score(results: read.Results, out: pathlib.Path) -> int:
  if _FIGURES.value and not _REPORT.value:
    raise ValueError(
      '--figures are a part of the report, and --noreport leaves it out. Leave '
      'out one of the two.'
    )
  scored = board.make(results, _INTEGRAL.value)
  if not (_REPORT.value or _JSON.value or _INTO.value):
    spread = bootstrap.bootstrap(
      scored, _RESAMPLE.value, _DRAWS.value, _SEED.value
    )
    terminal.show(results, scored, spread, _console())
    return 0
  from scoring.rank import analysis  # noqa: PLC0415  Slower than the scores.
  from scoring.report import export, markdown  # noqa: PLC0415  Slower than the scores.

  made = analysis.make(
    results,
    scored,
    unit=_RESAMPLE.value,
    draws=_DRAWS.value,
    seed=_SEED.value,
    against=_AGAINST.value,
  )
  written = None
  if _REPORT.value:
    from scoring import verify  # noqa: PLC0415  Reads all records.
    from scoring.report import write  # noqa: PLC0415  Draws.

    written = write.write(
      results,
      scored,
      made,
      out,
      verify.verify(results),
      figures=_FIGURES.value,
    )
  if _INTO.value:
    markdown.renew(
      pathlib.Path(_INTO.value), markdown.render(results, scored, made)
    )
  if _JSON.value:
    print(schemas.text('score', export.everything(results, scored, made)))
  else:
    terminal.show(results, scored, made.spread, _console(), written)
  return 0


def _replay(results: read.Results) -> int:
  from scoring.rank import replay  # noqa: PLC0415  Needed by this command only.

  found = replay.replay(results, _INTEGRAL.value, _POLICY.value)
  if _JSON.value:
    print(schemas.text('replay', replay.table(found)))
  else:
    replay.show(found, _console())
  return 0


def _verdict(folder: str) -> int:
  """Print what one's own entries come to beside a board."""
  from scoring.load import beside  # noqa: PLC0415  Needed by this command only.
  from scoring.report import verdict  # noqa: PLC0415  The same.

  if _BOARD.value is None:
    raise ValueError(
      'Name the board to compare with: --board=docs/leaderboard/self'
    )
  with boards.opened(pathlib.Path(_BOARD.value)) as other:
    results = beside.joined(
      pathlib.Path(folder), other, _BY.value, _HARDWARE.value
    )
  scored = board.make(results, _INTEGRAL.value)
  assert results.plan is not None
  mine = dict.fromkeys(trial.submission for trial in results.plan.trials)
  known = [
    standing.submission
    for standing in scored.standings
    if standing.submission not in mine
  ]
  usual = 'adamw' if 'adamw' in known or not known else known[0]
  reference = _REFERENCE.value or usual
  if not known:
    raise ValueError(
      f'No entry of the board can be compared by {results.effort}: {folder} '
      'has no time profile of any. Make some with timetrial time '
      f'--out={folder}, or compare by steps with --by=steps.'
    )
  if reference not in known:
    raise ValueError(
      f'--reference={reference} is not among the entries that can be compared '
      f'by {results.effort}: {", ".join(known)}.'
    )
  if _JSON.value:
    found = [verdict.table(results, scored, name, reference) for name in mine]
    print(schemas.text('verdict', found))
  else:
    for name in mine:
      print(verdict.text(results, scored, name, reference))
  return 0


def _decide(results: read.Results) -> int:
  """Print which cells need more studies to tell ranks apart."""
  from scoring.rank import allocation, costs  # noqa: PLC0415  Needed by this command only.
  from scoring.report import decision  # noqa: PLC0415  The same.

  scored = board.make(results, _INTEGRAL.value)
  spread = bootstrap.bootstrap(scored, 'studies', _DRAWS.value, _SEED.value)
  jobs = _JOBS.value
  limit = math.inf if _HOURS.value is None else 3600 * jobs * _HOURS.value
  found = allocation.allocate(
    scored, spread, costs.study_seconds(results, scored), limit
  )
  if _JSON.value:
    told = decision.table(found, scored, spread, jobs)
    print(schemas.text('decide', told))
  else:
    decision.show(found, scored, spread, jobs, _console())
  return 0


def _tensorboard(results: read.Results) -> int:
  from scoring.report import tensorboard  # noqa: PLC0415  Needed by this command only.

  place = _report_folder(results.folder) / 'tensorboard'
  written = tensorboard.write(results, place)
  print(f'{written} trials written. See: tensorboard --logdir={place}')
  return 0


def _verify(results: read.Results) -> int:
  """Print all findings; return 1 if there is a doubt, else 0."""
  from scoring import verify  # noqa: PLC0415  Needed by this command only.

  found = verify.verify(results)
  if _JSON.value:
    print(schemas.text('verify', verify.table(found)))
  else:
    verify.show(results, found, _console())
  return 1 if any(one.doubt for one in found) else 0


COMMANDS = {
  '': lambda folder: _score(
    _read(folder), _report_folder(pathlib.Path(folder))
  ),
  'replay': lambda folder: _replay(_read(folder)),
  'verify': lambda folder: _verify(_read(folder)),
  'verdict': _verdict,
  'decide': lambda folder: _decide(_read(folder)),
  'tensorboard': lambda folder: _tensorboard(_read(folder)),
}


class _Console(rich.console.Console):
  def on_broken_pipe(self) -> None:
    raise  # noqa: PLE0704  rich would exit with 1, which means a doubt.


def _console() -> rich.console.Console:
  # rich guesses 80 columns for a file or a pipe, which would cut lines.
  return _Console(width=None if sys.stdout.isatty() else 200)


if __name__ == '__main__':
  command_line.run(PROGRAM, main)
