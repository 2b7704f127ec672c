"""Start and end of the commands of all packages.

Flags and help, an interrupt, a reader that leaves, a terminal that cannot show
every sign: `python -m runner`, `scoring` and `workloads` answer alike.
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

LEFT = 128 + 13  # As a shell tells of what SIGPIPE has ended.
INTERRUPTED = 128 + 2  # As a shell tells of what SIGINT has ended.
WRONG = 2  # A bad request.
HELP = {'-h', '-help', '--help', '--helpshort', '--helpfull', '-?', '--?'}
WIDTH = 79  # Of help.
COLUMN = 26  # Where descriptions begin.
# Replacements for signs that a terminal does not have.
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
ERRORS = 'timetrial'  # Name of what does so, for Python's codecs.


class Command(NamedTuple):
  """A word behind the name of a program."""

  about: str  # What it does, in a line.
  flags: tuple[str, ...] = ()  # Those that mean something to it.


class Program(NamedTuple):
  """`python -m` and a package."""

  name: str
  about: str
  usage: str  # What stands behind the name.
  commands: Mapping[str, Command]  # '' is what it does without a word.


def run(program: Program, main: Callable[[list[str]], int]) -> None:
  """Runs a program and ends with its exit code.

  Args:
    program: What help tells of it.
    main: Takes the words that are no flags; returns an exit code.
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
  """Begins again in Python's UTF-8 mode where file names are not in UTF-8.

  Plans and records name files, and are read where other locales are set. What
  is printed stays in the encoding of the terminal.
  """
  told = os.environ.get('PYTHONUTF8') == '1'  # But for -X utf8=0.
  if sys.getfilesystemencoding() != 'utf-8' and not told:
    own = {'PYTHONUTF8': '1', 'PYTHONIOENCODING': sys.stdout.encoding}
    words = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, words, os.environ | own)


def quietly(main: Callable[[list[str]], int], argv: list[str]) -> int:
  """Runs a command; ends without a traceback where somebody leaves.

  Returns:
    The command's exit code; LEFT if its reader left, as `head` does;
    INTERRUPTED after Ctrl-C; or WRONG where the system refuses a file that no
    other message has named.
  """
  try:
    code = main(argv)
    sys.stdout.flush()
  except BrokenPipeError:
    if not _left():
      raise  # It was another pipe, as between processes.
    # Python would complain at its end about what is still to be written.
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
  """Version of the installed package, else of the files beside this one."""
  with contextlib.suppress(importlib.metadata.PackageNotFoundError):
    return importlib.metadata.version('timetrial')
  path = pathlib.Path(__file__).parent.parent / 'pyproject.toml'
  return tomllib.loads(path.read_text(encoding='utf-8'))['project']['version']


def help_text(program: Program, word: str = '') -> str:
  """Help on a program, or on one of its commands with its flags."""
  known = program.commands.get(word)
  if word and known:
    lines = [f'python -m {program.name} {word} --flags', '', known.about]
  else:
    lines = [f'python -m {program.name} {program.usage}', '', program.about]
    if named := {n: c for n, c in program.commands.items() if n}:
      lines += ['', 'Commands:']
      for name, command in named.items():
        lines += _entry(name, command.about)
      lines += ['', f'Flags of one: python -m {program.name} COMMAND --help']
  if known and known.flags:
    lines += ['', 'Flags:']
    lines += [line for name in known.flags for line in _flag(name)]
  return '\n'.join(lines)


def _parsed(program: Program, argv: list[str]) -> list[str]:
  """Words that are no flags; ends the process where that is all to do."""
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
  """The command that is asked for, if there is one."""
  words = ' '.join(word for word in argv[1:] if not word.startswith('-'))
  return [n for n in program.commands if n and f'{words} '.startswith(f'{n} ')]


def _flag(name: str) -> Iterator[str]:
  flag = flags.FLAGS[name]
  text = flag.help
  if flag.boolean and flag.default:
    head, text = f'--[no]{name}', f'{text} It is so without the flag.'
  elif flag.boolean:
    head = f'--{name}'
  else:
    default = (flag.default_as_str or '').strip("'")
    head = f'--{name}={default}'
  yield from _entry(head, text)


def _entry(head: str, text: str) -> Iterator[str]:
  """A name and its description, which begins on the same line if it fits."""
  lines = textwrap.wrap(text, WIDTH - COLUMN)
  if len(head) > COLUMN - 4:
    yield f'  {head}'
  else:
    first, *lines = lines
    yield f'  {head:<{COLUMN - 2}}{first}'
  yield from (' ' * COLUMN + line for line in lines)


def plainly(error: UnicodeError) -> tuple[str | bytes, int]:
  """Replace a sign that a terminal does not have by others that it has.

  Bytes of file names that are no signs to Python are given back as they are.
  """
  if not isinstance(error, UnicodeEncodeError):
    raise error
  sign = error.object[error.start]
  if '\udc80' <= sign <= '\udcff':
    return bytes([ord(sign) - 0xDC00]), error.start + 1
  plain = PLAIN.get(sign) or sign.encode('ascii', 'backslashreplace').decode()
  return plain, error.start + 1


def _left() -> bool:
  """Test whether the reader of standard output is gone."""
  output = select.poll()
  output.register(sys.stdout.fileno(), 0)
  return any(event & select.POLLERR for _, event in output.poll(0))


codecs.register_error(ERRORS, plainly)
