"""Programs: what trials have in common that differ only in numbers."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from runner.protocol.plan import PlannedTrial


class Program(NamedTuple):
  """Trials of one program take the same time for a step.

  Attributes:
    submission: Name of the submission.
    workload: Name of the workload.
    structure: What of the hyperparameters makes another program.
  """

  submission: str
  workload: str
  structure: tuple[tuple[str, str], ...]


def structure(point: dict[str, Any]) -> tuple[tuple[str, str], ...]:
  """Return a key that is equal for points that make the same program.

  Floats are inputs of the program, so their values do not matter, except zero,
  which may remove a part of the program. All other values may change sizes and
  branches.
  """
  return tuple(
    (name, 'number' if isinstance(value, float) and value else repr(value))
    for name, value in sorted(point.items())
  )


def of(trial: PlannedTrial) -> Program:
  """Return the program of a trial."""
  return Program(
    trial.submission, trial.workload, structure(trial.hyperparameters)
  )


def grouped(
  trials: Iterable[PlannedTrial],
) -> dict[Program, list[PlannedTrial]]:
  """Return the trials of each program, in their order."""
  found: dict[Program, list[PlannedTrial]] = {}
  for one in trials:
    found.setdefault(of(one), []).append(one)
  return found
