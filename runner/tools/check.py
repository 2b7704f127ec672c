"""Tests of a submission before hours are spent on it.

All imports must be installed. Code that looks like more than training is
listed. Then the submission trains on each workload for a few steps (see
`runner.tools.rehearsal`).
"""

import shlex
import time
from collections.abc import Iterator
from typing import NamedTuple

import jax

import submissions
import workloads
from runner import planning
from runner.executors import progress
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.protocol.plan import Machine
from runner.protocol.suites.suite import Suite
from runner.tools import missing_packages, rehearsal, source_lint
from runner.tools.stage import Rehearsal

QUICK = 'digits'  # The fastest workload.
FEW = 2  # Number of workloads on which all submissions are tested first.


class Cell(NamedTuple):
  """A submission in a ruleset on a workload."""

  ruleset: str
  rehearsal: Rehearsal

  @property
  def title(self) -> str:
    """Name of the cell for messages."""
    name = self.rehearsal.trial.submission
    return f'{name} ({self.ruleset}) on {self.workload}'

  @property
  def workload(self) -> str:
    """Name of the workload."""
    return self.rehearsal.trial.workload

  @property
  def entrant(self) -> tuple[str, str]:
    """Name of the submission, and the ruleset."""
    return self.rehearsal.trial.submission, self.ruleset


def order(suite: Suite) -> tuple[str, ...]:
  """Return names of workloads: a fast one first, then one with batch norm."""
  first = [QUICK] if QUICK in suite.unscored else []
  first += [name for name in suite.workloads if _has_state(suite, name)][:1]
  return tuple(dict.fromkeys([*first, *suite.workloads]))


def _has_state(suite: Suite, name: str) -> bool:
  workload = workloads.get(suite.workloads[name].workload)
  model = jax.eval_shape(workload.init, jax.random.key(0))
  return bool(jax.tree.leaves(model.state))


def main(
  suite: Suite,
  requests: tuple[str, ...],
  options: TrialOptions,
  fast: bool = False,
) -> int:
  """Test submissions, print findings, and return an exit code: 1 if any fails.

  Args:
    suite: Suite with the workloads in the order of the tests.
    requests: Submissions by name or path.
    options: Options of all trials.
    fast: Whether to stop testing a submission after its first workload on which
      it does not train.
  """
  good, cells = True, []
  machine = hardware.describe()
  for request in requests:
    entry = submissions.find(request)
    if found := missing_packages.find(entry):
      print('\n'.join(f'FAIL {entry.name}: {text}' for text in found))
      good = False
      continue
    for one in source_lint.look(entry.path):
      print(f'look {entry.name}: {one.file}, line {one.line}: {one.text}')
    cells += _cells(suite, request, entry, machine, options)
  cells.sort(key=lambda cell: cell.workload not in [*suite.workloads][:FEW])
  return 0 if _tried(cells, fast) and good else 1


def following(
  suite: str,
  requests: tuple[str, ...],
  data_dir: str | None,
  world: int | None = None,
) -> str:
  """Return the commands that race the submissions, as text.

  Args:
    suite: Name of the suite.
    requests: Submissions by name or path.
    data_dir: Folder of the datasets; None: the default one.
    world: World of all workloads; None: as the suite says.
  """
  found: dict[str, list[str]] = {}
  for request in requests:
    [first, *_] = rulesets(submissions.find(request))
    found.setdefault(first, []).append(request)
  commands = []
  for ruleset, names in found.items():
    words = ['timetrial', 'run', f'--submissions={",".join(names)}']
    words += [f'--suite={suite}'] if suite != 'mini' else []
    words += [] if world is None else [f'--world={world}']
    words += [f'--ruleset={ruleset}'] if ruleset != 'self' else []
    words += [f'--data_dir={data_dir}'] if data_dir else []
    out = 'results' if len(found) == 1 else f'results_{ruleset}'
    commands.append(shlex.join([*words, f'--out={out}']))
  return '\n'.join(f'Next: {command}' for command in commands)


def rulesets(entry: submissions.Entry) -> list[str]:
  """Return the rulesets of a submission, the self-tuning ruleset first.

  Raises:
    SubmissionError: the submission fits no ruleset.
  """
  found = [
    name
    for name, points in (('self', entry.self_point), ('external', entry.space))
    if points is not None
  ]
  if not found:
    raise submissions.SubmissionError(
      f'{entry.path} has neither SELF (its point in the self-tuning ruleset) '
      'nor SPACE (its search space in the external ruleset). Write one of them.'
    )
  return found


def _cells(
  suite: Suite,
  request: str,
  entry: submissions.Entry,
  machine: Machine,
  options: TrialOptions,
) -> Iterator[Cell]:
  for ruleset in rulesets(entry):
    plan = planning.make_endless(suite, ruleset, [request], machine)
    for name in suite.workloads:
      [trial, *_] = [t for t in plan.trials if t.workload == name]
      rehearsed = Rehearsal(
        entry=entry, plan=plan, trial=trial, options=options
      )
      yield Cell(ruleset, rehearsed)


def _tried(cells: list[Cell], fast: bool) -> bool:
  """Test cells and print findings and times; return whether all are good."""
  good, began = True, time.monotonic()
  stopped: set[tuple[str, str]] = set()
  names = list(dict.fromkeys(cell.workload for cell in cells))
  quick = sum(cell.workload in names[:FEW] for cell in cells)
  if quick < len(cells):
    print(
      f'Trying {len(cells)} cells, {" and ".join(names[:FEW])} first.',
      flush=True,
    )
  with progress.Progress(len(cells)) as live:
    for over, cell in enumerate(cells, start=1):
      if cell.entrant in stopped:
        continue
      trains, fine = _told(cell, live)
      good = good and fine
      if fast and not trains:
        stopped.add(cell.entrant)
        _say_left(cells[over:], cell)
      live.step()
      if over == quick < len(cells) and not stopped:
        seconds = time.monotonic() - began
        print(
          f'{over} of {len(cells)} took {_text(seconds)}; all take about '
          f'{_text(seconds * len(cells) / over)}.',
          flush=True,
        )
  if len(cells) > quick and not stopped:
    print(f'All {len(cells)} took {_text(time.monotonic() - began)}.')
  return good


def _told(cell: Cell, live: progress.Progress) -> tuple[bool, bool]:
  """Test a cell; return whether it trains, and whether all is good."""
  spec = cell.rehearsal.plan.suite.workloads[cell.workload]
  live.begin(cell.title, spec)
  marks = []
  for finding in rehearsal.findings(cell.rehearsal, live.on_progress):
    print(f'{finding.mark:4} {cell.title}: {finding.text}', flush=True)
    marks.append(finding.mark)
  good = [mark in rehearsal.GOOD for mark in marks]
  return good[0], all(good)


def _say_left(cells: list[Cell], cell: Cell) -> None:
  left = [one.workload for one in cells if one.entrant == cell.entrant]
  if left:
    print(
      f'     So the submission was not tried on {", ".join(left)}. To try it '
      'there, name these workloads: --workloads=...',
      flush=True,
    )


def _text(seconds: float) -> str:
  return f'{seconds:.0f} s' if seconds < 90 else f'{seconds / 60:.0f} min'
