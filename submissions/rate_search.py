"""Search of AutoLRS for learning rates, computed on the host.

Jin et al. 2021, arXiv:2105.10762. The numbers here suit hundreds of steps. The
paper's are for hundreds of thousands, or missing.
"""

from typing import NamedTuple

import numpy as np

SHORTEST = 4  # Fewer losses are too few for a forecast.
GRID = 101  # Rates that may be proposed.
FAILED = 1e6  # Forecast for a rate whose loss is not finite.


class Plan(NamedTuple):
  """Parameters of a search."""

  probes: list[int]  # Steps for which each rate is tried, stage by stage.
  candidates: int  # Rates tried in a stage.
  lowest: float  # Smallest rate to try.
  highest: float  # Largest rate to try.


class Turn(NamedTuple):
  """Steps from the start of a stage that are all made at the same rate."""

  stage: int
  number: int  # Index of the rate; `candidates` for the stage's training.
  rate: float
  rates: tuple[float, ...]  # Rates tried in this stage; 0 if not yet tried.
  forecasts: tuple[float, ...]  # Forecast loss of each rate at the stage's end.


def opening(plan: Plan, stage: int) -> Turn:
  """Return the first turn of a stage."""
  rate = propose((), (), plan.lowest, plan.highest)
  nothing = (0.0,) * plan.candidates
  return Turn(stage, 0, rate, nothing, nothing)


def following(plan: Plan, turn: Turn, losses: np.ndarray) -> Turn:
  """Return the next turn, after a rate was tried.

  Args:
    plan: Parameters of the search.
    turn: The turn that has ended.
    losses: Losses of its steps [n].
  """
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
  """Return whether a turn is the training of its stage."""
  return turn.number == plan.candidates


def length(plan: Plan, turn: Turn) -> int:
  """Number of steps of a turn."""
  probe = plan.probes[turn.stage]
  return plan.candidates * probe if trains(plan, turn) else probe


def stages(
  steps: int, candidates: int, first: float, longest: float, stride: int = 1
) -> list[int]:
  """Return the steps for which each rate is tried, stage by stage.

  A stage trains for `candidates` times as many steps as each rate is tried, so
  search and training take equally long. The last stage takes the steps left.
  There is at least one stage.

  Args:
    steps: Steps of all stages, searches included.
    candidates: Rates tried in a stage.
    first: Share of the steps that the first stage trains; doubles every stage.
    longest: Largest share of the steps that a stage trains.
    stride: Steps made at once; all lengths are multiples.
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
  """Forecast the loss after `steps` steps from the first losses [n].

  Fits a exp(-t / s) + c by least squares, without outliers. s is at most 2 n:
  larger values would extrapolate noise. Fewer than eight losses give the mean
  of their later half. A loss that is not finite makes the forecast infinite.
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
  """Return the steps whose losses are kept.

  Drops ten times the worst 3 % of the first half: those farthest from a fitted
  parabola.
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
  """Return the next rate to try: the minimum of a lower confidence bound.

  The bound is mean - kappa * deviation of a Gaussian process on the logarithm
  of the rate. Its kernel is as wide as a fifth of the range from `lowest` to
  `highest`. The first rate is the geometric mean of `lowest` and `highest`. No
  rate is tried twice.

  Args:
    rates: Rates tried so far.
    forecasts: Forecast loss of each rate.
    lowest: Smallest rate to try.
    highest: Largest rate to try.
    kappa: Weight of the deviation; larger values explore more.
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
  """Mean and deviation, at `at`, of a Gaussian process with values y at x.

  The process has the variance one.
  """

  def kernel(a, b):
    return np.exp(-(((a[:, None] - b[None, :]) / width) ** 2) / 2)

  across = np.linalg.solve(
    kernel(x, x) + noise**2 * np.eye(len(x)), kernel(x, at)
  )  # [given, at]
  variance = 1 - (across * kernel(x, at)).sum(axis=0)
  return across.T @ y, np.sqrt(np.maximum(variance, 0))
