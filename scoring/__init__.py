"""Score results folders: leaderboards, reports and doubts.

Imports runner.protocol, and nothing else of runner; never JAX.
"""

import importlib.util
import pathlib
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def _is_ours(name: str) -> bool:
  """Return whether an import of that name finds the package beside this."""
  spec = importlib.util.find_spec(name)
  places = (spec.submodule_search_locations if spec else None) or ()
  return str(_ROOT / name) in map(str, places)


# `python -m` looks in the working folder first, which may have such folders.
if not all(map(_is_ours, ('runner', 'submissions', 'workloads'))):
  sys.path.insert(0, str(_ROOT))
