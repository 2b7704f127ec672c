"""Start and end of commands, for scoring, which shares this with the runner.

The standard library and flags only, see workloads.command_line.
"""

from workloads.command_line import (
  INTERRUPTED,
  LEFT,
  WRONG,
  Command,
  Program,
  quietly,
  run,
)

__all__ = [
  'INTERRUPTED',
  'LEFT',
  'WRONG',
  'Command',
  'Program',
  'quietly',
  'run',
]
