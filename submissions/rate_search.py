"""What AutoLRS decides on the host: how long to try which rate.

Jin et al. 2021, arXiv:2105.10762. Where the paper leaves a number open, or has
one for hundreds of thousands of steps, ours is for hundreds.
"""

from typing import NamedTuple

import numpy as np

SHORTEST = 4  # Fewer losses say nothing.
GRID = 101  # Rates that may be proposed.
FAILED = 1e6  # The forecast for a rate that leaves the finite numbers.


class Plan(NamedTuple):
  """What is given before the search."""

  probes: list[int]  # Steps for which each rate is tried, stage by stage.
  candidates: int  # Rates tried in a stage.
  lowest: float
  highest: float


class Turn(NamedTuple):
  """A number of steps from the start of a stage, at one rate."""

  stage: int
  number: int  # Which rate is tried; after the last one the stage is trained.
  rate: float
  rates: tuple[float, ...]  # Tried in this stage; 0 for those to come.
  forecasts: tuple[float, ...]  # Of their losses at the end of the stage.


def opening(plan: Plan, stage: int) -> Turn:
  """The first turn of a stage."""
  rate = propose((), (), plan.lowest, plan.highest)
  nothing = (0.0,) * plan.candidates
  return Turn(stage, 0, rate, nothing, nothing)


def following(plan: Plan, turn: Turn, losses: np.ndarray) -> Turn:
  """The turn after a rate was tried, with these losses [n] of its steps."""
  probe, number = plan.probes[turn.stage], turn.number
  found = min(forecast(losses[:probe], plan.candidates * probe), FAILED)
  rates = (*turn.rates[:number], turn.rate)
  forecasts = (*turn.forecasts[:number], found)
  rate = rates[int(np.argmin(forecasts))]
  if number + 1 < plan.candidates:
    rate = propose(rates, forecasts, plan.lowest, plan.highest)
  missing = (0.0,) * (plan.candidates - number - 1)
  return Turn(
    turn.stage, number + 1, rate, rates + missing, forecasts + missing
  )


def trains(plan: Plan, turn: Turn) -> bool:
  """Whether this turn is the training of its stage."""
  return turn.number == plan.candidates


def length(plan: Plan, turn: Turn) -> int:
  """The steps of a turn."""
  probe = plan.probes[turn.stage]
  return plan.candidates * probe if trains(plan, turn) else probe


def stages(
  steps: int, candidates: int, first: float, longest: float, stride: int = 1
) -> list[int]:
  """Steps for which each rate is tried, stage by stage; at least one stage.

  A stage then trains for `candidates` times as many, so that the search takes
  as long as the training. The last stage is what is left.

  Args:
    steps: Of all stages, searches included.
    candidates: Rates tried in a stage.
    first: Steps trained in the first stage, as a share; they double.
    longest: The largest share.
    stride: Steps at once, of which all lengths are multiples.
  """

  def tried(share: float) -> int:
    wanted = max(SHORTEST, share * steps / candidates)
    return max(1, round(wanted / stride)) * stride

  probe, most = tried(first), tried(longest)
  left, probes = steps, []
  while not probes or left >= 2 * candidates * probe:
    probes.append(probe)
    left -= 2 * candidates * probe
    probe = min(2 * probe, max(probe, most))
  rest = left // (2 * candidates * stride) * stride
  return [*probes, rest] if rest >= SHORTEST else probes


def forecast(losses: np.ndarray, steps: int) -> float:
  """The loss after so many steps, from the first losses [n].

  That of a exp(-t / s) + c, fitted by least squares after outliers are gone. s
  is at most 2 n: beyond that noise would be extrapolated, not a trend. Of less
  than eight losses, the mean of the later half. Infinite if one is not finite.
  """
  losses = np.asarray(losses, np.float64)
  if not np.isfinite(losses).all():
    return float('inf')
  if len(losses) < 8:
    return float(losses[len(losses) // 2 :].mean())
  t = _without_outliers(losses)
  best, found = np.inf, 0.0
  for scale in np.geomspace(1, 2 * len(losses), 32):
    basis = np.stack([np.exp(-t / scale), np.ones(len(t))], axis=1)
    (a, c), *_ = np.linalg.lstsq(basis, losses[t], rcond=None)
    error = ((basis @ (a, c) - losses[t]) ** 2).sum()
    if error < best:
      best, found = error, a * np.exp(-(steps - 1) / scale) + c
  return float(found)


def _without_outliers(losses: np.ndarray) -> np.ndarray:
  """Times that stay: ten times the worst 3 % of the first half are dropped.

  Worst is what lies farthest from a parabola.
  """
  t = np.arange(len(losses))
  for _ in range(10):
    distance = np.abs(np.polyval(np.polyfit(t, losses[t], 2), t) - losses[t])
    distance[t >= len(losses) / 2] = 0
    worst = np.argsort(-distance, kind='stable')[: int(0.03 * len(t))]
    t = np.delete(t, worst)
  return t


def propose(
  rates: tuple[float, ...],
  forecasts: tuple[float, ...],
  lowest: float,
  highest: float,
  kappa: float = 2.0,
) -> float:
  """The next rate to try: where a Gaussian process has its least lower bound.

  On the logarithm of the rate from `lowest` to `highest`, with a kernel as wide
  as a fifth of it. The first rate is the geometric mean of the two. The bound
  is mean - kappa * deviation; a rate is not tried twice.
  """
  grid = np.linspace(0, 1, GRID)
  places = np.log(np.asarray(rates) / lowest) / np.log(highest / lowest)
  x = grid[GRID // 2]
  if len(rates):
    y = np.asarray(forecasts, np.float64)
    y = (y - y.mean()) / max(y.std(), 1e-12)
    mean, deviation = _process(places, y, grid)
    bound = mean - kappa * deviation
    near = np.abs(grid[:, None] - places[None, :]).min(axis=1)
    x = grid[np.where(near < 0.5 / GRID, np.inf, bound).argmin()]
  return float(lowest * (highest / lowest) ** x)


def _process(
  x: np.ndarray, y: np.ndarray, at: np.ndarray, width=0.2, noise=0.1
) -> tuple[np.ndarray, np.ndarray]:
  """Mean and deviation of a Gaussian process of variance one, given y at x."""

  def kernel(a, b):
    return np.exp(-(((a[:, None] - b[None, :]) / width) ** 2) / 2)

  across = np.linalg.solve(
    kernel(x, x) + noise**2 * np.eye(len(x)), kernel(x, at)
  )  # [given, at]
  variance = 1 - (across * kernel(x, at)).sum(axis=0)
  return across.T @ y, np.sqrt(np.maximum(variance, 0))
