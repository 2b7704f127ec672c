"""Start and end of `timetrial` and of `python -m runner|scoring|workloads`.

All commands treat flags, help, Ctrl-C, closed pipes and terminals with few
characters in the same way.
"""

import contextlib
import importlib.metadata
import math
import os
import pathlib
import select
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn

from absl import app, flags

from workloads import standard_streams, suggestions

LEFT = 128 + 13  # A shell's exit code for a process ended by SIGPIPE.
INTERRUPTED = 128 + 2  # A shell's exit code for a process ended by SIGINT.
WRONG = 2  # Exit code for a wrong command, flag or value.
HELP = {'-h', '-help', '--help', '--helpshort', '--helpfull', '-?', '--?'}
WIDTH = 79  # Columns of help texts.
COLUMN = 26  # First column of descriptions.


class Command(NamedTuple):
  """One command of a program, such as `data status`."""

  about: str  # Description in one line.
  flags: tuple[str, ...] = ()  # Names of the flags that the command uses.
  examples: tuple[str, ...] = ()  # Words after the name of the command.
  takes: str = ''  # Argument of the command, such as RESULTS.


class Program(NamedTuple):
  """A package that runs as `python -m NAME`, and as a part of `timetrial`."""

  name: str
  about: str
  usage: str  # Arguments after the name.
  commands: Mapping[str, Command]  # '' is the program without a command.
  unnamed: str = ''  # Name of the command '' within `timetrial`.
  front: str = ''  # Program that the user has typed, if it is another one.

  @property
  def typed(self) -> str:
    """Words before the command, as the user types them."""
    return self.front or f'python -m {self.name}'


def run(
  program: Program,
  main: Callable[[list[str]], int],
  argv: Sequence[str] | None = None,
) -> NoReturn:
  """Run a program and end the process with its exit code.

  Args:
    program: Names and descriptions for the help text.
    main: Receives the arguments that are not flags; returns an exit code.
    argv: The program's name and the words after it; None: `sys.argv`.
  """
  standard_streams.start()
  app.run(
    lambda words: quietly(main, words),
    argv=None if argv is None else list(argv),
    flags_parser=lambda words: _parsed(program, words),
  )
  raise AssertionError('app.run returns only by sys.exit.')


def quietly(main: Callable[[list[str]], int], argv: list[str]) -> int:
  """Run a command without a traceback after Ctrl-C or a closed pipe.

  Returns:
    The command's exit code; LEFT if the reader of its output ended early (such
    as `head`); INTERRUPTED after Ctrl-C; WRONG if the system refuses a file and
    no other message has named that file.
  """
  try:
    code = main(argv)
    sys.stdout.flush()
  except BrokenPipeError:
    if not _left():
      raise  # The broken pipe is not standard output.
    # Python would report an error at exit when it flushes standard output.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return LEFT
  except OSError as error:
    if error.filename is None:
      raise
    print(f'Error: {error.filename}: {error.strerror}.', file=sys.stderr)
    return WRONG
  except KeyboardInterrupt:
    print('\nStopped.', file=sys.stderr)
    return INTERRUPTED
  return code


def version() -> str:
  """Return the installed package's version, else that of pyproject.toml."""
  with contextlib.suppress(importlib.metadata.PackageNotFoundError):
    return importlib.metadata.version('timetrial')
  path = pathlib.Path(__file__).parent.parent / 'pyproject.toml'
  return tomllib.loads(path.read_text(encoding='utf-8'))['project']['version']


def help_text(program: Program, word: str = '') -> str:
  """Return the help text of a program, or of one command with its flags."""
  known = program.commands.get(word)
  if word and known:
    lines = [f'{_joined(program.typed, word, known.takes)} --flags']
    lines += ['', known.about]
  else:
    lines = [f'{program.typed} {program.usage}', '', program.about]
    if any(program.commands):
      lines += ['', 'Commands:', *_entries(program)]
      lines += ['', f'Flags: {program.typed} COMMAND --help']
  if known and known.examples:
    lines += ['', 'Examples:']
    lines += [
      f'  {_joined(program.typed, word, words)}' for words in known.examples
    ]
  if known and known.flags:
    lines += ['', 'Flags:']
    lines += [line for name in known.flags for line in _flag(name)]
  return '\n'.join(lines)


def overview(program: str, about: str, parts: Sequence[Program]) -> str:
  """Return the help text of a program that is made of others.

  Args:
    program: Name of the whole program.
    about: Its description.
    parts: Programs whose commands it has.
  """
  lines = [f'{program} COMMAND --flags', '', about]
  for part in parts:
    lines += ['', part.about, *_entries(part)]
  lines += ['', f'Flags and examples: {program} COMMAND --help']
  return '\n'.join(lines)


def _joined(*words: str) -> str:
  return ' '.join(word for word in words if word)


def _entries(program: Program) -> Iterator[str]:
  for name, command in program.commands.items():
    if name:
      yield from _entry(_joined(name, command.takes), command.about)


def refuse(typed: Sequence[str], known: Iterable[str]) -> int:
  """Print that there is no such command, and the closest one.

  Args:
    typed: Words of the wrong command.
    known: Names of all commands.

  Returns:
    The exit code.
  """
  known = [name for name in known if name]
  # One word first: what follows may be an argument, such as a folder.
  tried = [' '.join(typed[:n]) for n in (1, 2)]
  hints = (suggestions.hint(words, known) for words in tried)
  hint = next(filter(None, hints), '')
  print(
    f'No command {" ".join(typed)!r}.{hint} Known: {", ".join(known)}.',
    file=sys.stderr,
  )
  return WRONG


def refuse_argument(command: str, argument: str) -> int:
  """Print that a command takes no such argument; return the exit code."""
  print(
    f'Error: `{command}` takes flags only, and {argument!r} is none. Write '
    '--name=value, and lists without spaces: --name=a,b. All flags: timetrial '
    f'{command} --help',
    file=sys.stderr,
  )
  return WRONG


def say(text: str) -> int:
  """Print a text; return the exit code, LEFT if nobody reads it."""

  def printed(_: list[str]) -> int:
    print(text)
    return 0

  return quietly(printed, [])


def asks_for_help(words: Iterable[str]) -> bool:
  """Return whether one of the words is a flag that asks for help."""
  return bool(HELP & {word.partition('=')[0] for word in words})


def before_dashes(argv: list[str]) -> list[str]:
  """Return the words before `--`, after which there are no flags."""
  return argv[: argv.index('--')] if '--' in argv else argv


def _parsed(program: Program, argv: list[str]) -> list[str]:
  """Return arguments that are not flags; exit after help, version or errors."""
  before = before_dashes(argv)
  if '--version' in before:
    sys.exit(say(f'TimeTrial {version()}'))
  if asks_for_help(before):
    sys.exit(say(help_text(program, *_word(program, before))))
  try:
    words = flags.FLAGS(argv)
    _check_numbers()
    return words
  except flags.UnrecognizedFlagError as error:
    said = str(error).removesuffix(' ?')
    end = '.' if said == str(error) else '?'
    ask = ' '.join([program.typed, *_word(program, before)])
    print(f'Error: {said}{end} All flags: {ask} --help', file=sys.stderr)
    sys.exit(WRONG)
  except flags.Error as error:
    print(f'Error: {error}', file=sys.stderr)
    sys.exit(WRONG)


def _check_numbers() -> None:
  """Raise flags.Error where a flag is NaN, which is within all bounds."""
  for name in flags.FLAGS:
    value = flags.FLAGS[name].value
    if isinstance(value, float) and math.isnan(value):
      raise flags.IllegalFlagValueError(f'flag --{name}=nan: it is no number')


def _word(program: Program, argv: list[str]) -> list[str]:
  """Return a list of the command in argv; empty if there is none."""
  words = ' '.join(word for word in argv[1:] if not word.startswith('-'))
  return [n for n in program.commands if n and f'{words} '.startswith(f'{n} ')]


def _flag(name: str) -> Iterator[str]:
  flag = flags.FLAGS[name]
  text = flag.help
  if flag.boolean and flag.default:
    head, text = f'--[no]{name}', f'{text} Default: true.'
  elif flag.boolean:
    head = f'--{name}'
  else:
    default = (flag.default_as_str or '').strip("'")
    head = f'--{name}={default}'
  yield from _entry(head, text)


def _entry(head: str, text: str) -> Iterator[str]:
  """Yield the lines of a name and its description, on one line if possible."""
  lines = textwrap.wrap(text, WIDTH - COLUMN)
  if len(head) > COLUMN - 4:
    yield f'  {head}'
  else:
    first, *lines = lines
    yield f'  {head:<{COLUMN - 2}}{first}'
  yield from (' ' * COLUMN + line for line in lines)


def _left() -> bool:
  """Test if the reader of standard output has closed the pipe."""
  output = select.poll()
  output.register(sys.stdout.fileno(), 0)
  return any(event & select.POLLERR for _, event in output.poll(0))
