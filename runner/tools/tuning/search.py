"""The order in which `tune` races points, and which of them continue.

SELF and half of the draws, from the whole space, race on a third of the
workloads. The other half is drawn near the best of these points, and races
there too. The better half of all points continues on the next third, and the
last FINAL points on the last third, with SEEDS seeds. SELF continues to the end
in any case: what replaces it was better on all workloads together. The best
point has the smallest geometric mean over all workloads of its mean cost.

With nine points and nine workloads these are 57 trials; several seeds on all
workloads would make them 81. This is a calibration in the sense of Kasimbeg et
al. 2025, arXiv:2505.24005, with successive halving (Jamieson and Talwalkar
2016, arXiv:1502.07943) over workloads.
"""

from collections.abc import Callable, Sequence

from runner.protocol.suites.suite import Suite
from runner.protocol.suites.workload_spec import WorkloadSpec
from runner.tools.tuning import candidates, draws
from runner.tools.tuning.candidates import Candidate, Curve

FINAL = 2  # Number of points that are raced with several seeds.
SEEDS = 3  # Their number, with the first one.

Race = Callable[
  [Sequence[Candidate], Sequence[str], int], dict[tuple[str, int], Curve]
]
Near = Callable[[list[draws.Point]], list[draws.Point]]


def run(
  suite: Suite,
  points: Sequence[draws.Point],
  *,
  near: Near,
  race: Race,
  before: draws.Point | None,
) -> list[Candidate]:
  """Race all points, and return the candidates, best first.

  Args:
    suite: The suite.
    points: The first points.
    near: Returns further points, near the first of those that it is given.
    race: Races candidates on workloads with the seed of a study; returns the
      curves by workload and number of the candidate.
    before: The point to replace, which is one of `points`; None: there is none.
  """
  rungs = suite.tuning.parts(suite.workloads)
  beaten: list[Candidate] = []
  specs: dict[str, WorkloadSpec] = {}

  def scored(field, some, study=0):
    curves = race(field, some, study)
    for name in some:
      if name not in specs:
        mine = [curves[name, one.number] for one in field]
        specs[name] = candidates.aimed(suite.workloads[name], mine)
    return _scored(suite, field, specs, some, curves)

  field = scored(_numbered(points, 1), rungs[0])
  more = _numbered(near([one.point for one in field]), len(field) + 1)
  field = _ranked([*field, *scored(more, rungs[0])])
  for some in rungs[1:]:
    kept = max(FINAL, len(field) // 2) if some != rungs[-1] else FINAL
    field, rest = _divided(field, kept, before)
    beaten = rest + beaten
    field = scored(field, some)
  field, rest = _divided(field, FINAL, before)
  beaten = rest + beaten
  if len(field) > 1:
    for study in range(1, SEEDS):
      field = scored(field, rungs[-1], study)
  return field + beaten


def _divided(
  field: list[Candidate], kept: int, before: draws.Point | None
) -> tuple[list[Candidate], list[Candidate]]:
  """Return those that continue, with the point before, and the others."""
  some = field[:kept]
  old = [one for one in field if one.point == before]
  if old and old[0] not in some:
    some = [*some[:-1], *old]
  return some, [one for one in field if one not in some]


def _numbered(points: Sequence[draws.Point], start: int) -> list[Candidate]:
  """Return candidates for points; their numbers begin at `start`."""
  return [Candidate(n, point) for n, point in enumerate(points, start=start)]


def _ranked(field: Sequence[Candidate]) -> list[Candidate]:
  """Return candidates, best first."""
  return sorted(field, key=lambda one: one.mean)


def _scored(suite, field, specs, names, curves) -> list[Candidate]:
  """Return candidates with the costs of more trials, best first."""
  for name in names:
    field = [
      one.with_trial(suite, specs[name], curves[name, one.number])
      for one in field
    ]
  return _ranked(field)
