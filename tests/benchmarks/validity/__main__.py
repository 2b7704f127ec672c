"""Compare ranks on mini with published ranks, and with other ranks on mini.

    python -m tests.benchmarks.validity [BOARD ...]

prints tables in Markdown about the committed boards, or about those given:
results folders, or folders with results.tar.xz, of any ruleset, world and
number of studies. `published_scores.toml` has the published scores.

A board is judged by the targets and charges it was raced by. A suite without a
ladder gets mini's. Intervals are 90 %, from 2,000 draws of workloads, with
replacement, and of studies where a board has several. Draws of workloads are
the same for all boards.
"""

import contextlib
import pathlib
import sys
from collections.abc import Iterator

from runner.protocol.results_folder import ResultsError
from runner.protocol.suites.suite import SuiteError
from scoring.load.plan import ReadError
from scoring.load.results import Results
from tests.benchmarks import ladder
from tests.benchmarks.validity import among, needed, published, ways
from tests.benchmarks.validity.ways import Scored
from tests.support import published_boards


def main(argv: list[str]) -> None:
  """Print all tables."""
  paths = list(map(pathlib.Path, argv)) or [
    ladder.BOARDS / name for name in ('self', 'external')
  ]
  with contextlib.ExitStack() as stack:
    try:
      read_ = [ways.opened(stack, path) for path in paths]
    except (ReadError, ResultsError, SuiteError) as error:
      sys.exit(str(error))
    found = [readings[0] for readings in read_]
    races = {
      name: [scored for one in readings for scored in ways.ways(name, one)]
      for name, readings in zip(ways.labels(paths, found), read_, strict=True)
    }
    for path, every in zip(paths, races.values(), strict=True):
      if not every:
        sys.exit(
          f'{path}: fewer than two submissions have no open cells, so there '
          'are no ranks to compare. Give a board with more finished '
          'submissions; `timetrial score` says which cells are open.'
        )
    for line in report(races, found):
      print(line, flush=True)


def report(
  races: dict[str, list[Scored]], found: list[Results]
) -> Iterator[str]:
  """Yield all lines."""
  facts = published_boards.read()
  known, twins = facts['boards'], facts['twins']
  for (name, every), results in zip(races.items(), found, strict=True):
    suite = results.rules
    studies = every[0].board.times.counted.sum(axis=-1)
    yield (
      f'- {name}: {suite.name} {suite.version}, ruleset {results.ruleset}, '
      f'{len(ways.main_way(every).closed)} submissions without open cells, '
      f'{len(suite.scored)} workloads, studies per cell '
      f'{studies.min()}–{studies.max()}'
    )
  yield from published.against_published(races, known, twins)
  yield from published.ceiling(known)
  yield from among.among_races(races, found)
  yield from among.among_halves(races, known, twins)
  yield from among.among_studies(races)
  yield from needed.needed_workloads(races)
  yield from needed.needed_studies(races, found, facts['noise'])
  yield from needed.alone(races, known, twins)


if __name__ == '__main__':
  main(sys.argv[1:])
