"""The allowance of free work: what goes beyond it is charged.

Evaluations, checkpoints and records are free of charge. What they cost depends
on the workload, the machine and the size of the state, and not on who trains.
So a trial measures the cost of an evaluation before its submission is loaded,
and gets that much free. A submission that works on a free account pays for the
excess, whichever way it found.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from runner.machine import load
from runner.protocol import columns
from runner.protocol.timing import accounts
from runner.trial import devices, evaluate
from runner.trial.task import TrialTask
from workloads.workload import Drawn, Model, PyTree

FACTOR = 1.5  # Tolerance for a busy machine: times the measured cost.
SLACK = 0.3  # Seconds that a whole trial has beside that.
# Seconds of a checkpoint: 3 to 6 ns a byte and 2 ms were measured.
BYTE, FILE = 1e-8, 0.02
RESUMING = 1.0  # Seconds of a resumed trial beside reading its checkpoint.


class Allowance:
  """Free seconds of a trial: those spent, those granted, and those charged.

  Attributes:
    spent: Seconds spent on each counted account.
    granted: Seconds that are free.
    charged: Seconds beyond, which were charged.
  """

  def __init__(
    self,
    read: Callable[[], float] = load.processor,
    counted: Iterable[str] = accounts.FREE,
    measuring: float = 0.0,
  ):
    """Count from now on, and grant the slack.

    Args:
      read: Returns seconds that only rise: processor time, or the time of day.
      counted: Free accounts whose seconds count.
      measuring: Seconds that measuring the cost of an evaluation took.
    """
    self._measuring = measuring
    self._read = read
    self._counted = frozenset(counted)
    self._since = read()
    self.spent: dict[str, float] = {}
    self.granted = SLACK
    self.charged = 0.0

  def grant(self, seconds: float) -> None:
    """Make more seconds free."""
    self.granted += seconds

  def switched(self, before: str, after: str) -> float:
    """Count the seconds of the account that ends; return what is to be charged.

    Nothing is charged as long as a free account runs: its work may be granted
    later.

    Args:
      before: The account that ends.
      after: The account that begins.
    """
    if before in accounts.WORK and after in accounts.WORK:
      return 0.0  # At every step.
    if {before, after} & self._counted:
      now = self._read()
      if before in self._counted:
        spent = self.spent.get(before, 0.0) + now - self._since
        self.spent[before] = spent
      self._since = now
    beyond = sum(self.spent.values()) - self.granted - self.charged
    if after not in accounts.WORK or beyond <= 0:
      return 0.0
    self.charged += beyond
    return beyond

  def facts(self) -> dict[str, Any]:
    """Return the seconds as the end of an attempt records them."""
    return {
      'spent': dict(self.spent),
      'granted': self.granted,
      'charged': self.charged,
      'measuring': self._measuring,
    }


def counted(task: TrialTask) -> tuple[Callable[[], float], tuple[str, ...]]:
  """Return the arguments of a trial's Allowance: what tells work from waiting.

  On a CPU, that is processor time, of all threads and ended children: it does
  not depend on what else the machine does. It tells nothing where another
  device computes, and where threads read data ahead: there, the time of day in
  evaluations counts.
  """
  source = task.sources[columns.TRAIN]
  ahead = source.ahead if isinstance(source, Drawn) else 0
  if not devices.accelerated() and not ahead:
    return load.processor, accounts.FREE
  return time.monotonic, (accounts.EVALUATE,)


def measured(
  task: TrialTask, model: Model, read: Callable[[], float]
) -> dict[str, float]:
  """Return the free seconds of an evaluation, by split.

  Call it before a submission is loaded, and when evaluation is compiled.

  Args:
    task: The task, with its data.
    model: A model of the workload.
    read: Returns the seconds that count, see Allowance.
  """
  workload, sources, spec = task.workload, task.sources, task.spec
  split = columns.VALIDATION
  source = sources[split]
  began = read()
  evaluate.sample(workload, model, source=source, spec=spec, split=split)
  a_batch = read() - began
  counts = {
    split: evaluate.batch_count(source, spec, split)
    for split, source in sources.items()
  }
  return {split: FACTOR * a_batch * count for split, count in counts.items()}


def storing(arrays: PyTree) -> float:
  """Return the free seconds of storing arrays in a file."""
  leaves = jax.tree.leaves(arrays)
  sizes = (np.size(x) * jnp.result_type(x).itemsize for x in leaves)
  return FILE + BYTE * sum(sizes)


def restoring(arrays: PyTree) -> float:
  """Return the free seconds of reading a checkpoint with these arrays."""
  return storing(arrays) + RESUMING


def repeating(spent: Mapping[str, float]) -> dict[str, float]:
  """Return the free seconds of a resumed trial's first step, by account.

  Tracing, compiling and data were charged before. Training is not repeated for
  its result: one step is enough, and a submission could train on instead.

  Args:
    spent: Seconds by account before the trial was interrupted.
  """
  made = (accounts.TRACE, accounts.COMPILE, accounts.DATA)
  free = {name: SLACK + FACTOR * spent.get(name, 0.0) for name in made}
  return free | {accounts.TRAIN: SLACK}
