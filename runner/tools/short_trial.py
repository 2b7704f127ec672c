"""Short trials: some steps in a child process, with time and memory."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Mapping

from runner.launch import planned_trial
from runner.launch.attempt import TrialOptions
from runner.protocol import columns, layout, storage
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial, Speed
from runner.protocol.records import events
from runner.protocol.records.events import End
from runner.protocol.records.metadata import examples
from runner.protocol.records.progress import OnProgress
from runner.protocol.timing import accounts
from runner.protocol.timing.accounts import ALL, Charges
from runner.protocol.trial_file import StepLimits
from submissions.algoperf import folders, layout as algoperf_layout

TRACE = 'traceback_0.txt'


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShortTrial:
  """Result of a short trial; values that it did not report are empty.

  Attributes:
    status: Status of the trial.
    rows: Evaluations of the first state and of the last state.
    steps: Number of steps.
    memory: Peak bytes by place: 'host', 'device'.
    held_up: Share of its wanted processor time that others used.
    examples: Number of examples of each split.
    trace: Traceback of the exception that ended the trial, or ''.
    charges: What the suite charges.
  """

  status: Status
  rows: list[dict[str, str]]
  steps: int
  memory: Mapping[str, int | None]
  held_up: float
  examples: Mapping[str, int]
  trace: str
  charges: Charges = ALL

  @property
  def speed(self) -> Speed:
    """Speed over all steps: compilation, and other charged seconds a step."""
    spent = self.status.accounts
    once = spent[accounts.COMPILE], spent.get(accounts.TRACE, 0.0)
    training = ALL.of(spent) - sum(once)
    return Speed(once[0], training / self.steps, once[1])

  @property
  def later_speed(self) -> Speed:
    """Speed of the steps after the first evaluation.

    The first steps contain work that a submission does only once.
    """
    if len(self.rows) < 2:
      return self.speed
    names = [columns.STEP, columns.SECONDS, columns.TRACE]
    if self.charges.compiling:
      names.append(columns.COMPILE)
    steps, charged, *once = (
      float(self.rows[-1][name]) - float(self.rows[0][name]) for name in names
    )
    seconds = max(0.0, charged - sum(once)) / steps
    return self.speed._replace(step_seconds=seconds)


def run(
  plan: Plan,
  trial: PlannedTrial,
  steps: int,
  options: TrialOptions,
  on_progress: OnProgress,
) -> ShortTrial:
  """Train for some steps; evaluate after the first and the last.

  Args:
    plan: The plan.
    trial: One of the plan's trials.
    steps: Number of steps.
    options: Options of all trials.
    on_progress: Called with every progress event.
  """
  limits = StepLimits(steps=steps, eval_steps=steps)
  with tempfile.TemporaryDirectory() as folder:
    out = pathlib.Path(folder)
    status = planned_trial.run_trial(
      out, plan, trial, on_progress, options, limits=limits
    )
    place = trial.folder(out)
    path = plan.sources[trial.submission].file
    source = (
      path if folders.is_alone(path) else algoperf_layout.layout(path).root
    )
    end = events.of(End, layout.attempts(place))[-1]
    meta, trace = place / 'meta_data_0.json', place / TRACE
    return ShortTrial(
      status=status,
      rows=storage.read_rows(place / layout.EVALS),
      steps=end.step,
      memory=end.memory,
      held_up=layout.held_up(end.load),
      examples=examples(meta) if meta.exists() else {},
      trace=_trace(trace, layout.source(place, trial.submission), source),
      charges=plan.suite.charges,
    )


def _trace(path: pathlib.Path, copy: pathlib.Path, source: pathlib.Path) -> str:
  """Return a traceback with paths of the original, as its copy is deleted."""
  if not path.exists():
    return ''
  text = path.read_text(encoding='utf-8')
  return text.replace(str(copy), str(source))
