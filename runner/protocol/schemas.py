"""Schemas of the JSON that commands print, by number.

docs/for-programs.md has the keys of each. A number grows when a key is removed
or changes its meaning; further keys leave it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

KEY = 'schema'
NUMBERS = {
  'plan': 1,
  'preflight': 1,
  'verify-again': 1,
  'status': 1,
  'score': 1,
  'replay': 1,
  'verify': 1,
  'verdict': 1,
  'decide': 1,
}


def text(
  command: str, found: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> str:
  """Return what a command prints with --json.

  A document has the number of its schema as its first key. Every entry of a
  list has it, so that lists stay lists, and entries can be kept one by one.

  Args:
    command: Name of the command, in NUMBERS.
    found: A document or a list of entries, fit for JSON.
  """
  number = {KEY: NUMBERS[command]}
  numbered = (
    number | dict(found)
    if isinstance(found, Mapping)
    else [number | dict(entry) for entry in found]
  )
  return json.dumps(numbered, indent=2)
