"""Entry module `python -m scoring.site`: make the site, as `make site` does."""

import pathlib
import sys

from absl import flags

from scoring.site import build
from workloads import command_line
from workloads.command_line import Command, Program

_OUT = flags.DEFINE_string(
  'out', 'site', 'Folder for the site: new, empty, or with an older site.'
)
_REPOSITORY = flags.DEFINE_string(
  'repository',
  str(pathlib.Path(__file__).resolve().parents[2]),
  'Folder with README.md, and with docs and its boards.',
)
ABOUT = 'Make a folder with all boards and documents, for any static host.'
PROGRAM = Program(
  'scoring.site',
  ABOUT,
  '--flags',
  {'': Command(ABOUT, ('out', 'repository'), ('--out=site',))},
)


def main(argv: list[str]) -> int:
  """Make the site and return the exit status."""
  try:
    if argv[1:]:
      raise ValueError(
        f'{argv[1]!r} is no flag. Write --name=value: '
        'python -m scoring.site --out=site'
      )
    out = pathlib.Path(_OUT.value)
    count = build.build(pathlib.Path(_REPOSITORY.value), out)
  except ValueError as error:  # Errors of ours are ValueErrors; no traceback.
    print(f'Error: {error}', file=sys.stderr)
    return command_line.WRONG
  print(f'{count} files written. Open {out / "index.html"}')
  return 0


if __name__ == '__main__':
  command_line.run(PROGRAM, main)
