"""Learning rates of a whole trial, recorded when it begins.

A submission that names its schedule tells the harness what is still to come.
Forecasts need it: a decay that nobody foresees may bring most of the progress.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax

from runner.protocol import layout, storage
from runner.protocol.records import schedules
from runner.protocol.timing import accounts
from runner.trial.allowance import Allowance
from runner.trial.clock import Clock

# Free seconds: 0.1 s were measured, most of it for compiling. Beyond them, the
# submission pays for its schedule.
FREE = 0.2


def record(
  folder: pathlib.Path,
  schedule: optax.Schedule | None,
  steps: int,
  *,
  clock: Clock,
  allowance: Allowance,
) -> None:
  """Write a trial's whole schedule to its folder, unless it is there.

  Args:
    folder: Folder of the trial.
    schedule: The learning rate by step, counted from zero; None: unknown.
    steps: Step budget of the workload.
    clock: The trial's clock.
    allowance: Its free seconds.
  """
  path = folder / layout.SCHEDULE
  if schedule is None or path.exists():
    return
  with clock.account(accounts.EVALUATE):
    allowance.grant(FREE)
    found = _rates(schedule, steps)
    if found is not None:
      storage.write_json(path, found.to_json())


def _rates(
  schedule: optax.Schedule, steps: int
) -> schedules.WholeSchedule | None:
  """Return thinned rates; None if they are not what a forecast can use."""
  count = min(steps, schedules.MOST)
  at = np.unique(np.linspace(0, steps - 1, count).round().astype(np.int32))
  try:
    rates = np.asarray(jax.jit(jax.vmap(schedule))(jnp.asarray(at)), float)
  except Exception:
    return None
  if rates.shape != at.shape or not np.isfinite(rates).all():
    return None
  if not rates.max() > 0:
    return None
  return schedules.WholeSchedule(
    steps=tuple((at + 1).tolist()),
    rates=tuple(float(f'{x:.6g}') for x in rates / rates.max()),
  )
