"""The command `timetrial`: all commands of runner, scoring and workloads.

A package is imported after its command is known, and no other one: two of them
define flags of the same name.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pathlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from workloads.command_line import Program

NAME = 'timetrial'
ABOUT = 'Which training algorithm trains neural networks fastest?'
PACKAGES = ('runner', 'scoring', 'workloads')  # Those that have commands.
OURS = (*PACKAGES, 'submissions')
ROOT = pathlib.Path(__file__).resolve().parent


def main() -> None:
  """Run the command of `sys.argv`; end the process with its exit code."""
  find_ours()
  # Ours since this moment.
  from workloads import command_line, standard_streams  # noqa: PLC0415

  standard_streams.start()
  sys.exit(command_line.quietly(_main, sys.argv))


def find_ours() -> None:
  """Let imports find our packages first, and the working folder last.

  A working folder may have a `scoring.py` or a folder `submissions`. Python
  finds these first where PYTHONPATH names that folder, or for `python -m`.
  """
  if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))
  if not all(map(_is_ours, OURS)):
    sys.path.insert(0, str(ROOT))
  if not sys.flags.safe_path:
    sys.path.append(os.getcwd())


def _is_ours(name: str) -> bool:
  """Return whether an import of that name finds the package beside this."""
  spec = importlib.util.find_spec(name)
  places = (spec.submodule_search_locations if spec else None) or ()
  return str(ROOT / name) in map(str, places)


def programs() -> list[Program]:
  """Return the tables of all programs, with the names of `timetrial`."""
  tables = [importlib.import_module(f'{name}.program') for name in PACKAGES]
  return [_renamed(table.PROGRAM) for table in tables]


def _renamed(program: Program) -> Program:
  commands = {
    name or program.unnamed: command
    for name, command in program.commands.items()
  }
  return program._replace(
    commands=commands, usage='COMMAND --flags', front=NAME
  )


def _main(argv: list[str]) -> int:
  from workloads import command_line  # noqa: PLC0415  Late, as in `main`.

  known = programs()
  before = command_line.before_dashes(argv[1:])
  words = [word for word in before if not word.startswith('-')]
  help_asked = command_line.asks_for_help(before)
  if words[:1] == ['help']:
    words, help_asked = words[1:], True
    argv = [argv[0], *words, '--help']
  if program := _program_of(words, known):
    return _run(program, argv)
  if '--version' in before:
    return command_line.say(f'TimeTrial {command_line.version()}')
  if words:
    return _no_command(words, known, help_asked)
  overview = command_line.overview(NAME, ABOUT, known)
  if help_asked:
    return command_line.say(overview)
  print(overview, file=sys.stderr)
  return command_line.WRONG


def _program_of(words: list[str], known: list[Program]) -> Program | None:
  """Return the program whose command begins the words, if there is one."""
  for program in known:
    for name in program.commands:
      if words[: len(name.split())] == name.split():
        return program
  return None


def _no_command(
  words: list[str], known: list[Program], help_asked: bool
) -> int:
  """Say what to do about words that are no command; return the exit code."""
  from workloads import command_line  # noqa: PLC0415  Late, as in `main`.

  if help_asked:
    for program in known:  # The first word of several commands, such as `data`.
      if any(name.startswith(f'{words[0]} ') for name in program.commands):
        return command_line.say(command_line.help_text(program))
  names = [name for program in known for name in program.commands]
  return command_line.refuse(words, names)


def _run(program: Program, argv: list[str]) -> int:
  """Run a command of a program.

  Args:
    program: Table of the program, with the names of `timetrial`.
    argv: Words as the user has typed them.
  """
  from workloads import command_line  # noqa: PLC0415  Late, as in `main`.

  module = importlib.import_module(f'{program.name}.__main__')

  def run(words: list[str]) -> int:
    if words[1:2] == [program.unnamed]:
      words = [words[0], '', *words[2:]]
    return module.main(words)

  command_line.run(program, run, argv)
  return 0  # Never: the line above ends the process.


if __name__ == '__main__':
  main()
