"""Commands of scoring in a child process, as the runner imports no scoring."""

import os
import subprocess
import sys
from collections.abc import Sequence

from runner.launch import environment


def run(
  words: Sequence[str], *, reads: bool = False
) -> subprocess.CompletedProcess[str]:
  """Run a command of scoring to its end.

  Args:
    words: The command with its argument and flags.
    reads: Whether to return what it prints instead of printing it.
  """
  return subprocess.run(
    [sys.executable, '-P', '-m', 'scoring', *words],
    env=os.environ | {'PYTHONPATH': environment.python_path()},
    stdout=subprocess.PIPE if reads else None,
    text=True,
    encoding='utf-8',
    check=False,
  )
