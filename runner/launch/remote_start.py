"""Script that becomes a trial's process on a remote host.

The command, folder and environment come on standard input. Arguments of a
command would be parsed again by ssh, and be visible to all users of the host.
"""

import json
import os
import re
import sys

if __name__ == '__main__':
  told = json.loads(sys.stdin.readline())
  secret = re.compile(told['secret'], re.IGNORECASE)
  kept = {n: v for n, v in os.environ.items() if not secret.search(n)}
  os.chdir(told['folder'])
  os.execve(told['command'][0], told['command'], kept | told['env'])
