"""Runs the process of a trial on a further host; standard input says how.

Started as a file, by whatever reaches that host. Words of a command may be
parsed again on the way, and are there for all to read, so there are few. The
process has a temporary folder of its own, and ends with all it has started.
"""

import json
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
  from runner.launch import descendants  # noqa: PLC0415  Now it is found.

  told = json.loads(sys.stdin.readline())
  secret = re.compile(told['secret'], re.IGNORECASE)
  kept = {n: v for n, v in os.environ.items() if not secret.search(n)}
  os.chdir(told['folder'])
  with (
    tempfile.TemporaryDirectory(
      prefix='timetrial-', ignore_cleanup_errors=True
    ) as private,
    descendants.adopted(alone=True) as orphans,
  ):
    child = subprocess.Popen(
      told['command'],
      env=kept | told['env'] | {'TMPDIR': private},
    )
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    code = child.wait()
    orphans.end()
  return code if code >= 0 else 128 - code


if __name__ == '__main__':
  sys.exit(main())
