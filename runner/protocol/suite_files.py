"""The files of suites and of published boards: where they are, what they say.

A suite may extend another one: it has all rows and keys of that, and its own in
their place. The standard library only, as `rules`.
"""

import os
import pathlib
import tomllib
from typing import Any

from runner.protocol import schema
from runner.protocol.schema import SuiteError

CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'


def find(name: str) -> pathlib.Path:
  """The file of that suite or board, or at that path.

  Raises:
    SuiteError: there is none.
  """
  files = [*CONFIGS.glob('suites/*.toml'), *CONFIGS.glob('rules/*.toml')]
  known = {path.stem: path for path in sorted(files)}
  if name in known:
    return known[name]
  # pathlib's own is_file raises where a name is too long.
  if name.endswith('.toml') and os.path.isfile(name):
    return pathlib.Path(name)
  raise SuiteError(
    f'No suite {name!r}.{schema.hint(name, known)} Known: {", ".join(known)}, '
    'or give the path of a .toml file.'
  )


def whole(path: pathlib.Path) -> dict[str, Any]:
  """What a file says, with all that the suite has which it extends.

  Raises:
    SuiteError: the file cannot be read, or extends what it may not.
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
      f'{where}: extends = {table["extends"]!r}, which extends another suite '
      'itself. Extend that one.'
    )
  merged = other | own
  for part in ('workloads', 'unscored'):
    both = [table.get(part, {}) for table in (other, own)]
    for rows in both:
      if not isinstance(rows, dict):
        raise SuiteError(f'{where}: {part} = {rows!r} must be a table.')
    merged[part] = both[0] | both[1]
  return merged


def _table(path: pathlib.Path) -> dict[str, Any]:
  try:
    return tomllib.loads(path.read_text(encoding='utf-8'))
  except OSError as error:
    raise SuiteError(f'{path} cannot be read: {error.strerror}.') from error
  except (ValueError, RecursionError) as error:
    # Of a number of thousands of digits, tomllib lets int's own error through.
    raise SuiteError(f'{path} is not valid TOML: {error}.') from error
