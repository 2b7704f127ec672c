"""Script that becomes a trial's process on a remote host.

The command, folder and environment come on standard input. Arguments of a
command would be parsed again by ssh, and be visible to all users of the host.
The process has a temporary folder of its own, and ends with all it has started.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

CODE = pathlib.Path(__file__).parents[2]


def main() -> int:
  """Run the process; return its exit code, as shells tell it."""
  sys.path.insert(0, str(CODE))
  from runner.launch import (  # noqa: PLC0415  Now they are found.
    descendants,
    isolation,
  )
  from runner.protocol.records import starts  # noqa: PLC0415

  isolation.ready_cards()
  told = starts.parse(sys.stdin.readline())
  secret = re.compile(told.secret, re.IGNORECASE)
  kept = {n: v for n, v in os.environ.items() if not secret.search(n)}
  os.chdir(told.folder)
  with (
    tempfile.TemporaryDirectory(
      prefix='timetrial-', ignore_cleanup_errors=True
    ) as private,
    descendants.adopted(alone=True) as orphans,
  ):
    child = subprocess.Popen(
      told.command,
      env=kept | dict(told.env) | {'TMPDIR': private},
    )
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    code = child.wait()
    orphans.end()
  return code if code >= 0 else 128 - code


if __name__ == '__main__':
  sys.exit(main())
