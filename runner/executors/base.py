"""The contract between a race and a scheduler of other machines."""

from collections.abc import Callable, Collection
from typing import NamedTuple


class Fleet(NamedTuple):
  """An engine, as far as it is used here."""

  # Commands to be run, to the names of their jobs.
  submit: Callable[[list[list[str]]], list[str]]
  # Names of jobs, to how those left that will not be run any more.
  over: Callable[[Collection[str]], dict[str, str]]
  # Nobody follows the jobs any more; says what becomes of them.
  leave: Callable[[], str]
