"""Accounts of the clock; every second of a process is on one of them.

A suite says which of the accounts of WORK it charges. Compiling alone may be
left out: XLA does it, and the rest is a submission's own work.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

TRACE = 'trace'  # Python that JAX turns into programs for XLA.
COMPILE = 'compile'  # XLA compiles, or finds the program compiled.
DATA = 'data'
TRAIN = 'train'
VIEW = 'view'  # Making the model to evaluate.
OVERRUN = 'overrun'  # Work beyond what is free; always charged.
# A submission's own work. A suite charges these accounts, or all but COMPILE.
WORK = (TRACE, COMPILE, DATA, TRAIN, VIEW, OVERRUN)

EVALUATE = 'evaluate'
CHECKPOINT = 'checkpoint'
RECORD = 'record'
RESTORE = 'restore'
SETUP = 'setup'
FREE = (EVALUATE, CHECKPOINT, RECORD, RESTORE, SETUP)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Charges:
  """Accounts that a suite charges, and the seconds that are free.

  Attributes:
    accounts: Charged accounts, of WORK.
    free_compile: Seconds of a trial's compiling that are free if COMPILE is not
      charged; more of them count as OVERRUN.
  """

  accounts: tuple[str, ...] = WORK
  free_compile: float = math.inf

  @property
  def compiling(self) -> bool:
    """True if compiling is charged."""
    return COMPILE in self.accounts

  def of(self, spent: Mapping[str, float]) -> float:
    """Return the charged seconds of an account's seconds by name."""
    return sum(spent.get(name, 0.0) for name in self.accounts)

  def to_json(self) -> dict[str, Any]:
    """Return the keys of a suite's file; {} if all work is charged."""
    if self == ALL:
      return {}
    listed = [name for name in self.accounts if name != OVERRUN]
    return {'charged': listed, 'free_compile': self.free_compile}


ALL = Charges()  # As published boards do.
KEYS = ('charged', 'free_compile')  # Of a suite's file and of trial.json.


def from_json(said: Mapping[str, Any]) -> Charges:
  """Undo `Charges.to_json`, given a table that may have other keys as well.

  Raises:
    ValueError: the table does not say what is charged; the message names the
      key, and what is right.
  """
  if 'charged' not in said:
    if 'free_compile' in said:
      raise ValueError(
        'free_compile is for suites that do not charge compiling. Remove it, '
        "or write charged without 'compile'."
      )
    return ALL
  listed, own = said['charged'], [x for x in WORK if x != OVERRUN]
  needed = [name for name in own if name != COMPILE]
  known = isinstance(listed, list) and all(name in own for name in listed)
  if not known or len(set(listed)) < len(listed) or set(needed) - {*listed}:
    raise ValueError(
      f'charged = {listed!r} must list {", ".join(needed)} once each, and may '
      f'list {COMPILE}. What a submission does itself is always charged.'
    )
  if COMPILE in listed:  # A suite that it extends may set free_compile.
    return ALL
  if 'free_compile' not in said:
    raise ValueError(
      "charged has no 'compile': set free_compile, the seconds of compiling "
      'that are free in a trial.'
    )
  return Charges(
    accounts=(*[name for name in own if name in listed], OVERRUN),
    free_compile=float(said['free_compile']),
  )
