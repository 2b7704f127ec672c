"""Make results in memory, without files, for boards computed by hand."""

import dataclasses
import math
import pathlib

import numpy as np

from runner.protocol.plan import TrialKey
from runner.protocol.suite import Interpretation, Ruleset, Suite, WorkloadSpec
from scoring.load import evals, trials
from scoring.load.results import Results
from scoring.load.trials import Trial

LATE = 1000.0  # Budget in charged seconds.


def rules(
  *names: str, held_out: dict[str, str] | None = None, **reading: str
) -> Suite:
  """Return a suite of workloads with the target loss 0.5.

  Args:
    *names: Names of the scored workloads.
    held_out: Held-out variants and their base workloads.
    **reading: Fields of Interpretation.
  """
  rows = {
    name: WorkloadSpec(
      workload=name,
      metric='loss',
      better='lower',
      target=0.5,
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
  )


def results(suite: Suite, hits: dict[tuple, float | tuple | None]) -> Results:
  """Return the results of a race with the given hits.

  Args:
    suite: The suite.
    hits: {(submission, workload, study, trial): hit}. A hit is the charged
      second (inf: missed, NaN: crashed, None: not run), or a pair of the second
      and the number of evaluations before.
  """
  made = [_trial(TrialKey(*key), hit) for key, hit in hits.items()]
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


def _trial(key: TrialKey, hit) -> Trial:
  if hit is None:
    return _made(key, trials.MISSING, evals.NONE, None, True)
  seconds, before = hit if isinstance(hit, tuple) else (hit, 1)
  if math.isnan(seconds):
    return _made(key, 'crashed', _evals([1.0, 2.0]), None, True)
  if math.isinf(seconds):
    times = np.linspace(1.0, LATE, before + 1).tolist()
    return _made(key, 'budget', _evals(times), None, False)
  times = [*np.linspace(0.0, seconds, before, endpoint=False), seconds]
  return _made(key, 'reached', _evals(times, 0.4), before, False)


def _evals(seconds, last: float = 0.9) -> evals.Evals:
  values = [0.9] * (len(seconds) - 1) + [last]
  steps = 10.0 * np.arange(1, len(seconds) + 1)
  return evals.Evals(
    steps, np.array(seconds), np.array(values), np.full(len(seconds), 0.5)
  )


def _made(key, state, found, at, is_open) -> Trial:
  seconds = float(found.seconds[-1]) if found else 0.0
  folder = pathlib.Path('made')
  return Trial(
    key, folder, state, '', LATE, found, at, is_open, seconds, {}, []
  )
