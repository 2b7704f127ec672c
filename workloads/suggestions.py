"""Suggestions for wrong names: the closest known one.

Every message about a wrong name uses this. It imports only the standard
library, so that `runner.protocol` can import it too.
"""

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str]) -> str:
  """Return ' Did you mean ...?' with the closest known name, or ''."""
  close = difflib.get_close_matches(name, list(known), n=1)
  return f' Did you mean {close[0]!r}?' if close else ''
