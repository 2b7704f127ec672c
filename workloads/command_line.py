"""Start and end of the commands `python -m runner`, `scoring` and `workloads`.

All commands treat flags, help, Ctrl-C, closed pipes and terminals with few
characters in the same way.
"""

import codecs
import contextlib
import importlib.metadata
import io
import math
import os
import pathlib
import select
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from absl import app, flags

LEFT = 128 + 13  # A shell's exit code for a process ended by SIGPIPE.
INTERRUPTED = 128 + 2  # A shell's exit code for a process ended by SIGINT.
WRONG = 2  # Exit code for a wrong command, flag or value.
HELP = {'-h', '-help', '--help', '--helpshort', '--helpfull', '-?', '--?'}
WIDTH = 79  # Columns of help texts.
COLUMN = 26  # First column of descriptions.
# Replacements for characters that the terminal cannot show.
PLAIN = {
  '≤': '<=',
  '≥': '>=',
  '×': 'x',
  '–': '-',
  '—': '-',
  '·': '|',
  '…': '...',
  '±': '+-',
  'τ': 'tau',
  '‘': "'",
  '’': "'",
  '“': '"',
  '”': '"',
  '\u2009': ' ',
  '\u202f': ' ',
  '\ufffd': '?',
}
ERRORS = 'timetrial'  # Registered name of `plainly` in Python's codecs.


class Command(NamedTuple):
  """One command of a program, such as `data status`."""

  about: str  # Description in one line.
  flags: tuple[str, ...] = ()  # Names of the flags that the command uses.


class Program(NamedTuple):
  """A package that runs as `python -m NAME`."""

  name: str
  about: str
  usage: str  # Arguments after the name.
  commands: Mapping[str, Command]  # '' is the program without a command.


def run(program: Program, main: Callable[[list[str]], int]) -> None:
  """Run a program and end the process with its exit code.

  Args:
    program: Names and descriptions for the help text.
    main: Receives the arguments that are not flags; returns an exit code.
  """
  _in_utf8()
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(errors=ERRORS)
  app.run(
    lambda argv: quietly(main, argv),
    flags_parser=lambda argv: _parsed(program, argv),
  )


def _in_utf8() -> None:
  """Restart in Python's UTF-8 mode if file names are not encoded in UTF-8.

  Plans and records contain file names, and other locales must read them. The
  printed text keeps the encoding of the terminal.
  """
  told = os.environ.get('PYTHONUTF8') == '1'  # Avoids a loop with -X utf8=0.
  if sys.getfilesystemencoding() != 'utf-8' and not told:
    own = {'PYTHONUTF8': '1', 'PYTHONIOENCODING': sys.stdout.encoding}
    words = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, words, os.environ | own)


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
    lines = [f'python -m {program.name} {word} --flags', '', known.about]
  else:
    lines = [f'python -m {program.name} {program.usage}', '', program.about]
    if named := {n: c for n, c in program.commands.items() if n}:
      lines += ['', 'Commands:']
      for name, command in named.items():
        lines += _entry(name, command.about)
      lines += ['', f'Flags: python -m {program.name} COMMAND --help']
  if known and known.flags:
    lines += ['', 'Flags:']
    lines += [line for name in known.flags for line in _flag(name)]
  return '\n'.join(lines)


def _parsed(program: Program, argv: list[str]) -> list[str]:
  """Return arguments that are not flags; exit after help, version or errors."""
  before = argv[: argv.index('--')] if '--' in argv else argv
  if '--version' in before:
    print(f'TimeTrial {version()}')
    sys.exit(0)
  if HELP & {word.partition('=')[0] for word in before}:
    print(help_text(program, *_word(program, before)))
    sys.exit(0)
  try:
    words = flags.FLAGS(argv)
    _check_numbers()
    return words
  except flags.UnrecognizedFlagError as error:
    said = str(error).removesuffix(' ?')
    end = '.' if said == str(error) else '?'
    ask = ' '.join([f'python -m {program.name}', *_word(program, before)])
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


def plainly(error: UnicodeError) -> tuple[str | bytes, int]:
  """Replace a character that the terminal cannot show.

  Bytes of file names that Python could not decode stay unchanged.
  """
  if not isinstance(error, UnicodeEncodeError):
    raise error
  sign = error.object[error.start]
  if '\udc80' <= sign <= '\udcff':
    return bytes([ord(sign) - 0xDC00]), error.start + 1
  plain = PLAIN.get(sign) or sign.encode('ascii', 'backslashreplace').decode()
  return plain, error.start + 1


def _left() -> bool:
  """Test if the reader of standard output has closed the pipe."""
  output = select.poll()
  output.register(sys.stdout.fileno(), 0)
  return any(event & select.POLLERR for _, event in output.poll(0))


codecs.register_error(ERRORS, plainly)
