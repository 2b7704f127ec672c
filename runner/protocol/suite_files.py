"""Files of suites and of published boards: their places and contents.

A suite may extend another suite: it has all rows and keys of the other suite,
and its own rows and keys override them. This module imports only the standard
library.
"""

import dataclasses
import datetime
import os
import pathlib
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from runner.protocol.schema import SuiteError
from workloads.suggestions import hint

CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'


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
  table, where = _table(path), str(path)
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
  for part in ('workloads', 'unscored'):
    both = [table.get(part, {}) for table in (other, own)]
    for rows in both:
      if not isinstance(rows, dict):
        raise SuiteError(f'{where}: {part} = {rows!r} must be a table.')
    merged[part] = both[0] | both[1]
  return merged


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
    for part in ('workloads', 'unscored')
    for key, row in table.get(part, {}).items()
  }


def with_targets(
  text: str,
  targets: Mapping[str, Target],
  command: str,
  canonical: Callable[[str], str],
) -> str:
  """Return the text of a suite's file with other targets; comments stay.

  Args:
    text: The old text.
    targets: Targets by workload.
    command: The command that measured them.
    canonical: Gives the registered name of a workload for AlgoPerf's name.
  """
  import tomlkit  # noqa: PLC0415  Keeps the file's comments.

  document = tomlkit.parse(text)
  known = rows(document, canonical)
  today = datetime.datetime.now(datetime.UTC).date()
  for name, found in targets.items():
    row, how = known[name], dataclasses.asdict(found)
    row['target'] = how.pop('target')
    row['origin'] = {'command': command, 'date': today} | how
  return tomlkit.dumps(document)


def with_starts(
  text: str, starts: Mapping[str, float], canonical: Callable[[str], str]
) -> str:
  """Return the text of a suite's file with other starts; comments stay.

  Args:
    text: The old text.
    starts: Value of the metric where training begins, by workload.
    canonical: Gives the registered name of a workload for AlgoPerf's name.
  """
  import tomlkit  # noqa: PLC0415  Keeps the file's comments.

  document = tomlkit.parse(text)
  known = rows(document, canonical)
  for name, start in starts.items():
    known[name]['start'] = start
  return tomlkit.dumps(document)


def _table(path: pathlib.Path) -> dict[str, Any]:
  try:
    return tomllib.loads(path.read_text(encoding='utf-8'))
  except OSError as error:
    raise SuiteError(f'{path} cannot be read: {error.strerror}.') from error
  except (ValueError, RecursionError) as error:
    # tomllib raises int's own ValueError for a number of thousands of digits.
    raise SuiteError(f'{path} is not valid TOML: {error}.') from error
