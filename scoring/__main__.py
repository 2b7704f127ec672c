"""python -m scoring RESULTS --flags: the leaderboard of a results folder.

Prints it, and writes index.html, report.md, leaderboard.csv, leaderboard.json
and times_to_target.csv into --out.
"""

import json
import pathlib
import sys

import rich.console
from absl import app, flags

from scoring import board, read, report, terminal, text

_RULES = flags.DEFINE_string(
  'rules', None, "Name or .toml file of a suite, instead of the results' own."
)
_OUT = flags.DEFINE_string('out', 'report', 'Folder for the report.')
_REPORT = flags.DEFINE_boolean('report', True, 'Write the report.')
_JSON = flags.DEFINE_boolean('json', False, 'Print JSON, for programs.')


def main(argv: list[str]) -> int:
  try:
    if len(argv) != 2:
      raise ValueError(
        f'Say one results folder, not {len(argv) - 1}: '
        'python -m scoring results --out=report'
      )
    return _score(pathlib.Path(argv[1]), pathlib.Path(_OUT.value))
  except ValueError as error:  # Bad requests explain themselves.
    print(f'Error: {error}', file=sys.stderr)
    return 2


def _score(folder: pathlib.Path, out: pathlib.Path) -> int:
  results = read.read(folder, _RULES.value)
  scored = board.make(results)
  written = report.write(results, scored, out) if _REPORT.value else None
  if _JSON.value:
    print(json.dumps(text.table(results, scored), indent=2))
    return 0
  # Into a file or a pipe, lines are not cut to a guessed width.
  console = rich.console.Console(width=None if sys.stdout.isatty() else 200)
  terminal.show(results, scored, console)
  if written:
    print(f'Report: {written}')
  return 0


def _parse(argv: list[str]) -> list[str]:
  try:
    return flags.FLAGS(argv)
  except flags.Error as error:
    print(f'Error: {error}', file=sys.stderr)
    sys.exit(2)


if __name__ == '__main__':
  app.run(main, flags_parser=_parse)
