"""Compare figures of one device, eight devices, sharded state, and two hosts.

    python -m tests.benchmarks.devices [WORKLOAD ...]

Workloads are shrunk as in tests (tests/support/tiny.py). All devices are
virtual devices of one CPU, so the benchmark compares numbers, not times.
"""

import pathlib
import sys
import tempfile

import workloads
from tests.support import several
from tests.support.several import Case

MANY = 8
SUBMISSIONS = ('nadamw', 'muon', 'adamw_8bit')


def compared(workload: str) -> list[str]:
  """Return a workload's rows, one per submission."""
  plain = [Case(workload, name) for name in SUBMISSIONS]
  spread = [case._replace(shard=True) for case in plain]
  with tempfile.TemporaryDirectory() as folder:
    one = several.on(1, plain, pathlib.Path(folder))
    many = several.on(MANY, plain + spread, pathlib.Path(folder))
  hosts = several.on_hosts(2, plain)
  rows = []
  for a, b in zip(plain, spread, strict=True):
    cells = [
      workload,
      a.submission,
      f'{several.difference(one[a], many[a]):.1e}',
      f'{several.difference(one[a], many[b]):.1e}',
      f'{several.difference(one[a], hosts[a]):.1e}',
      f'{many[b]["bytes"] / many[a]["bytes"]:.2f}',
    ]
    rows.append(f'| {" | ".join(cells)} |')
  return rows


def main(names: list[str]) -> None:
  """Print a table of the relative differences."""
  minis = [n for n in workloads.names() if n.endswith('/mini')]
  print(
    f'| workload | submission | {MANY} devices | sharded state | 2 hosts '
    '| bytes |\n|---|---|---|---|---|---|'
  )
  for name in names or ['digits', *minis]:
    print('\n'.join(compared(name)), flush=True)


if __name__ == '__main__':
  main(sys.argv[1:])
