"""Entries: submissions as their source describes them, without running it."""

from __future__ import annotations

import ast
import functools
import hashlib
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from submissions import literals
from submissions.algoperf import asked, folders, layout
from submissions.literals import NOT_PYTHON, SubmissionError

# Where the function is that has the options of most of ours.
OPTAX = pathlib.Path(__file__).parent / 'submission.py'


class Entry(NamedTuple):
  """Description of a submission, from its source."""

  name: str
  path: pathlib.Path  # A file, or a folder of one written for AlgoPerf.
  sha256: str
  keywords: frozenset[str]  # Hyperparameters that build requires.
  optional: frozenset[str] | None  # Further ones; None: any.
  self_point: dict[str, Any] | None
  space: dict[str, Any] | list[dict[str, Any]] | None
  points: dict[str, dict[str, Any]]  # Further ones for self-tuning, by name.
  algoperf: bool = False  # Whether it was written for AlgoPerf.


def read(path: pathlib.Path) -> Entry:
  """The entry of a file with a function `build`.

  Raises:
    SubmissionError: it is not one; the message says why.
  """
  try:
    source = path.read_bytes()
    tree = ast.parse(source, str(path))
  except OSError as error:
    raise SubmissionError(
      f'{path} cannot be read: {error.strerror}.'
    ) from error
  except NOT_PYTHON as error:
    raise SubmissionError(f'{path} is not Python: {error}.') from error
  function = built(tree)
  if function is None:
    raise SubmissionError(
      f'{path} has no function build. A submission is '
      '`def build(task, *, <hyperparameters>)` that returns a Submission.'
    )
  _check_signature(function, path)
  named = function.args.kwonlyargs
  defaults = function.args.kw_defaults
  required = {a.arg for a, d in zip(named, defaults, strict=True) if d is None}
  return Entry(
    path.stem,
    path.resolve(),
    hashlib.sha256(source).hexdigest(),
    frozenset(required),
    _optional(function, {a.arg for a in named} - required),
    literals.point(tree, path),
    literals.space(tree, path),
    literals.points(tree, path),
  )


def _check_signature(function: ast.FunctionDef, path: pathlib.Path) -> None:
  """Raises SubmissionError where it cannot be called as build(task, a=1)."""
  given = function.args
  arguments = [one.arg for one in [*given.posonlyargs, *given.args]]
  where = f'{path}, line {function.lineno}: build'
  if not arguments:
    raise SubmissionError(
      f'{where} has no first argument, and is handed the task as one: write '
      '`def build(task, *, <hyperparameters>)`.'
    )
  first, *others = arguments
  if others or given.vararg is not None:
    wrong = ', '.join(others) or f'*{given.vararg and given.vararg.arg}'
    names = ', '.join([*others, *(one.arg for one in given.kwonlyargs)])
    raise SubmissionError(
      f'{where} takes {wrong} by position, and hyperparameters are handed over '
      f'by name: write `def build({first}, *, {names or "<hyperparameters>"})`.'
    )


def read_algoperf(path: pathlib.Path) -> Entry:
  """The entry of a folder or file that was written for AlgoPerf.

  Raises:
    SubmissionError: it is not one, or cannot run here; the message says why.
  """
  try:
    fault, space = folders.fault(path), folders.space(path)
    literals.check(space, folders.SPACE)
  except (*NOT_PYTHON, OSError) as error:
    where = layout.main(path)
    raise SubmissionError(f'{where} cannot be read: {error}.') from error
  if fault:
    raise SubmissionError(f'{layout.main(path)}: {fault}')
  _check_asked(path, space)
  return Entry(
    layout.name(path),
    path.resolve(),
    folders.sha256(path),
    frozenset(),
    None,
    {} if space is None else None,
    space,
    {},
    algoperf=True,
  )


def _check_asked(path: pathlib.Path, space: Any) -> None:
  """Raises SubmissionError where it reads what no point will have."""
  points = space if isinstance(space, list) else [space]
  known = [set(point) for point in points if isinstance(point, dict)]
  file = layout.main(path)
  for line, name in asked.lacking(file, known):
    place = folders.space_file(path)
    read = f'{file}, line {line}: it reads hyperparameters.{name}'
    if place is None:
      raise SubmissionError(
        f'{read}, and there is no {folders.SPACE} beside it or one folder up. '
        "Put its search space there, in AlgoPerf's form or as a list of points."
      )
    raise SubmissionError(f'{read}, which {place} does not have. Add it there.')


def built(tree: ast.Module) -> ast.FunctionDef | None:
  """The function `build` of a file, if it has one."""
  for node in tree.body:
    if isinstance(node, ast.FunctionDef) and node.name == 'build':
      return node
  return None


def returns(function: ast.FunctionDef) -> int:
  """The line of its last `return`; its own where it has none."""
  found = [
    node.lineno
    for node in _own(function)
    if isinstance(node, ast.Return) and node.value is not None
  ]
  return found[-1] if found else function.lineno


def _own(node: ast.AST) -> Iterator[ast.AST]:
  """Yield the nodes of a function, but not of functions in it."""
  for inner in ast.iter_child_nodes(node):
    yield inner
    if not isinstance(inner, ast.FunctionDef | ast.Lambda | ast.ClassDef):
      yield from _own(inner)


def _optional(function: ast.FunctionDef, named: set[str]):
  """Named `options` they go to from_optax; any other ** may take anything."""
  if function.args.kwarg is None:
    return frozenset(named)
  if function.args.kwarg.arg != 'options':
    return None
  return frozenset(named) | _options()


@functools.cache
def _options() -> frozenset[str]:
  """The options of from_optax that are numbers."""
  tree = ast.parse(OPTAX.read_text(encoding='utf-8'))
  [function] = [
    node
    for node in tree.body
    if isinstance(node, ast.FunctionDef) and node.name == 'from_optax'
  ]
  return frozenset(
    option.arg
    for option in function.args.kwonlyargs
    if ast.unparse(option.annotation).startswith(('int', 'float'))  # pyrefly: ignore
  )
