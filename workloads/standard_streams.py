"""Standard output and standard error that take any text."""

import codecs
import io
import os
import sys

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


def start() -> None:
  """Prepare standard output and standard error for any text."""
  for name in ('stdout', 'stderr'):
    if getattr(sys, name) is None:  # The shell has closed it.
      setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))  # noqa: SIM115
  _in_utf8()
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(errors=ERRORS)


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


codecs.register_error(ERRORS, plainly)
