"""Submissions by name or by path, read before they are run.

A submission is a file with a function `build` and three literals. SELF is its
point in the self-tuning ruleset. SPACE is its search space in the external
ruleset. POINTS are further self-tuning points by name: `lion@default` enters
POINTS['default'] of lion instead of its SELF. The planner needs only the
literals and reads them from the source, so planning and status import neither
JAX nor any submission.

A folder or file written for AlgoPerf is a submission, too (see algoperf/). It
belongs to the external ruleset if a search space lies beside it, else to the
self-tuning ruleset. `theirs=path/to/folder` enters any submission under the
name `theirs`.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any

from submissions import entries, literals
from submissions.algoperf import folders, layout
from submissions.entries import Entry
from submissions.literals import SubmissionError
from workloads import suggestions

if TYPE_CHECKING:
  from submissions.algoperf.goal import Goal
  from submissions.submission import Submission, Task

HERE = pathlib.Path(__file__).parent / 'algorithms'
LONGEST = 200  # Bytes of a name: file systems take 255, with what is added.
MODULE = 'entered'  # The package in which files of submissions are run.


@functools.cache
def names() -> tuple[str, ...]:
  """Names of the submissions that come with TimeTrial."""
  files = sorted(HERE.glob('*.py'))
  return tuple(
    p.stem
    for p in files
    if entries.built(ast.parse(p.read_text(encoding='utf-8')))
  )


def find(request: str) -> Entry:
  """Return the submission with a name, or in a file or folder.

  `name@point` means the submission with a point of its POINTS instead of SELF.
  `theirs=path` and `theirs=name@point` give the submission the name `theirs`.

  Raises:
    SubmissionError: no such name, file or point, or not a submission; or its
      name is too long for a folder of results.
  """
  entry = _entered(request)
  if (size := len(os.fsencode(entry.name))) > LONGEST:
    raise SubmissionError(
      f'The name {entry.name[:40]}... has {size} bytes; results are kept in a '
      f'folder of that name, which may have {LONGEST}. Enter the submission '
      'under a shorter name: --submissions=NAME=path/to/file.py'
    )
  return entry


def _entered(request: str) -> Entry:
  given, equals, rest = request.partition('=')
  if (
    not equals or os.path.exists(request) or not literals.NAME.fullmatch(given)
  ):
    return _at_point(request)
  entry = _at_point(rest, named=True)
  if given == 'all' or given.startswith('.'):
    raise SubmissionError(
      f'{request}: no submission can be called {given!r}. Give another name.'
    )
  if given in names() and entry.path != HERE / f'{given}.py':
    raise SubmissionError(
      f'{request}: {given!r} is a submission of TimeTrial. Give another name.'
    )
  return entry._replace(name=given)


def _at_point(request: str, named: bool = False) -> Entry:
  if os.path.exists(request):
    return _find(request, named)
  name, at, point = request.partition('@')
  entry = _find(name, named)
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
    space=None,  # POINTS belong to the self-tuning ruleset.
  )


def _find(request: str, named: bool) -> Entry:
  if request in names():
    return entries.read(HERE / f'{request}.py')
  path = pathlib.Path(request)
  # pathlib's is_dir raises if a name is too long.
  is_folder, is_file = os.path.isdir(request), os.path.isfile(request)
  if is_folder and (several := layout.several(path)):
    raise SubmissionError(
      f'The folder {request!r} has several submissions. Name one of '
      f'{", ".join(map(str, several))}.'
    )
  if is_folder and not layout.main(path).is_file():
    raise SubmissionError(
      f'The folder {request!r} has no {folders.MAIN}, so it is no submission '
      'to AlgoPerf. A submission to TimeTrial is a file: give the path of a '
      '.py file.'
    )
  if request.endswith('.py') and not (is_file or is_folder):
    raise SubmissionError(
      f'No file {request!r}. Give the path of a file that exists.'
    )
  if is_folder or request.endswith('.py'):
    foreign = folders.is_one(path)
    path = layout.whole(path) if foreign else path
    entry = entries.read_algoperf(path) if foreign else entries.read(path)
    if not named:
      _check_name(entry, path, request)
    return entry
  hint = suggestions.hint(request, names())
  raise SubmissionError(
    f'No submission {request!r}.{hint} Known: {", ".join(names())}, '
    'or give the path of a .py file or of an AlgoPerf folder.'
  )


def _check_name(entry: Entry, path: pathlib.Path, request: str) -> None:
  """Raise SubmissionError if a path gives a submission a name it cannot have.

  Args:
    entry: The submission.
    path: Its path.
    request: The path as the user gave it.
  """
  if entry.name in names() and path.resolve().parent != HERE:
    raise SubmissionError(
      f'{request}: {entry.name!r} is a submission of TimeTrial. Rename the '
      f'path, or enter it under another name: --submissions=NAME={request}'
    )
  if entry.name.startswith('.'):
    raise SubmissionError(
      f'{request}: rename it, or enter it under another name '
      f'(--submissions=NAME={request}). Its results would go to a folder '
      f'called {entry.name!r}, which is hidden or another folder.'
    )


def make(
  path: pathlib.Path,
  task: Task,
  hyperparameters: dict,
  goal: Goal | None = None,
) -> Submission:
  """Run the file of a submission and build the submission.

  Args:
    path: File, or folder of an AlgoPerf submission.
    task: Facts that every algorithm may use.
    hyperparameters: Values by name, passed to `build`.
    goal: Further facts that only AlgoPerf submissions get.

  Raises:
    SubmissionError: `build` returned something else; the message says what.
  """
  if folders.is_one(path):
    if goal is None:
      raise ValueError(
        f'{path} was written for AlgoPerf, but goal is None. Pass a Goal.'
      )
    # Imported here, because planning imports this module but must not need JAX.
    adapter = importlib.import_module('submissions.algoperf.loop')
    return adapter.build(path, task, hyperparameters, goal)
  name = f'{MODULE}.{path.stem}'
  spec = importlib.util.spec_from_file_location(name, path)
  module = importlib.util.module_from_spec(spec)  # pyrefly: ignore
  sys.modules[name] = module  # Dataclasses look up their own module here.
  spec.loader.exec_module(module)  # pyrefly: ignore
  return _built(module.build(task, **hyperparameters), path)


def _built(found: Any, path: pathlib.Path) -> Submission:
  """Return `found`, the value that `build` returned, if it is a Submission.

  Raises:
    SubmissionError: `found` is something else; the message says what to write.
  """
  # Imported here, because planning imports this module but must not need JAX.
  kind = importlib.import_module('submissions.submission').Submission
  if isinstance(found, kind):
    return found
  function = entries.built(literals.parsed(path))
  line = entries.returns(function) if function else 1
  where = f'{path.name}, line {line}: build returned'
  if found is None:
    raise SubmissionError(
      f'{where} nothing, but it must return a Submission. End it with `return '
      'from_optax(task, <transformation>, **options)`, or with `return '
      'Submission(train, model)`.'
    )
  what = type(found).__name__
  if isinstance(found, tuple) and {'init', 'update'} <= set(dir(found)):
    raise SubmissionError(
      f'{where} a transformation of optax ({what}), but it must return a '
      'Submission. Write `return from_optax(task, <transformation>, '
      '**options)`.'
    )
  raise SubmissionError(
    f'{where} a {what}, but it must return a Submission. Return what '
    'from_optax or from_steps returns, or Submission(train, model).'
  )


def check_point(entry: Entry, point: dict[str, Any], where: str) -> None:
  """Raise SubmissionError if a point does not fit the parameters of `build`.

  Args:
    entry: The submission.
    point: Hyperparameters by name.
    where: The place of the point in the file, for the message: 'SELF'.
  """
  for name in point:
    known = entry.keywords | (entry.optional or frozenset())
    if entry.optional is not None and name not in known:
      hint = suggestions.hint(name, known)
      raise SubmissionError(
        f'{entry.path}: {where} has {name!r}, which build does not take.'
        f'{hint} It takes: {", ".join(sorted(known))}.'
      )
  if missing := entry.keywords - point.keys():
    raise SubmissionError(
      f'{entry.path}: {where} lacks {", ".join(sorted(missing))}, '
      'which build requires. Add a value, or a default to build.'
    )
