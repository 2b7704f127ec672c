"""Decisions of scoring for the runner: which cells get more studies."""

import dataclasses
import json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
  """Part of `timetrial decide --json` that the runner needs.

  Attributes:
    cells: Pairs of submission and workload that get more studies.
    reasons: Sentences that say why, and what it takes.
  """

  cells: tuple[tuple[str, str], ...]
  reasons: tuple[str, ...]


def parse(text: str) -> Decision:
  """Return the decision in a JSON document.

  Raises:
    LookupError, TypeError, ValueError: the document is no decision.
  """
  table = json.loads(text)
  return Decision(
    cells=tuple((x['submission'], x['workload']) for x in table['cells']),
    reasons=tuple(table['reasons']),
  )
