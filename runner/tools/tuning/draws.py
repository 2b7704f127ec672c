"""Points that `tune` tries: draws from a space, and draws near the best point.

The space of a submission is its SPACE, with the ranges of the suite instead of
its own ones. These are for the length of the suite's runs: in a run of hundreds
of steps, a memory of thousands of steps cannot be good, whatever is tuned
besides.
"""

from typing import Any

import submissions
from runner.protocol.suites import search_space
from runner.protocol.suites.suite import Suite

Point = dict[str, Any]
DIGITS = 3  # Of drawn numbers: a point in a file is the point that was raced.
OPTIONS = ('dropout', 'label_smoothing', 'grad_clip')  # Those of from_optax.
NEAR = 2.0  # Largest factor between a number of a point and that of a near one.
MORE = 8  # Draws for each that is wanted: draws of a few choices repeat.


def first(suite: Suite, entry: submissions.Entry, draws: int) -> list[Point]:
  """Return SELF and draws from the space, without duplicates.

  A draw has SELF's value of what the space does not name. Of a list, all points
  are taken first, unless the suite has ranges of its own for what they name.
  The others are draws from the smallest box that holds the list and SELF, with
  the ranges of the suite.

  Args:
    suite: The suite, for its ranges and its seed.
    entry: The submission.
    draws: Number of points to draw.

  Raises:
    SubmissionError: the submission has neither SELF nor SPACE.
    SpaceError: SPACE is malformed.
  """
  ranges = space(suite, entry)  # Also says what is wrong with SPACE.
  known = [entry.self_point] if entry.self_point else []
  listed = entry.space if isinstance(entry.space, list) else []
  if any(name in suite.tuning.ranges for point in listed for name in point):
    listed = []
  base = entry.self_point or (listed[0] if listed else {})
  drawn = _points(ranges, MORE * draws, suite.seed, entry)
  found = _new([*known, *listed, *(base | one for one in drawn)], [])
  found = found[: draws + len(known)]
  if not found:
    raise submissions.SubmissionError(
      f'{entry.path} has neither SELF nor SPACE, so it cannot be tuned. Write '
      'one of them.'
    )
  for point in found:
    submissions.check_point(entry, point, 'A point')
  return found


def near(
  suite: Suite,
  entry: submissions.Entry,
  known: list[Point],
  draws: int,
) -> list[Point]:
  """Return draws near the first of some points, none of which is known.

  A number with a range is at most NEAR times larger or smaller. With a linear
  range, which may end where a number has no meaning (a momentum of 1), it moves
  by at most a quarter of the range and stays within. Of numbers to choose from,
  those next to the point's are taken too. What the point does not name is drawn
  from all of its range. The rest stays.

  Args:
    suite: The suite, for its ranges and its seed.
    entry: The submission.
    known: Points that were tried; the first one is the best.
    draws: Number of points to draw.
  """
  best = known[0]
  around = {
    name: search_space.near(spec, best[name], NEAR) if name in best else spec
    for name, spec in space(suite, entry).items()
  }
  drawn = _points(around, MORE * draws, suite.seed + 1, entry)
  return _new([best | one for one in drawn], known)[:draws]


def space(suite: Suite, entry: submissions.Entry) -> dict[str, dict]:
  """Return the ranges that are drawn from, by hyperparameter.

  Args:
    suite: The suite; its ranges replace those of SPACE. They are added where
      SPACE has none and the submission takes the hyperparameter.
    entry: The submission.

  Raises:
    SpaceError: SPACE is malformed.
  """
  own = entry.space
  if isinstance(own, list):
    own = search_space.points(own, len(own), 0, _where(entry))
    self_point = entry.self_point or own[0]
    names = [name for name in own[0] if name in self_point]
    own = search_space.box(
      [{n: one[n] for n in names} for one in [*own, self_point]]
    )
  if own is None:
    return {}
  taken = {
    name: spec
    for name, spec in suite.tuning.ranges.items()
    if name in own or _takes(entry, name)
  }
  return own | taken


def _takes(entry: submissions.Entry, name: str) -> bool:
  """Test whether `build` takes a hyperparameter."""
  if entry.optional is None:  # It has **options.
    return name in entry.keywords or name in OPTIONS
  return name in entry.keywords | entry.optional


def _where(entry: submissions.Entry) -> str:
  return f'{entry.path}: SPACE'


def _points(
  ranges: dict[str, dict], draws: int, seed: int, entry: submissions.Entry
) -> list[Point]:
  """Return draws with DIGITS digits."""
  if not ranges or not draws:
    return []
  return [
    {
      name: float(f'{x:.{DIGITS}g}') if isinstance(x, float) else x
      for name, x in point.items()
    }
    for point in search_space.points(ranges, draws, seed, _where(entry))
  ]


def _new(points: list[Point], known: list[Point]) -> list[Point]:
  """Return points without duplicates and without those that are known."""
  found: list[Point] = []
  for point in points:
    if point not in found and point not in known:
      found.append(point)
  return found
