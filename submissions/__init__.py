"""Submissions by name or by path, read before they are run.

A submission is a file with a function `build` and literals: SELF, its point in
the self-tuning ruleset; SPACE, its search space in the external one; POINTS,
further points for self-tuning by name: `lion@default` enters POINTS['default']
of lion instead of its SELF. The planner needs only the literals, so they are
read from the source: planning and status import neither JAX nor anybody's code.

A folder or file written for AlgoPerf is a submission as well (see algoperf/):
with a search space beside it, of the external ruleset, else self-tuning.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib
import importlib.util
import os
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

from submissions import literals
from submissions.algoperf import folders
from submissions.literals import NOT_PYTHON, SubmissionError

if TYPE_CHECKING:
  from submissions.algoperf.goal import Goal
  from submissions.submission import Submission, Task

HERE = pathlib.Path(__file__).parent


class Entry(NamedTuple):
  """What a submission's source says of itself."""

  name: str
  path: pathlib.Path  # A file, or a folder of one written for AlgoPerf.
  sha256: str
  keywords: frozenset[str]  # Hyperparameters that build requires.
  optional: frozenset[str] | None  # Further ones; None: any.
  self_point: dict[str, Any] | None
  space: dict[str, Any] | list[dict[str, Any]] | None
  points: dict[str, dict[str, Any]]  # Further ones for self-tuning, by name.
  algoperf: bool = False  # Whether it was written for AlgoPerf.


@functools.cache
def names() -> tuple[str, ...]:
  """The submissions that come with TimeTrial."""
  files = sorted(HERE.glob('*.py'))
  return tuple(
    p.stem for p in files if _build(ast.parse(p.read_text(encoding='utf-8')))
  )


def find(request: str) -> Entry:
  """The submission of that name, or in the file or folder of that path.

  `name@point` is the submission with a point of its POINTS instead of SELF.

  Raises:
    SubmissionError: no such name, file or point, or not a submission.
  """
  name, at, point = request.partition('@')
  entry = _find(name)
  if not at:
    return entry
  if point not in entry.points:
    known = ', '.join(f'{name}@{p}' for p in entry.points) or 'none'
    raise SubmissionError(
      f'{entry.path} has no point {point!r} in POINTS. It has: {known}.'
    )
  return entry._replace(
    name=f'{entry.name}@{point}',
    self_point=entry.points[point],
    space=None,  # A point is of the self-tuning ruleset.
  )


def _find(request: str) -> Entry:
  if request in names():
    return _read(HERE / f'{request}.py')
  path = pathlib.Path(request)
  # pathlib's own is_dir raises where a name is too long.
  is_folder, is_file = os.path.isdir(request), os.path.isfile(request)
  if is_folder and not folders.main(path).is_file():
    raise SubmissionError(
      f'The folder {request!r} has no {folders.MAIN}, as one written for '
      'AlgoPerf has. One of ours is a file: give the path of a .py file.'
    )
  if request.endswith('.py') and not (is_file or is_folder):
    raise SubmissionError(f'No file {request!r}.')
  if is_folder or request.endswith('.py'):
    foreign = folders.is_one(path)
    path = folders.whole(path) if foreign else path
    if path.stem in names() and path.resolve().parent != HERE:
      raise SubmissionError(
        f'{request}: {path.stem!r} is a submission of ours. Rename it; '
        'its name is the name on the leaderboard.'
      )
    entry = _read_algoperf(path) if foreign else _read(path)
    if entry.name.startswith('.'):
      raise SubmissionError(
        f'{request}: rename it; results are kept in a folder called '
        f'{entry.name!r}, which would be hidden or another one.'
      )
    return entry
  close = difflib.get_close_matches(request, names(), n=1)
  hint = f' Did you mean {close[0]!r}?' if close else ''
  raise SubmissionError(
    f'No submission {request!r}.{hint} Known: {", ".join(names())}, '
    'or give the path of a .py file or of a folder of AlgoPerf.'
  )


def make(
  path: pathlib.Path,
  task: Task,
  hyperparameters: dict,
  goal: Goal | None = None,
) -> Submission:
  """Runs the file and builds its submission.

  Args:
    path: Of the file, or of the folder of one written for AlgoPerf.
    task: What an algorithm may know.
    hyperparameters: Its point.
    goal: What AlgoPerf tells beside that, and only such submissions hear.
  """
  if folders.is_one(path):
    if goal is None:
      raise ValueError(f'{path} was written for AlgoPerf and needs a goal.')
    # Not a statement: what only plans imports this file, and never JAX.
    adapter = importlib.import_module('submissions.algoperf.loop')
    return adapter.build(path, task, hyperparameters, goal)
  spec = importlib.util.spec_from_file_location(path.stem, path)
  module = importlib.util.module_from_spec(spec)  # pyrefly: ignore
  spec.loader.exec_module(module)  # pyrefly: ignore
  return module.build(task, **hyperparameters)


def check_point(entry: Entry, point: dict[str, Any], where: str) -> None:
  """Raises SubmissionError where a point does not fit `build`."""
  for name in point:
    known = entry.keywords | (entry.optional or frozenset())
    if entry.optional is not None and name not in known:
      close = difflib.get_close_matches(name, known, n=1)
      hint = f' Did you mean {close[0]!r}?' if close else ''
      raise SubmissionError(
        f'{entry.path}: {where} has {name!r}, which build does not take.'
        f'{hint} It takes: {", ".join(sorted(known))}.'
      )
  if missing := entry.keywords - point.keys():
    raise SubmissionError(
      f'{entry.path}: {where} lacks {", ".join(sorted(missing))}, '
      'which build requires.'
    )


def _read(path: pathlib.Path) -> Entry:
  try:
    source = path.read_bytes()
    tree = ast.parse(source, str(path))
  except OSError as error:
    raise SubmissionError(
      f'{path} cannot be read: {error.strerror}.'
    ) from error
  except NOT_PYTHON as error:
    raise SubmissionError(f'{path} is not Python: {error}.') from error
  function = _build(tree)
  if function is None:
    raise SubmissionError(
      f'{path} has no function build. A submission is '
      '`def build(task, *, <hyperparameters>)` that returns a Submission.'
    )
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


def _read_algoperf(path: pathlib.Path) -> Entry:
  try:
    fault, space = folders.fault(path), folders.space(path)
    literals.check(space, folders.SPACE)
  except (*NOT_PYTHON, OSError) as error:
    where = folders.main(path)
    raise SubmissionError(f'{where} cannot be read: {error}.') from error
  if fault:
    raise SubmissionError(f'{folders.main(path)}: {fault}')
  return Entry(
    path.resolve().stem,
    path.resolve(),
    folders.sha256(path),
    frozenset(),
    None,
    {} if space is None else None,
    space,
    {},
    algoperf=True,
  )


def _build(tree: ast.Module) -> ast.FunctionDef | None:
  for node in tree.body:
    if isinstance(node, ast.FunctionDef) and node.name == 'build':
      return node
  return None


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
  tree = ast.parse((HERE / 'submission.py').read_text(encoding='utf-8'))
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
