"""Check that trials were stopped by a forecast only where the plan allows it.

The forecast is computed again from the records, with the finished trials that
it knew.
"""

import functools
import math
import pathlib
from collections.abc import Iterator, Mapping

from runner.protocol import layout, plan_file
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records import ledger
from runner.protocol.records.events import Hopeless
from scoring import advise
from scoring.audit import BROKEN
from scoring.load import hopeless, results as read
from scoring.load.results import Results
from scoring.load.tree import relative
from scoring.load.trial import HOPELESS, Trial
from scoring.rank import stopping

Told = tuple[str, bool, str]  # Path, whether it is a doubt, and a text.
ALIKE = 1e-6  # Largest difference of a chance that is computed again.


def checked(results: Results) -> Iterator[Told]:
  """Yield what speaks against stops by forecasts, and their audit as a note.

  Args:
    results: The results.
  """
  plan = results.plan
  if plan is None:
    return
  for text in hopeless.remarks(results.trials):
    yield '.', False, text
  # Results and ledger are read once, and only if a trial was stopped.
  again = functools.cache(
    lambda effort: read.read(results.folder, effort=effort)
  )
  ends = functools.cache(lambda: _ends(results.folder))
  for trial in results.trials:
    if trial.hopeless is None and trial.state != HOPELESS:
      continue
    where = relative(results.folder, trial.folder)
    planned = results.planned[trial.key]
    for text in _as_planned(trial, plan):
      yield where, True, text
    if trial.hopeless is not None:
      try:
        effort = 'seconds' if trial.timed else 'steps'
        found = again(effort)
        for text in _follows(found, ends(), planned, trial.hopeless):
          yield where, True, text
      except BROKEN as error:
        text = f'Its forecast cannot be computed again: {error}'
        yield where, True, text


def _as_planned(trial: Trial, plan: Plan) -> Iterator[str]:
  """Check the plan's policy, and which trials it drew for the audit."""
  said, drawn = trial.hopeless, plan_file.audited(plan.suite.seed, trial.key)
  if plan.stop != 'safe':
    yield (
      'It was stopped by a forecast, but the plan allows none: it was made '
      'without --stop=safe.'
    )
  if said is None:
    yield 'It was stopped by a forecast that is not recorded.'
    return
  if drawn and trial.state == HOPELESS:
    yield 'It was stopped, but was drawn to run to its end, for the audit.'
  if said.audited != drawn:
    yield (
      'It ran to its end as if drawn for the audit, and was not.'
      if said.audited
      else 'It was drawn for the audit, and is not recorded so.'
    )


def _follows(
  again: Results,
  ends: Mapping[str, int],
  planned: PlannedTrial,
  said: Hopeless,
) -> Iterator[str]:
  """Compute the forecast again, and compare it with what is recorded.

  Args:
    again: The results, in the unit by which the trial was stopped.
    ends: Places of the trials' ends in the ledger.
    planned: The trial.
    said: What is recorded.
  """
  mine = relative(again.folder, planned.folder(again.folder))
  ids = {one.id: one.key for one in again.planned.values()}
  by_key = {one.key: one for one in again.trials}
  known = [by_key[ids[one]] for one in said.known if one in ids]
  lacking = len(said.known) - len(known)
  if lacking:
    yield f'{lacking} of the trials that its forecast knew are gone.'
    return
  for one in known:
    if one.key.workload != planned.workload:
      yield f'Its forecast knew {one.key}, which is of another workload.'
    if one.key.submission == planned.submission:
      yield f'Its forecast knew {one.key}, which is of the same submission.'
    if not stopping.is_finished(one):
      yield f'Its forecast knew {one.key}, which is not finished.'
    elif (where := relative(again.folder, one.folder)) in ends and (
      ends[where] > ends[mine]
    ):
      yield f'Its forecast knew {one.key}, which ended later.'
  own = advise.running(again, planned)
  judge = advise.forecaster(again, own, known)
  agreed = judge.stop(own, len(own.evals.steps)) if judge else []
  chances = tuple(view.chance for view in agreed)
  if not agreed or agreed[-1].step != said.step:
    when = f'at step {agreed[-1].step}' if agreed else 'nowhere'
    yield (
      f'It was called hopeless at step {said.step}; from the records it was so '
      f'{when}.'
    )
  elif not _alike(chances, said.chances):
    yield (
      f'Its recorded chances are {_shown(said.chances)}; computed again, they '
      f'are {_shown(chances)}.'
    )


def _ends(folder: pathlib.Path) -> dict[str, int]:
  """Return the place of each trial's first end in the ledger."""
  found: dict[str, int] = {}
  for place, line in enumerate(ledger.read(folder)):
    if line.outcome in layout.SCORED:
      found.setdefault(line.trial, place)
  return found


def _alike(some: tuple[float, ...], others: tuple[float, ...]) -> bool:
  return len(some) == len(others) and all(
    math.isclose(one, other, abs_tol=ALIKE)
    for one, other in zip(some, others, strict=True)
  )


def _shown(chances: tuple[float, ...]) -> str:
  return ' and '.join(f'{chance:.4%}' for chance in chances)
