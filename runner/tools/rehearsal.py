"""Tests of a submission on a workload for a few steps.

Compared runs are evaluated at the same steps, because evaluations may change
training: AlgoPerf's `prepare_for_eval` does, and so do submissions that read
their evaluations. Other submissions in TimeTrial's own form must train the same
with any number of evaluations.
"""

import ast
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import submissions
from runner.protocol import layout
from runner.protocol.records.progress import OnProgress
from runner.protocol.timing import accounts
from runner.tools import explain
from runner.tools.stage import ATTEMPTS, Rehearsal, Stage
from submissions import literals
from submissions.algoperf import folders

STEPS = 8  # Number of dispatches of a run.
EVERY = 3  # Dispatches from one evaluation to the next.
GOOD = ('ok', 'look')
# Names in a source that read evaluations, and names that read the time.
EVALS, CLOCK = ('.evals',), ('.elapsed', '.progress', 'train_state', 'time')


class Finding(NamedTuple):
  """Result of one test."""

  mark: str  # 'ok', 'look', 'FAIL', or 'open' after a machine failure.
  text: str


ALONE, AGAIN, OFTEN, RESUMED = range(4)  # Numbers of the runs, as studies.


def findings(of: Rehearsal, on_progress: OnProgress) -> Iterator[Finding]:
  """Yield findings one by one; only one finding if training fails."""
  spec = of.plan.suite.workloads[of.trial.workload]
  steps = STEPS * spec.steps_per_dispatch
  every = EVERY * spec.steps_per_dispatch
  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    stage = Stage(of, pathlib.Path(folder), on_progress)
    status = stage.run(ALONE, [steps], every)
    if status.outcome != 'ended':
      yield _failed(stage, ALONE, status)
      return
    spent = status.accounts
    step = (spent[accounts.TRAIN] + spent[accounts.DATA]) / stage.evaluations(
      ALONE
    )[-1]
    yield Finding(
      'ok',
      f'trains; compiles in {spent[accounts.COMPILE]:.1f} s, '
      f'about {step * 1e3:.1f} ms a step.',
    )
    if of.entry.algoperf:
      yield _repeated(stage, steps, every)
    else:
      yield _often(stage, steps, every)
    yield _resumed(stage, steps, every)


def _repeated(stage: Stage, steps: int, every: int) -> Finding:
  text = 'the same run again is the same'
  status = stage.run(AGAIN, [steps], every)
  if status.outcome != 'ended':
    return _failed(stage, AGAIN, status)
  if stage.end(AGAIN) == stage.end(ALONE):
    return Finding('ok', text)
  return _by_chance(stage, text)


def _often(stage: Stage, steps: int, every: int) -> Finding:
  text = 'looking does not change training'
  status = stage.run(OFTEN, [steps], 1)
  if status.outcome != 'ended':
    return _failed(stage, OFTEN, status)
  if stage.end(OFTEN)[:2] == stage.end(ALONE)[:2]:
    return Finding('ok', text)
  if not _is_repeatable(stage, steps, every):
    return _by_chance(stage, text)
  if _asks(stage.of.entry, EVALS):
    return Finding(
      'look',
      'training depends on when it is evaluated. The submission reads its '
      'evaluations (.evals), so this seems to be intended.',
    )
  return Finding(
    'FAIL',
    f'not so: {text}. {_differ(stage, OFTEN)} Does model(state) change the '
    'state, or something that train uses?',
  )


def _resumed(stage: Stage, steps: int, every: int) -> Finding:
  text = 'a resumed run is the same run'
  evaluations = stage.evaluations(ALONE)
  if len(evaluations) < 2:
    return Finding('ok', 'its first state is its last: nothing is resumed.')
  middle = evaluations[(len(evaluations) - 1) // 2]
  status = stage.run(RESUMED, [middle, steps], every)
  if status.outcome != 'ended':
    return _failed(stage, RESUMED, status)
  if over := _starts_over(stage.log(RESUMED)):
    return Finding('look', f'interrupted, it starts over: {over}')
  if stage.end(RESUMED) == stage.end(ALONE):
    return Finding('ok', text)
  if not _is_repeatable(stage, steps, every):
    return _by_chance(stage, text)
  return Finding(
    'FAIL',
    f'not so: {text}. {_differ(stage, RESUMED)} Does the yielded state contain '
    'everything that train needs?'
    if not stage.of.entry.algoperf
    else f'not so: {text}. {_differ(stage, RESUMED)} Does optimizer_state '
    'contain everything? Globals of the file are not restored.',
  )


def _starts_over(log: str) -> str:
  """Return why a trial starts over, from its log; '' if it resumes."""
  for line in log.splitlines():
    for said in ('This trial cannot be resumed: ', 'The trial starts over: '):
      if line.startswith(said):
        return line.removeprefix(said)
  return ''


def _is_repeatable(stage: Stage, steps: int, every: int) -> bool:
  if not stage.folder(AGAIN).exists():
    stage.run(AGAIN, [steps], every)
  return stage.end(AGAIN) == stage.end(ALONE)


def _by_chance(stage: Stage, text: str) -> Finding:
  differ = _differ(stage, AGAIN)
  if _asks(stage.of.entry, CLOCK):
    return Finding(
      'look',
      f'unknown whether {text}, because two equal runs differ. The submission '
      'reads the clock, so this seems to be intended.',
    )
  return Finding(
    'FAIL',
    f'not so: {text}, because two equal runs differ already. {differ} Does the '
    'submission draw random numbers without its key?',
  )


def _differ(stage: Stage, study: int) -> str:
  one, other = (' '.join(map(str, stage.end(s)[:2])) for s in (ALONE, study))
  return f'The states differ after the last step: {one} against {other}.'


def _asks(entry: submissions.Entry, names: Sequence[str]) -> bool:
  """Test whether the source uses one of `names`; attributes begin with '.'."""
  found = set()
  for file in folders.files(entry.path):
    if file.suffix != '.py':
      continue
    try:
      tree = literals.parsed(file)
    except literals.NOT_PYTHON:
      continue  # Training has worked, so the file is not run.
    for node in ast.walk(tree):
      match node:
        case ast.Attribute(attr=name):
          found.add(f'.{name}')
        case ast.Name(id=name, ctx=ast.Load()):
          found.add(name)
  return bool(found.intersection(names))


def _failed(stage: Stage, study: int, status: layout.Status) -> Finding:
  """Report a run that did not end as planned."""
  outcome = status.outcome or 'interrupted'
  reason = explain.reason(status)
  if status.retryable or outcome == 'invalid':
    return Finding(
      'open',
      f'not tried, because the machine failed {ATTEMPTS} times ({outcome}: '
      f'{reason}). This does not concern the submission: check it again when '
      'the machine is less busy.',
    )
  of = stage.of
  return Finding(
    'FAIL', explain.failure(of.entry, of.trial, stage.folder(study), status)
  )
