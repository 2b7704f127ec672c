"""Entries: descriptions of submissions, read from source without running it."""

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

# The file of `from_optax`, whose options most of our submissions accept.
OPTAX = pathlib.Path(__file__).parent / 'submission.py'


class Entry(NamedTuple):
  """Description of a submission, from its source."""

  name: str
  path: pathlib.Path  # A file, or the folder of an AlgoPerf submission.
  sha256: str
  keywords: frozenset[str]  # Hyperparameters that build requires.
  optional: frozenset[str] | None  # Further hyperparameters; None means any.
  self_point: dict[str, Any] | None
  space: dict[str, Any] | list[dict[str, Any]] | None
  points: dict[str, dict[str, Any]]  # Further self-tuning points, by name.
  algoperf: bool = False  # True if the submission was written for AlgoPerf.


def read(path: pathlib.Path) -> Entry:
  """Return the entry of a file with a function `build`.

  Raises:
    SubmissionError: the file is no submission; the message says why.
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
    name=path.stem,
    path=path.resolve(),
    sha256=hashlib.sha256(source).hexdigest(),
    keywords=frozenset(required),
    optional=_optional(function, {a.arg for a in named} - required),
    self_point=literals.point(tree, path),
    space=literals.space(tree, path),
    points=literals.points(tree, path),
  )


def _check_signature(function: ast.FunctionDef, path: pathlib.Path) -> None:
  """Raise SubmissionError unless build(task, a=1) is a possible call."""
  given = function.args
  arguments = [one.arg for one in [*given.posonlyargs, *given.args]]
  where = f'{path}, line {function.lineno}: build'
  if not arguments:
    raise SubmissionError(
      f'{where} has no first argument, but the task is passed as the first '
      'argument. Write `def build(task, *, <hyperparameters>)`.'
    )
  first, *others = arguments
  if others or given.vararg is not None:
    wrong = ', '.join(others) or f'*{given.vararg and given.vararg.arg}'
    names = ', '.join([*others, *(one.arg for one in given.kwonlyargs)])
    raise SubmissionError(
      f'{where} takes {wrong} by position, but hyperparameters are passed by '
      f'name. Write `def build({first}, *, {names or "<hyperparameters>"})`.'
    )


def read_algoperf(path: pathlib.Path) -> Entry:
  """Return the entry of a folder or file that was written for AlgoPerf.

  Raises:
    SubmissionError: the path is no AlgoPerf submission, or the submission
      cannot run here; the message says why.
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
    name=layout.name(path),
    path=path.resolve(),
    sha256=folders.sha256(path),
    keywords=frozenset(),
    optional=None,
    self_point={} if space is None else None,
    space=space,
    points={},
    algoperf=True,
  )


def _check_asked(path: pathlib.Path, space: Any) -> None:
  """Raise SubmissionError if the file reads a hyperparameter no point has."""
  points = space if isinstance(space, list) else [space]
  known = [set(point) for point in points if isinstance(point, dict)]
  file = layout.main(path)
  for line, name in asked.lacking(file, known):
    place = folders.space_file(path)
    read = f'{file}, line {line}: it reads hyperparameters.{name}'
    if place is None:
      raise SubmissionError(
        f'{read}, but there is no {folders.SPACE} beside it or one folder up. '
        "Put its search space there, in AlgoPerf's form or as a list of points."
      )
    raise SubmissionError(f'{read}, which {place} does not have. Add it there.')


def built(tree: ast.Module) -> ast.FunctionDef | None:
  """Return the function `build` of a file; None if the file has none."""
  for node in tree.body:
    if isinstance(node, ast.FunctionDef) and node.name == 'build':
      return node
  return None


def returns(function: ast.FunctionDef) -> int:
  """Line number of a function's last `return`, or of its `def` without one."""
  found = [
    node.lineno
    for node in _own(function)
    if isinstance(node, ast.Return) and node.value is not None
  ]
  return found[-1] if found else function.lineno


def _own(node: ast.AST) -> Iterator[ast.AST]:
  """Yield the nodes of a function, but not those of nested functions."""
  for inner in ast.iter_child_nodes(node):
    yield inner
    if not isinstance(inner, ast.FunctionDef | ast.Lambda | ast.ClassDef):
      yield from _own(inner)


def _optional(function: ast.FunctionDef, named: set[str]):
  """Return the names that build accepts but does not require; None means any.

  A parameter `**options` accepts the options of from_optax. A `**` parameter
  of another name accepts any hyperparameter.
  """
  if function.args.kwarg is None:
    return frozenset(named)
  if function.args.kwarg.arg != 'options':
    return None
  return frozenset(named) | _options()


@functools.cache
def _options() -> frozenset[str]:
  """Names of the options of from_optax that are numbers."""
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
