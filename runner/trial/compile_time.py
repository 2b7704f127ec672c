"""Seconds of tracing and compiling programs, for the trial's clock.

The trials of a submission share compiled programs in JAX's persistent cache. A
trial that finds a program there is charged the seconds that the first trial
needed to compile the program, so the order of trials does not change scores.
JAX stores whole seconds only; files beside the cache's entries store the exact
seconds, and are believed as far as they agree with JAX's.
"""

import contextlib
import dataclasses
import logging
import math
import pathlib
import sys
import types
from collections.abc import Iterator

import jax
from jax.experimental.compilation_cache import compilation_cache

from runner.guard.company import Company
from runner.guard.compiling import Compiling
from runner.protocol.timing import accounts
from runner.trial.clock import Clock

POLICY = 'charged as if compiled anew'
CROWDED = (
  'A program was compiled while something else may have run: in a thread, '
  'beside one, or without a cache of compiled programs'
)

_COMPILING = '/jax/core/compile/'
_BACKEND = _COMPILING + 'backend_compile_duration'
_ASKED = '/jax/compilation_cache/compile_requests_use_cache'
_FOUND = '/jax/compilation_cache/cache_hits'
_SAVED = '/jax/compilation_cache/compile_time_saved_sec'
_RETRIEVED = '/jax/compilation_cache/cache_retrieval_time_sec'
_LOGGER = 'jax._src.compiler'
# Recorded seconds may differ from JAX's by this share and so many seconds, as
# they count the reading and writing of the cache as well.
_SHARE, _SECONDS = 0.1, 0.5
_SHOWN = 40  # Letters of a bad record that a message has.


@dataclasses.dataclass
class Compiled:
  """Counts of the programs that a submission has compiled so far.

  Attributes:
    programs: Number of programs.
    found: Number of programs found in the cache, part of `programs`.
    spared_seconds: Seconds on the clock for programs found in the cache.
    doubted: Number of programs whose recorded seconds are not as JAX says.
    crowded: Number of programs that are charged although compiling is free,
      because something else may have run meanwhile.
  """

  programs: int = 0
  found: int = 0
  spared_seconds: float = 0.0
  doubted: int = 0
  crowded: int = 0


@contextlib.contextmanager
def noticed(clock: Clock, company: Company) -> Iterator[Compiled]:
  """Move tracing and compiling in the block to their accounts.

  Where compiling is free, it is moved only if nothing else ran meanwhile.

  Args:
    clock: The trial's clock.
    company: Threads and processes of the submission.
  """
  listener = _Listener(clock, company)
  logger = logging.getLogger(_LOGGER)
  level = logger.level
  logger.addFilter(listener.asked)
  logger.setLevel(logging.DEBUG)
  jax.monitoring.register_event_listener(listener.happened)
  jax.monitoring.register_event_duration_secs_listener(listener.lasted)
  try:
    yield listener.compiled
  finally:
    jax.monitoring.unregister_event_listener(listener.happened)
    jax.monitoring.unregister_event_duration_listener(listener.lasted)
    logger.setLevel(level)
    logger.removeFilter(listener.asked)


@contextlib.contextmanager
def programs_of(folder: str) -> Iterator[None]:
  """Read compiled programs from another folder in the block; write none there.

  Args:
    folder: The folder; '': that of this process, as ever.
  """
  if not folder:
    yield
    return
  own = jax.config.jax_compilation_cache_dir  # pyrefly: ignore
  least = jax.config.jax_persistent_cache_min_compile_time_secs  # pyrefly: ignore
  _use(folder, math.inf)
  try:
    yield
  finally:
    _use(own, least)


def _use(folder: str | None, least: float) -> None:
  jax.config.update('jax_compilation_cache_dir', folder)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', least)
  compilation_cache.reset_cache()


class _Listener:
  """Hears what JAX tells of tracing and compiling."""

  def __init__(self, clock: Clock, company: Company):
    self.compiled = Compiled()
    self.asked = _Asked(self.compiled)
    self._clock = clock
    self._compiling = Compiling(clock.wait, company)

  def happened(self, event: str, **_: str | int) -> None:
    clock = self._clock
    if event == _ASKED and clock.working and not clock.charges.compiling:
      self._compiling.begin()
    elif event == _FOUND:
      self.asked.found = True

  def lasted(self, event: str, duration_secs: float, **_: str | int) -> None:
    if event in (_SAVED, _RETRIEVED):
      self.asked.saved += duration_secs
    elif event == _BACKEND:
      self._compiled(duration_secs, sys._getframe(1))
    elif event.startswith(_COMPILING) and self._compiling.here():
      self._clock.made(accounts.TRACE, duration_secs)

  def _compiled(self, seconds: float, reported: types.FrameType | None) -> None:
    clock, was_found = self._clock, self.asked.found
    alone, waited = self._compiling.end(reported)
    free = alone or clock.charges.compiling
    account = accounts.COMPILE if free else accounts.TRAIN
    if free and self._compiling.here():
      clock.made(account, seconds - waited)
    spared = clock.owe(account, self.asked.settle(seconds - waited))
    self.compiled.spared_seconds += spared
    if not clock.working:
      return
    self.compiled.programs += 1
    self.compiled.found += was_found
    if not free:
      self.compiled.crowded += 1
      print(f'{CROWDED}: {seconds:.1f} s are charged.', flush=True)


class _Asked(logging.Filter):
  """Cache entry of the program at hand; only JAX's log has its name."""

  def __init__(self, compiled: Compiled):
    super().__init__()
    self._compiled = compiled
    self._forget()

  def _forget(self) -> None:
    self.key = ''
    self.found = False
    self.saved = 0.0  # Compile time from JAX, in seconds rounded down.

  def filter(self, record: logging.LogRecord) -> bool:
    text = str(record.msg).lower()
    if 'persistent compilation cache' in text and isinstance(
      record.args, tuple
    ):
      self.key = str(record.args[-1])
    return record.levelno > logging.DEBUG

  def settle(self, seconds: float) -> float:
    """Return the seconds that the cache has saved for this program.

    The seconds of a program that was compiled are stored for later trials.

    Args:
      seconds: Seconds that compiling or loading the program took.
    """
    found, least, path = self.found, self.saved, self._path()
    self._forget()
    if found:
      took = self._recorded(path, least) if path else None
      # JAX's seconds are rounded down: add 1 s, so that nobody gains.
      return max(0.0, (least + 1.0 if took is None else took) - seconds)
    if path:  # A failed write is ignored, as JAX ignores it for its entry.
      with contextlib.suppress(OSError):
        path.write_text(repr(seconds), encoding='utf-8')
    return 0.0

  def _recorded(self, path: pathlib.Path, least: float) -> float | None:
    """Return the recorded seconds of a program; None if they tell nothing."""
    try:
      text = path.read_text(encoding='utf-8')
    except FileNotFoundError:
      return None
    except (OSError, ValueError) as error:
      text = str(error)
    took = _number(text)
    if took is not None and is_likely(took, least):
      return took
    self._compiled.doubted += 1
    print(
      f'{path}: {text[:_SHOWN]!r} is not how many seconds the program took to '
      f'compile: JAX says {round(least)} to {round(least) + 1} s. The larger '
      'one is charged.',
      flush=True,
    )
    return None

  def _path(self) -> pathlib.Path | None:
    folder = jax.config.jax_compilation_cache_dir  # pyrefly: ignore
    if not folder or not self.key:
      return None
    return pathlib.Path(folder, f'{self.key}-seconds')


def is_likely(took: float, least: float) -> bool:
  """Test recorded seconds against those that JAX keeps of a program.

  Args:
    took: The recorded seconds.
    least: JAX's, rounded down.
  """
  most = least + 1.0
  low = least - _SHARE * least - _SECONDS
  return max(0.0, low) <= took <= most + _SHARE * most + _SECONDS


def _number(text: str) -> float | None:
  try:
    found = float(text)
  except ValueError:
    return None
  return found if math.isfinite(found) else None
