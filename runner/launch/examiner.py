"""The second evaluation of a model that has reached its target.

A trial's process tells its own metrics, and other people's code runs there. So
its model is kept, and a process in which no submission runs evaluates it again:
the examiner. It is started for the first model, waits for the next ones with
its data and compiled programs, and is started again if it dies.
"""

import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import IO, NamedTuple

from runner.launch import compiled, environment
from runner.protocol.records import exams
from runner.protocol.records.exams import Answer, Request
from runner.protocol.records.progress import OnProgress, ProgressEvent
from runner.protocol.suites.workload_spec import WorkloadSpec

TRIES = 2  # A process that dies over a model is started once more.
CLOSING = 5.0  # Seconds that it has to leave by itself.
PIPE = 1 << 16  # Bytes that a pipe holds.
LAST_WORDS = 300  # Letters of what it printed that a reason has.
# An examiner reads no programs that trials have compiled.
CLOSED = {'JAX_ENABLE_COMPILATION_CACHE': 'false'}


class Exam(NamedTuple):
  """Result of a second evaluation.

  Attributes:
    agrees: Whether it agrees with what the trial recorded; None: nobody knows.
    why: Why it does not agree, or why there was none.
    metrics: What it measured, by column.
    seconds: Seconds that it took.
    sha256: Hash of the model's arrays.
  """

  agrees: bool | None
  why: str = ''
  metrics: Mapping[str, float] = {}
  seconds: float = 0.0
  sha256: str = ''


class Common(NamedTuple):
  """Programs and data that all trials of a workload have in common.

  Attributes:
    folder: Folder of compiled programs and generated data; '': there is none.
    generated: Hash of the index of the generated data; '': there are none.
  """

  folder: str = ''
  generated: str = ''


NOTHING = Common()


class _GoneError(RuntimeError):
  """The process has died or says nothing; the message says how."""


class Examiner:
  """A process that evaluates models again; to be closed in the end."""

  def __init__(
    self,
    env: Mapping[str, str],
    hang: float = 1800.0,
    common: pathlib.Path | None = None,
  ):
    """Start nothing yet.

    Args:
      env: Environment of trials.
      hang: Seconds without a word after which the process counts as hanging.
      common: Folder for the programs that it compiles, where no trial can
        write; None: it keeps none.
    """
    own = CLOSED
    if common is not None:
      own = environment.CACHE | {compiled.PLACE: str(common)}
    self._env = dict(env) | own
    self._hang = hang
    self._common = common
    self._known: dict[str, Common] = {}  # Workloads that it has compiled.
    self._process: subprocess.Popen[bytes] | None = None
    self._log: IO[bytes] | None = None

  def __enter__(self) -> 'Examiner':
    return self

  def __exit__(self, *_: object) -> None:
    self.close()

  @property
  def pid(self) -> int | None:
    """Id of the process; None while there is none."""
    return self._process.pid if self._process else None

  def start(self) -> None:
    """Start the process if none runs."""
    if self._process is not None and self._process.poll() is None:
      return
    self.close()
    self._log = tempfile.TemporaryFile('w+b')  # noqa: SIM115  `close` closes it.
    self._process = subprocess.Popen(
      # Nothing is imported from the folder where a trial may have written.
      [sys.executable, '-P', '-m', 'runner.process', 'exam'],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=self._log,
      bufsize=0,
      env=self._env,
      start_new_session=True,  # Ctrl-C reaches it through its parent only.
    )

  def examine(self, request: Request, on_progress: OnProgress) -> Answer:
    """Return the answer of runner.trial.exam to a request.

    Args:
      request: The model to evaluate.
      on_progress: Called with signs of life.
    """
    why = ''
    for _ in range(TRIES):
      try:
        self.start()
        answer = self._asked(request, on_progress)
      except (_GoneError, OSError) as error:
        why = str(error)
        self.close()
        continue
      except BaseException:  # Above all the user's Ctrl-C.
        self.close()
        raise
      if answer.device != 'cpu':
        self.close()  # The next trial gets the whole device.
      return answer
    return Answer(failed=why)

  def compiled(
    self, spec: WorkloadSpec, data_dir: str | None, on_progress: OnProgress
  ) -> Common:
    """Compile, and generate, what all trials of a workload have in common.

    Where trials compute on other devices than a CPU, nothing is compiled for
    them: the process would take memory of their devices.

    Args:
      spec: The workload in the suite.
      data_dir: Folder of the datasets; None: the default one.
      on_progress: Called with signs of life.

    Returns:
      The programs and data; an empty one if there are none.
    """
    if self._common is None:
      return NOTHING
    request = Request(
      model='',
      step=0,
      spec=spec,
      data_dir=data_dir,
      splits=(),
      keep=str(self._common),
    )
    key = request.to_line()
    if key not in self._known:
      on_progress(ProgressEvent(doing='compiling evaluations'))
      answer = self.examine(request, on_progress)
      if answer.device != 'cpu':
        self._common = None
      found = Common(str(self._common), answer.generated)
      if answer.failed or answer.unfit or self._common is None:
        found = NOTHING  # Trials do it themselves, or say what is missing.
      self._known[key] = found
    return self._known[key]

  def close(self) -> None:
    """End the process, if there is one."""
    process, self._process = self._process, None
    log, self._log = self._log, None
    if process is not None:
      process.kill()  # It holds nothing that could be lost.
      process.wait(CLOSING)
      for pipe in (process.stdin, process.stdout):
        if pipe is not None:
          pipe.close()
    if log is not None:
      log.close()

  def _asked(self, request: Request, on_progress: OnProgress) -> Answer:
    process = self._process
    assert process and process.stdin and process.stdout
    line = request.to_line().encode()
    if process.stdin.write(line) != len(line):
      raise _GoneError(self._how())
    reading, rest = process.stdout.fileno(), b''
    while True:
      ready, _, _ = select.select([reading], [], [], self._hang)
      if not ready:
        raise _GoneError(f'There was no progress for {self._hang:.0f} s.')
      data = os.read(reading, PIPE)
      if not data:
        raise _GoneError(self._how())
      *lines, rest = (rest + data).split(b'\n')
      for told in map(exams.parse_answer, lines):
        if not told.doing:
          return told
        on_progress(ProgressEvent(doing=told.doing))

  def _how(self) -> str:
    """Return why the process has ended."""
    assert self._process and self._log
    code = self._process.wait()
    self._log.seek(0)
    said = ' '.join(
      self._log.read()[-LAST_WORDS:].decode(errors='replace').split()
    )
    how = f'left with exit code {code}'
    if code < 0:
      how = f'was ended by signal {-code} ({signal.strsignal(-code)})'
    return f'The process {how}. {said}'.strip()
