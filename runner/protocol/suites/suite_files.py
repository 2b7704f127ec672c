"""Files of suites and of published boards: their places and contents.

A suite may extend another suite: it has all rows and keys of the other suite,
and its own rows and keys override them. A row of its own that names neither a
metric nor another row changes only the keys that it has. In another world a
workload is another problem, so targets of the other suite are left out. This
module imports only the standard library.
"""

import dataclasses
import datetime
import json
import os
import pathlib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runner.protocol.suites.schema import SuiteError
from workloads import worlds
from workloads.suggestions import hint

PARTS = ('workloads', 'unscored')  # Tables of rows.
# Keys that a world changes.
OF_TARGET = ('target', 'test_target', 'start', 'origin')
CONFIGS = pathlib.Path(__file__).parents[3] / 'configs'


def find(name: str) -> pathlib.Path:
  """Return the file of a suite or board, given its name or its path.

  Raises:
    SuiteError: there is no such suite or file.
  """
  files = [*CONFIGS.glob('suites/*.toml'), *CONFIGS.glob('rules/*.toml')]
  known = {path.stem: path for path in sorted(files)}
  if name in known:
    return known[name]
  # pathlib's is_file raises if a name is too long.
  if name.endswith('.toml') and os.path.isfile(name):
    return pathlib.Path(name)
  raise SuiteError(
    f'No suite {name!r}.{hint(name, known)} Known: {", ".join(known)}. '
    'Name one of them or give the path of a .toml file.'
  )


def whole(path: pathlib.Path) -> dict[str, Any]:
  """Return the content of a suite's file, merged with the suite it extends.

  Raises:
    SuiteError: the file cannot be read, or extends a suite that extends.
  """
  return _whole(_table(path), str(path))


def world_file(name: str, world: int) -> pathlib.Path:
  """Return the file of a suite's targets in a world, in the current folder.

  Args:
    name: Name or path of the suite.
    world: Number of the world.
  """
  return pathlib.Path(f'{find(name).stem}_world_{world}.toml')


def world_text(name: str, world: int) -> str:
  """Return the text of a world's file, before its targets are set.

  Args:
    name: Name or path of the suite.
    world: Number of the world.
  """
  return (
    f'# Suite {name} in a world of its own: other data, other targets.\n'
    f'extends = {json.dumps(name, ensure_ascii=False)}\nworld = {world}\n'
  )


def in_world(name: str, world: int) -> dict[str, Any]:
  """Return the content of a suite in a world.

  Its targets are those of the world's file, if there is one.

  Args:
    name: Name or path of the suite.
    world: Number of the world.

  Raises:
    SuiteError: a file cannot be read, or the world's file is of another suite
      or world, or the suite extends another one.
  """
  path = world_file(name, world)
  wanted = {'extends': name, 'world': world}
  table = _table(path) if path.is_file() else wanted
  for key, value in wanted.items():
    if table.get(key) != value:
      raise SuiteError(
        f'{path}: {key} = {table.get(key)!r}, and targets of suite {name} in '
        f'world {world} are wanted. Move the file elsewhere.'
      )
  return _whole(table, place(name, world))


def place(name: str, world: int) -> str:
  """Return the place of a suite in a world, for messages."""
  path = world_file(name, world)
  return str(path) if path.is_file() else f'--suite={name} --world={world}'


def _whole(table: dict[str, Any], where: str) -> dict[str, Any]:
  if 'extends' not in table:
    return table
  own = {k: v for k, v in table.items() if k != 'extends'}
  try:
    other = _table(find(str(table['extends'])))
  except SuiteError as error:
    raise SuiteError(f'{where}: extends: {error}') from error
  if 'extends' in other:
    raise SuiteError(
      f'{where}: extends = {table["extends"]!r}, and that suite extends '
      f'{other["extends"]!r} itself. Extend {other["extends"]!r} directly.'
    )
  merged = other | own
  for part in PARTS:
    both = [table.get(part, {}) for table in (other, own)]
    for rows in both:
      if not isinstance(rows, dict):
        raise SuiteError(f'{where}: {part} = {rows!r} must be a table.')
    taken = {
      name: _moved(row, name, other, merged, both[1].get(name, {}))
      for name, row in both[0].items()
    }
    merged[part] = taken | {
      name: _changed(taken.get(name), row) for name, row in both[1].items()
    }
  return merged


def _moved(
  row: Any, name: str, other: Mapping, merged: Mapping, own: Any
) -> Any:
  """Return a row of the other suite, without targets of another world.

  Args:
    row: The row.
    name: Name of its workload.
    other: The other suite's table.
    merged: Keys of the suite that extends it.
    own: Row of the same name of that suite, or {}.
  """
  if not (isinstance(row, dict) and isinstance(own, dict)):
    return row
  there = row.get('world', other.get('world', 0))
  here = (row | own).get('world', merged.get('world', 0))
  if here == there or not worlds.exist(name):
    return row
  return {k: v for k, v in row.items() if k not in OF_TARGET}


def _changed(row: Any, own: Any) -> Any:
  """Return the own row, completed by the other suite's row if it needs it."""
  rows = isinstance(row, dict) and isinstance(own, dict)
  return row | own if rows and not {'metric', 'like'} & own.keys() else own


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
  """A target that was measured, and how.

  Attributes:
    target: The target.
    submission: Submission whose best point was repeated.
    point: That point: hyperparameters by name.
    values: Best values of the repeats.
    tuned: Best value by submission in the search.
  """

  target: float
  submission: str
  point: Mapping[str, Any]
  values: list[float]
  tuned: Mapping[str, float]


def rows(
  table: Mapping[str, Any], canonical: Callable[[str], str]
) -> dict[str, Any]:
  """Return the rows of a suite's file by the registered names of workloads.

  Args:
    table: Content of the file; a row of tomlkit may be changed in place.
    canonical: Gives the registered name of a workload for AlgoPerf's name.
  """
  return {
    canonical(key): row
    for part in PARTS
    for key, row in table.get(part, {}).items()
  }


def with_targets(
  text: str,
  targets: Mapping[str, Target],
  command: str,
  canonical: Callable[[str], str],
  inherited: Mapping[str, Mapping[str, Any]],
) -> str:
  """Return the text of a suite's file with other targets; comments stay.

  Args:
    text: The old text.
    targets: Targets by workload.
    command: The command that measured them.
    canonical: Gives the registered name of a workload for AlgoPerf's name.
    inherited: Tables of rows, by the names in PARTS, with rows of the suite
      that the file extends: a row that the file lacks is added there, with its
      target only.
  """
  import tomlkit  # noqa: PLC0415  Keeps the file's comments.

  document = tomlkit.parse(text)
  known = _own_rows(document, targets, inherited, canonical)
  today = datetime.datetime.now(datetime.UTC).date()
  for name, found in targets.items():
    row, how = known[name], dataclasses.asdict(found)
    row['target'] = how.pop('target')
    row['origin'] = {'command': command, 'date': today} | how
  return tomlkit.dumps(document)


def with_starts(
  text: str,
  starts: Mapping[str, float],
  canonical: Callable[[str], str],
  inherited: Mapping[str, Mapping[str, Any]],
) -> str:
  """Return the text of a suite's file with other starts; comments stay.

  Args:
    text: The old text.
    starts: Value of the metric where training begins, by workload.
    canonical: Gives the registered name of a workload for AlgoPerf's name.
    inherited: As for `with_targets`.
  """
  import tomlkit  # noqa: PLC0415  Keeps the file's comments.

  document = tomlkit.parse(text)
  known = _own_rows(document, starts, inherited, canonical)
  for name, start in starts.items():
    known[name]['start'] = start
  return tomlkit.dumps(document)


def _own_rows(
  document: Any,
  names: Iterable[str],
  inherited: Mapping[str, Mapping[str, Any]],
  canonical: Callable[[str], str],
) -> dict[str, Any]:
  """Return the rows of a file's content; rows that it lacks are added."""
  known = rows(document, canonical)
  return known | {
    name: _added(document, name, inherited, canonical)
    for name in names
    if name not in known
  }


def _added(
  document: Any,
  name: str,
  inherited: Mapping[str, Mapping[str, Any]],
  canonical: Callable[[str], str],
) -> Any:
  """Add an empty row for a workload to a file's content; return the row."""
  import tomlkit  # noqa: PLC0415

  part, key = next(
    (part, key)
    for part in PARTS
    for key in inherited.get(part, {})
    if canonical(key) == name
  )
  if part not in document:
    document[part] = tomlkit.table(is_super_table=True)
  document[part][key] = tomlkit.table()
  return document[part][key]


def _table(path: pathlib.Path) -> dict[str, Any]:
  try:
    return tomllib.loads(path.read_text(encoding='utf-8'))
  except OSError as error:
    raise SuiteError(f'{path} cannot be read: {error.strerror}.') from error
  except (ValueError, RecursionError) as error:
    # tomllib raises int's own ValueError for a number of thousands of digits.
    raise SuiteError(f'{path} is not valid TOML: {error}.') from error
