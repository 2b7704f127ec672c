"""Make results in memory, without files, for boards computed by hand."""

import dataclasses
import math
import pathlib

import numpy as np

from runner.protocol.plan import TrialKey
from runner.protocol.suites.suite import (
  Interpretation,
  Ruleset,
  Suite,
  WorkloadSpec,
)
from scoring.load import evals
from scoring.load.results import Results
from scoring.load.trial import MISSING, Trial

LATE = 1000.0  # Budget in charged seconds.


def rules(
  *names: str,
  held_out: dict[str, str] | None = None,
  ladder: tuple[float, ...] = (0.0,),
  **reading: str,
) -> Suite:
  """Return a suite of workloads with the target loss 0.5 and the start 0.9.

  Args:
    *names: Names of the scored workloads.
    held_out: Held-out variants and their base workloads.
    ladder: Shares of the way back from the target to the start.
    **reading: Fields of Interpretation.
  """
  rows = {
    name: WorkloadSpec(
      workload=name,
      metric='loss',
      better='lower',
      target=0.5,
      start=0.9,
      steps=100,
      batch_size=8,
      eval_batch_size=8,
      train_examples=8,
    )
    for name in names
  }
  for variant, base in (held_out or {}).items():
    rows[variant] = dataclasses.replace(
      rows[base], workload=variant, held_out_of=base
    )
  return Suite(
    name='made',
    version='1',
    seed=0,
    cutoff=4.0,
    reference='x',
    rulesets={'self': Ruleset(studies=3, trials=1, budget_factor=1.0)},
    workloads=rows,
    unscored={},
    interpretation=Interpretation(**reading),
    ladder=ladder,
  )


def results(
  suite: Suite, hits: dict[tuple, float | tuple | list | None]
) -> Results:
  """Return the results of a race with the given hits.

  Args:
    suite: The suite.
    hits: {(submission, workload, study, trial): hit}. A hit is the charged
      second (inf: missed, NaN: crashed, None: not run), or a pair of the second
      and the number of evaluations before. A list has a second for each rung.
  """
  made = [
    _trial(TrialKey(*key), hit, suite.rungs(key[1]))
    for key, hit in hits.items()
  ]
  budgets = dict.fromkeys(suite.workloads, LATE)
  return Results(
    folder=pathlib.Path('made'),
    rules=suite,
    ruleset='self',
    plan=None,
    budgets=budgets,
    trials=made,
    problems=[],
    remarks=[],
  )


def _trial(key: TrialKey, hit, rungs) -> Trial:
  if hit is None:
    return _made(key, MISSING, evals.NONE, (), True)
  if isinstance(hit, list):
    return _climbed(key, hit, rungs)
  seconds, before = hit if isinstance(hit, tuple) else (hit, 1)
  if math.isnan(seconds):
    return _made(key, 'crashed', _evals([1.0, 2.0]), (), True)
  if math.isinf(seconds):
    times = np.linspace(1.0, LATE, before + 1).tolist()
    return _made(key, 'budget', _evals(times), (None,) * len(rungs), False)
  times = [*np.linspace(0.0, seconds, before, endpoint=False), seconds]
  last = [0.9] * before + [0.4]
  found = _evals(times, last)
  return _made(key, 'reached', found, (before,) * len(rungs), False)


def _climbed(key: TrialKey, hit: list[float], rungs) -> Trial:
  """Return a trial that is evaluated whenever it reaches a rung."""
  times = sorted({min(seconds, LATE) for seconds in hit})
  reached = [
    [rung.target for rung, at in zip(rungs, hit, strict=True) if at <= time]
    for time in times
  ]
  found = _evals(times, [min(targets, default=0.9) for targets in reached])
  hits = tuple(evals.first_hit(found, rung) for rung in rungs)
  state = 'budget' if hits[0] is None else 'reached'
  return _made(key, state, found, hits, False)


def _evals(seconds, values=None) -> evals.Evals:
  values = [0.9] * len(seconds) if values is None else values
  steps = 10.0 * np.arange(1, len(seconds) + 1)
  return evals.Evals(
    steps, np.array(seconds), np.array(values), np.full(len(seconds), 0.5)
  )


def _made(key, state, found, hits, is_open) -> Trial:
  seconds = float(found.seconds[-1]) if found else 0.0
  folder = pathlib.Path('made')
  return Trial(
    key, folder, state, '', LATE, found, hits, is_open, seconds, {}, []
  )
