"""Display of progress: live on a terminal, a line per trial elsewhere."""

import time

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from runner.protocol import layout
from runner.protocol.records.progress import ProgressEvent
from runner.protocol.suites.workload_spec import WorkloadSpec

COLORS = {
  'reached': 'green',
  'budget': 'yellow',
  'ended': 'yellow',
  'beaten': 'yellow',
  'hopeless': 'yellow',
}


class Progress:
  """Display with a line for the running trial and for each finished trial."""

  def __init__(self, total: int, console: Console | None = None):
    self._console = console or Console(highlight=False)
    self._total = total
    self._over = 0
    self._live = Live(console=self._console, refresh_per_second=4)
    self._event = ProgressEvent()
    self._title = ''
    self._spec: WorkloadSpec | None = None
    self._budget = 0.0
    self._began = time.monotonic()

  def __enter__(self):
    if self._console.is_terminal:
      self._live.start()
    return self

  def __exit__(self, *_):
    if self._console.is_terminal:
      self._live.update('')
      self._live.stop()

  def begin(
    self, what: str, spec: WorkloadSpec | None = None, budget: float = 0.0
  ) -> None:
    """Show the start of a trial.

    Args:
      what: Title of the trial.
      spec: The workload, if there is one.
      budget: Budget in charged seconds; 0: none.
    """
    self._title = what
    self._spec, self._budget = spec, budget
    self._event = ProgressEvent(doing='starting')
    self._show()

  def queue_again(self, count: int) -> None:
    """Show that `count` trials will be tried again later."""
    self._total += count
    self._title = f'{count} to be tried again'
    self._event = ProgressEvent(doing='waiting')
    self._show()

  def on_progress(self, event: ProgressEvent) -> None:
    """Show a progress event."""
    self._event = self._event.then(event)
    self._show()

  def count(self, sent: int, waiting: int) -> None:
    """Show the numbers of sent and of waiting trials on other machines."""
    if self._console.is_terminal:
      self._live.update(
        f'[bold]{self._over}/{self._total}[/]  {sent} sent, '
        f'{waiting} waiting  [dim]{self._minutes():.1f} min[/]'
      )

  def end(self, what: str, status: layout.Status) -> None:
    """Print the status of a trial that is over.

    Args:
      what: Title of the trial.
      status: Status of the trial.
    """
    self._over += 1
    begun = 'interrupted' if status.attempts else 'not begun'
    outcome = status.outcome or begun
    color = COLORS.get(outcome, 'red')
    width = len(str(self._total))
    self._console.print(
      f'[{self._over:>{width}}/{self._total}] {escape(what):<44} '
      f'[{color}]{outcome:<9}[/] {status.seconds:7.1f} s  ',
      escape(status.reason),
      soft_wrap=True,
      markup=True,
    )

  def step(self) -> None:
    """Count one more trial as over, without printing its status."""
    self._over += 1

  def _show(self) -> None:
    if self._console.is_terminal:
      self._live.update(self._table())

  def _table(self) -> Table:
    event, spec = self._event, self._spec
    table = Table.grid(padding=(0, 2))
    loss, metric = event.loss, event.metric
    target = spec.target if spec else None
    table.add_row(
      f'[bold]{self._over + 1}/{self._total}[/]',
      f'[bold]{escape(self._title)}[/]',
      f'step {event.step or 0}',
      '' if loss is None else f'loss {loss:.4g}',
      f'{spec.metric if spec else ""} '
      f'{"–" if metric is None else format(metric, ".4g")}'
      f' / {"–" if target is None else format(target, ".4g")}',
      f'{event.seconds or 0.0:.1f} / {self._budget:.0f} s',
      escape(event.doing or ''),
      f'[dim]{self._minutes():.1f} min[/]',
    )
    return table

  def _minutes(self) -> float:
    return (time.monotonic() - self._began) / 60
