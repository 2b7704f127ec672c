"""Literals in a submission's source, read without running it, and checked.

The source was written by others, so every error names the file and the line or
literal at fault.
"""

import ast
import json
import pathlib
import re
from typing import Any

# Errors of ast.parse: nesting that is too deep raises no SyntaxError.
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
NUMBER = re.compile(
  r'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?', re.IGNORECASE
)
NAME = re.compile(r'[\w.+=-]+')  # A name becomes part of a folder's name.


class SubmissionError(ValueError):
  """A submission cannot be found, read or planned; the message says why."""


def parsed(path: pathlib.Path) -> ast.Module:
  """Return the syntax tree of a file; errors name the file.

  Raises:
    OSError: the file cannot be read.
    SyntaxError, or another of NOT_PYTHON: the file is not Python.
  """
  return ast.parse(path.read_bytes(), str(path))


def point(tree: ast.Module, path: pathlib.Path) -> dict[str, Any] | None:
  """Return SELF, the self-tuning point; None if the file has none."""
  found = _plain(tree, 'SELF', path)
  return None if found is None else _named(found, f'{path}: SELF')


def space(tree: ast.Module, path: pathlib.Path) -> Any:
  """Return SPACE or None; runner.protocol.suites.search_space checks it."""
  return _plain(tree, 'SPACE', path)


def points(tree: ast.Module, path: pathlib.Path) -> dict[str, dict[str, Any]]:
  """Return POINTS, by name; empty if the file has none."""
  found = _plain(tree, 'POINTS', path)
  named = _named({} if found is None else found, f'{path}: POINTS')
  for name, values in named.items():
    if not NAME.fullmatch(name):
      raise SubmissionError(
        f'{path}: POINTS has {name!r}, and results are kept in a folder of '
        'that name. Use only letters, digits and _ . + = -'
      )
    _named(values, f'{path}: POINTS[{name!r}]')
  return named


def check(value: Any, where: str) -> None:
  """Raise SubmissionError unless a value survives a round trip through JSON.

  A trial reads its hyperparameters from a JSON file. A tuple or NaN would
  differ there from what was planned.
  """
  try:
    same = json.loads(json.dumps(value, allow_nan=False)) == value
  except (TypeError, ValueError, RecursionError):
    same = False
  if not same:
    raise SubmissionError(
      f'{where} must be of finite numbers, strings, booleans, None, lists, and '
      'dictionaries by strings, because a trial reads it as JSON. Replace '
      'anything else, such as a tuple or NaN.'
    )


def _named(value: Any, where: str) -> dict[str, Any]:
  if not isinstance(value, dict):
    raise SubmissionError(
      f'{where} must be a dictionary of values by names, not {value!r}. '
      "Write {'name': value}."
    )
  return value


def _plain(tree: ast.Module, name: str, path: pathlib.Path) -> Any:
  """Return the last literal assigned to a name; None if there is none."""
  value = assigned(tree, name)
  if value is None:
    return None
  literal = _evaluated(value, f'{path}: {name}')
  check(literal, f'{path}: {name}')
  _check_texts(value, path, name)
  return literal


def assigned(tree: ast.Module, name: str) -> ast.expr | None:
  """Return what a file assigns to a name last; None if it does not."""
  for node in reversed(tree.body):
    match node:
      case ast.Assign(targets=[ast.Name(id=found)], value=value):
        if found == name:
          return value
  return None


def texts(tree: ast.AST) -> list[ast.Constant]:
  """List the strings in a literal, except the keys of its dictionaries."""
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
  """Raise SubmissionError if a number is written as a string."""
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
      f'{where} must be plain data, because it is read without running the '
      'file. Write numbers, not expressions.'
    ) from error
