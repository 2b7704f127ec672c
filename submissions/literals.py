"""Literals in a submission's source, read without running it, and checked.

They are other people's text: whatever is wrong with it is said with its place.
"""

import ast
import json
import pathlib
import re
from typing import Any

# What ast.parse raises: too deep a nesting is no SyntaxError.
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
NUMBER = re.compile(
  r'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?', re.IGNORECASE
)
NAME = re.compile(r'[\w.+=-]+')  # It becomes a part of a folder's name.


class SubmissionError(ValueError):
  """A submission cannot be found, read or planned; the message says why."""


def parsed(path: pathlib.Path) -> ast.Module:
  """The syntax of a file; its errors name the file.

  Raises:
    OSError: the file cannot be read.
    SyntaxError, or another of NOT_PYTHON: it is not Python.
  """
  return ast.parse(path.read_bytes(), str(path))


def point(tree: ast.Module, path: pathlib.Path) -> dict[str, Any] | None:
  """SELF, if there is one."""
  found = _plain(tree, 'SELF', path)
  return None if found is None else _named(found, f'{path}: SELF')


def space(tree: ast.Module, path: pathlib.Path) -> Any:
  """Return SPACE or None, unchecked: see runner/protocol/search_space.py."""
  return _plain(tree, 'SPACE', path)


def points(tree: ast.Module, path: pathlib.Path) -> dict[str, dict[str, Any]]:
  """POINTS by their names; none if they are not given."""
  found = _plain(tree, 'POINTS', path)
  named = _named({} if found is None else found, f'{path}: POINTS')
  for name, values in named.items():
    if not NAME.fullmatch(name):
      raise SubmissionError(
        f'{path}: POINTS has {name!r}: a name is of letters, digits and any of '
        '_ . + = -, as results are kept in a folder called by it.'
      )
    _named(values, f'{path}: POINTS[{name!r}]')
  return named


def check(value: Any, where: str) -> None:
  """Raises SubmissionError unless JSON gives back what it is given.

  A trial gets its hyperparameters from a file: what comes out otherwise than
  it is planned, as a tuple or NaN does, would be run otherwise.
  """
  try:
    same = json.loads(json.dumps(value, allow_nan=False)) == value
  except (TypeError, ValueError, RecursionError):
    same = False
  if not same:
    raise SubmissionError(
      f'{where} must be of finite numbers, strings, booleans, None, lists, and '
      'dictionaries by strings: a trial reads it as JSON.'
    )


def _named(value: Any, where: str) -> dict[str, Any]:
  if not isinstance(value, dict):
    raise SubmissionError(
      f'{where} must be a dictionary of values by names, not {value!r}.'
    )
  return value


def _plain(tree: ast.Module, name: str, path: pathlib.Path) -> Any:
  """The literal that the name has in the end; None if it has none."""
  for node in reversed(tree.body):
    match node:
      case ast.Assign(targets=[ast.Name(id=found)], value=value):
        if found == name:
          literal = _evaluated(value, f'{path}: {name}')
          check(literal, f'{path}: {name}')
          _check_texts(value, path, name)
          return literal
  return None


def texts(tree: ast.AST) -> list[ast.Constant]:
  """The texts in a literal, but for the names of what it has."""
  names = {
    id(key)
    for node in ast.walk(tree)
    if isinstance(node, ast.Dict)
    for key in node.keys
  }
  return [
    node
    for node in ast.walk(tree)
    if isinstance(node, ast.Constant)
    and isinstance(node.value, str)
    and id(node) not in names
  ]


def _check_texts(value: ast.expr, path: pathlib.Path, name: str) -> None:
  """Raises SubmissionError where a number is written as a text."""
  for node in texts(value):
    if NUMBER.fullmatch(str(node.value).strip()):
      raise SubmissionError(
        f'{path}, line {node.lineno}: {name} has the text {node.value!r}. '
        f'Write the number, {str(node.value).strip()}.'
      )


def _evaluated(node: ast.expr, where: str) -> Any:
  try:
    return ast.literal_eval(node)
  except (*NOT_PYTHON, TypeError) as error:
    raise SubmissionError(
      f'{where} must be plain data, so that it can be read without running the '
      'file: write numbers, not expressions.'
    ) from error
