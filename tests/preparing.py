"""Published datasets from the command line, as a user prepares them."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent


def command(*words, **flags):
  given = [f'--{name}={value}' for name, value in flags.items()]
  return subprocess.run(
    [sys.executable, '-m', 'workloads', 'data', *words, *given],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )


def say(text):
  pass
