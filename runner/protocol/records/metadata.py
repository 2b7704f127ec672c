"""Facts of a trial's meta_data files that programs read."""

import pathlib
from collections.abc import Mapping

from runner.protocol import storage


def examples(path: pathlib.Path) -> Mapping[str, int]:
  """Return the number of examples of each split, from a meta_data file."""
  return storage.read_json(path)['examples']
