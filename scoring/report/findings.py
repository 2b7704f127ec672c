"""Findings of `verify` for readers: what many trials share is said once."""

import collections
from collections.abc import Iterable, Iterator

# A path, whether the finding is a doubt, and what it is; see scoring.verify.
Finding = tuple[str, bool, str]
ALIKE = 3  # Places that are listed one by one if they have the same finding.


def folded(found: Iterable[Finding]) -> Iterator[tuple[str, str]]:
  """Yield places and texts of findings; equal texts of many places once.

  Args:
    found: The findings, in the order of their paths.
  """
  places = collections.defaultdict(list)
  for path, _, text in found:
    places[text].append(path)
  for text, paths in places.items():
    if len(paths) > ALIKE:
      yield f'{paths[0]} and {len(paths) - 1} others', text
    else:
      yield from ((path, text) for path in paths)
