"""How commands end whose output nobody reads to its end.

The standard library only: scoring's command ends so too.
"""

import os
import select
import sys
from collections.abc import Callable

LEFT = 128 + 13  # As a shell tells of what SIGPIPE has ended.


def quietly(main: Callable[[list[str]], int], argv: list[str]) -> int:
  """Runs a command; ends without a word where its reader left, as `head` does.

  Returns:
    The command's exit code, or LEFT.
  """
  try:
    code = main(argv)
    sys.stdout.flush()
  except BrokenPipeError:
    if not _left():
      raise  # It was another pipe, as between processes.
    # What is still to be written goes nowhere, or Python complains at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return LEFT
  return code


def _left() -> bool:
  """Whether nobody can read any more what is printed."""
  output = select.poll()
  output.register(sys.stdout.fileno(), 0)
  return any(event & select.POLLERR for _, event in output.poll(0))
