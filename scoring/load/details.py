"""Facts about a trial that only the report shows, from its smaller files."""

import pathlib
from typing import Any, NamedTuple

from runner.protocol import layout, storage
from runner.protocol.plan import PlannedTrial
from scoring.load.safe_files import plain
from scoring.load.trial import Trial

MOST = 2**63  # Bytes.


class Details(NamedTuple):
  """Facts about a trial that only the report shows."""

  hyperparameters: dict[str, Any]
  started: str  # Start of the first attempt in UTC, '' if unknown.
  facts: dict[str, Any]  # Machine and versions of the last attempt.
  memory: dict[str, int]  # Peak bytes of the process: {'host': ...}.
  optimizer: int | None  # Bytes of state beside the model.
  programs: int  # Compiled by XLA, in all attempts.
  found: int  # Of these, compiled by other trials before.
  damage: list[str]  # What could not be read.
  # Processor seconds of evaluations on the validation split, but for the first
  # of each attempt.
  evaluation_seconds: tuple[float, ...] = ()
  doubted: int = 0  # Compiled programs whose recorded seconds JAX contradicts.
  crowded: int = (
    0  # Programs not compiled alone, so charged where others are not.
  )

  wall: float = 0.0  # Seconds of its processes, from start to end; 0: unknown.


def read(trial: Trial, planned: PlannedTrial | None) -> Details:
  """Return a trial's details; `damage` names the files that are unreadable."""
  folder, damage = trial.folder, []
  if planned:
    point = planned.hyperparameters
  else:
    point = _table(folder / layout.HPARAMS, damage)
  events = []
  try:
    events = list(storage.read_lines(plain(folder / layout.ATTEMPTS)))
    starts = [e['time'] for e in events if e['event'] == 'start']
  except (OSError, ValueError, LookupError, TypeError):
    starts = []  # Reading the trial has already reported this damage.
  try:
    metas = sorted(
      folder.glob('meta_data_*.json'), key=lambda path: (len(path.name), path)
    )
  except OSError as error:  # Such as missing permission to list the folder.
    metas = []
    damage.append(f'The folder cannot be read: {error.strerror}.')
  return Details(
    hyperparameters=point,
    started=str(starts[0]) if starts else '',
    facts=_table(metas[-1], damage) if metas else {},
    memory=_memory(events),
    optimizer=_most([event.get('optimizer_bytes') for event in _ends(events)]),
    programs=_compiled(events, 'programs'),
    found=_compiled(events, 'found'),
    damage=damage,
    evaluation_seconds=_evaluations(events),
    doubted=_compiled(events, 'doubted'),
    crowded=_compiled(events, 'crowded'),
    wall=_wall(events),
  )


def _ends(events: list[Any]) -> list[dict[str, Any]]:
  return [e for e in events if isinstance(e, dict) and e.get('event') == 'end']


def _wall(events: list[Any]) -> float:
  exits = [
    e for e in events if isinstance(e, dict) and e.get('event') == 'exit'
  ]
  found = [event.get('wall_seconds') for event in exits]
  return sum(float(x) for x in found if x is not None and layout.is_time(x))


def _memory(events: list[Any]) -> dict[str, int]:
  """Return the peak bytes over all attempts, on the host and on the device."""
  found = [event.get('peak_memory_bytes') for event in _ends(events)]
  tables = [table for table in found if isinstance(table, dict)]
  names = dict.fromkeys(str(name) for table in tables for name in table)
  most = {name: _most([t.get(name) for t in tables]) for name in names}
  return {name: value for name, value in most.items() if value is not None}


def _compiled(events: list[Any], what: str) -> int:
  tables = [event.get('compiled') for event in _ends(events)]
  found = [table.get(what) for table in tables if isinstance(table, dict)]
  return sum(v for v in found if type(v) is int and 0 < v < MOST)


def _evaluations(events: list[Any]) -> tuple[float, ...]:
  found: list[float] = []
  for event in _ends(events):
    table = event.get('evaluation_processor_seconds')
    spent = table.get('validation') if isinstance(table, dict) else None
    if isinstance(spent, list):
      found += [float(x) for x in spent[1:] if layout.is_time(x)]
  return tuple(found)


def _most(values: list[Any]) -> int | None:
  counts = [v for v in values if type(v) is int and 0 < v < MOST]
  return max(counts, default=None)


def _table(path: pathlib.Path, damage: list[str]) -> dict[str, Any]:
  """Return a JSON object; {} if missing or damaged (adds to `damage`)."""
  try:
    found = storage.read_json(plain(path))
    if isinstance(found, dict):
      return found
    damage.append(f'{path.name} is damaged: it is not a JSON object.')
  except FileNotFoundError:
    pass
  except (OSError, ValueError) as error:
    damage.append(f'{path.name} is damaged: {error}.')
  return {}
