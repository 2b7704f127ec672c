"""Advice of scoring while a race runs: when a trial need not go on.

The runner imports no scoring. A child process reads the results, answers one
request after another, and waits in between. It has the lowest priority, and it
is asked before a trial begins and after evaluations only.
"""

import contextlib
import math
import os
import pathlib
import select
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from runner.launch import environment
from runner.protocol.records import advice
from runner.protocol.records.advice import Advice, Request
from runner.protocol.records.progress import OnProgress, ProgressEvent

PIPE = 1 << 16  # Bytes that a pipe holds.
PATIENCE = 600.0  # Seconds to wait for advice before a trial begins.


class Adviser:
  """A child process of scoring; `opened` starts and ends it.

  Attributes:
    policy: One of advice.POLICIES.
  """

  def __init__(self, out: pathlib.Path, policy: str):
    """Start the process.

    Args:
      out: The results folder.
      policy: One of advice.POLICIES; 'none' starts nothing.
    """
    self.policy = policy
    self._rest = b''
    self._heard: deque[Advice] = deque()
    self._process: subprocess.Popen[bytes] | None = None
    if policy != 'none':
      self._process = subprocess.Popen(
        # Nothing is imported from the folder where a trial may have written.
        [sys.executable, '-P', '-m', 'scoring.advise', str(out), policy],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env=os.environ | {'PYTHONPATH': environment.python_path()},
        start_new_session=True,  # Ctrl-C reaches it through its parent only.
      )

  def close(self) -> None:
    """End the process, if there is one."""
    process, self._process = self._process, None
    if process is not None:
      process.kill()  # It holds nothing that could be lost.
      process.wait()
      for pipe in (process.stdin, process.stdout):
        if pipe is not None:
          pipe.close()

  def now(self, request: Request) -> Advice:
    """Return the answer to a request; without a process, advice of nothing."""
    self.ask(request)
    while self._process is not None:
      found = self.heard(PATIENCE)
      if found is None:
        self._give_up(f'it said nothing for {PATIENCE:.0f} s')
      elif found.request == request:
        return found
    return Advice(request=request)

  def ask(self, request: Request) -> None:
    """Send a request, whose answer `heard` returns later."""
    if self._process is None:
      return
    assert self._process.stdin is not None
    try:
      self._process.stdin.write(request.to_line().encode())
    except OSError as error:
      self._give_up(str(error))

  def heard(self, seconds: float = 0.0) -> Advice | None:
    """Return the next answer that arrives within `seconds`, or None."""
    process = self._process
    if process is None:
      return None
    assert process.stdout is not None
    while not self._heard:
      ready, _, _ = select.select([process.stdout], [], [], seconds)
      if not ready:
        return None
      data = os.read(process.stdout.fileno(), PIPE)
      if not data:
        self._give_up('its process has ended')
        return None
      *lines, self._rest = (self._rest + data).split(b'\n')
      self._heard += map(advice.parse, lines)
    found = self._heard.popleft()
    if found.failed:
      _say(found.failed)
    return found

  def _give_up(self, why: str) -> None:
    _say(why)
    self.close()


def _say(why: str) -> None:
  print(
    f'Scoring cannot advise this race, and trials run on: {why}',
    file=sys.stderr,
    flush=True,
  )


class Follower:
  """Questions about one trial while it runs.

  Attributes:
    hopeless: Facts of the `hopeless` event once the trial is hopeless.
  """

  def __init__(self, adviser: Adviser, trial: str, *, audited: bool):
    """Ask nothing yet.

    Args:
      adviser: The adviser.
      trial: Id of the trial.
      audited: Whether it runs to its end even if it is hopeless.
    """
    self.hopeless: Mapping[str, Any] | None = None
    self._adviser, self._trial, self._audited = adviser, trial, audited
    self._show: OnProgress = lambda event: None

  def hear(self, on_progress: OnProgress) -> OnProgress:
    """Return a function that asks after evaluations, and passes events on."""
    self._show = on_progress

    def heard(event: ProgressEvent) -> None:
      on_progress(event)
      if event.metric is not None and event.step is not None:
        self._adviser.ask(Request(trial=self._trial, step=event.step))

    return heard

  def leave(self) -> bool:
    """Return whether the trial should leave now, without waiting."""
    while (found := self._adviser.heard()) is not None:
      if found.request.trial != self._trial or found.request.step is None:
        continue
      if found.chance is not None:
        words = forecast(found.chance, found.ahead)
        self._show(ProgressEvent(doing=f'training; {words}'))
      if found.hopeless is not None and self.hopeless is None:
        self.hopeless = dict(found.hopeless) | {'audited': self._audited}
    return self.hopeless is not None and not self._audited


def forecast(chance: float, ahead: tuple[float, ...]) -> str:
  """Return a forecast in a few words.

  Args:
    chance: Chance to reach the target.
    ahead: Quantiles of the step at the target; inf: never.
  """
  text = f'{chance:.0%} to reach the target'
  if ahead and math.isfinite(ahead[0]):
    low, high = ahead[0], ahead[-1]
    most = f'to {high:.0f}' if math.isfinite(high) else 'or never'
    text += f', at step {low:.0f} {most}'
  return text


@contextlib.contextmanager
def opened(out: pathlib.Path, policy: str) -> Iterator[Adviser]:
  """Yield an adviser on a race, and end it afterwards.

  Args:
    out: The results folder, with its plan.
    policy: One of advice.POLICIES.
  """
  found = Adviser(out, policy)
  try:
    yield found
  finally:
    found.close()
