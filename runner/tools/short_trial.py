"""Some steps of a trial in a process of its own, and what they took."""

import pathlib
import tempfile
from typing import NamedTuple

from runner.launch import attempt
from runner.machine.hardware import Speed
from runner.protocol import columns, layout as records, plan, storage
from submissions.algoperf import folders, layout

TRACE = 'traceback_0.txt'


class Probe(NamedTuple):
  """How it went; whatever a trial did not come to tell is empty."""

  status: records.Status
  rows: list[dict[str, str]]  # Evaluations: of the first state and the last.
  end: dict  # The event.
  examples: dict[str, int]  # Of every split.
  trace: str  # Of the exception that ended it, if one did.

  @property
  def speed(self) -> Speed:
    """Compilation, and the other charged seconds over all steps."""
    spent = self.status.accounts
    training = spent['train'] + spent['data'] + spent['view']
    return Speed(spent['compile'], training / self.end['step'])

  @property
  def later_speed(self) -> Speed:
    """As speed, but of the steps after the first evaluation.

    A few steps would else pay for all that a submission does once.
    """
    if len(self.rows) < 2:
      return self.speed
    steps, charged, compiled = (
      float(self.rows[-1][name]) - float(self.rows[0][name])
      for name in (
        columns.STEP,
        columns.SECONDS,
        columns.COMPILE,
      )
    )
    seconds = max(0.0, charged - compiled) / steps
    return Speed(self.status.accounts['compile'], seconds)


def run(
  made: plan.Plan,
  trial: plan.Trial,
  steps: int,
  terms: attempt.TrialOptions,
  tell: attempt.Tell,
) -> Probe:
  """Trains for so many steps, and looks after the first and the last."""
  limits = {'steps': steps, 'eval_steps': steps}
  table = plan.table(made) | {'limits': limits}
  with tempfile.TemporaryDirectory() as folder:
    out = pathlib.Path(folder)
    status = attempt.run_trial(out, table, trial._asdict(), tell, terms)
    place, path = trial.folder(out), made.entries[trial.submission].path
    source = path if folders.is_alone(path) else layout.layout(path).root
    events = list(storage.read_lines(place / records.ATTEMPTS))
    ends = [event for event in events if event['event'] == 'end']
    meta, trace = place / 'meta_data_0.json', place / TRACE
    return Probe(
      status,
      storage.read_rows(place / records.EVALS),
      ends[-1],
      storage.read_json(meta)['examples'] if meta.exists() else {},
      _trace(trace, records.source(place, trial.submission), source),
    )


def _trace(path: pathlib.Path, copy: pathlib.Path, source: pathlib.Path) -> str:
  """A traceback that names what was copied, as the copy is deleted."""
  if not path.exists():
    return ''
  text = path.read_text(encoding='utf-8')
  return text.replace(str(copy), str(source))
