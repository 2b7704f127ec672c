"""Explanations of exceptions: the line of the submission, and what to do.

A traceback names mostly functions of libraries, and the copy in a trial's
folder, which may be deleted. The author needs the line of the original file.
"""

import pathlib
import re
from typing import Any, NamedTuple

import submissions
from runner.protocol import layout
from runner.protocol.plan import PlannedTrial
from submissions import entries, literals

TRACED = 'which has no value yet while JAX compiles'
# Advice by the name of an exception.
ADVICE = {
  'TracerArrayConversionError': (
    f'numpy was given a traced array, {TRACED}: use jax.numpy (jnp) there.'
  ),
  'TracerBoolConversionError': (
    f'`if`, `while`, `and` or `or` was given a traced array, {TRACED}: use '
    'jnp.where, jax.lax.cond or jnp.logical_and there.'
  ),
  'TracerIntegerConversionError': (
    f'Python was given a traced array as an index or a size, {TRACED}: use '
    'jax.lax.dynamic_slice, or make it a static argument.'
  ),
  'ConcretizationTypeError': (
    f'float(), int() or bool() was given a traced array, {TRACED}: use '
    '.astype, or make it a static argument.'
  ),
  'NonConcreteBooleanIndexError': (
    'A mask was used as an index, which makes a shape that depends on values: '
    'use jnp.where.'
  ),
  'UnexpectedTracerError': (
    'A traced array has left its function, for example through a global or '
    'an attribute: return the array instead.'
  ),
  'ModuleNotFoundError': (
    "Install the package in TimeTrial's environment, or make the submission a "
    'folder with the file in it.'
  ),
}
FRAME = re.compile(
  r'^ +File "(.+)", line (\d+), in (.+)$'  # File, line and function.
)


class Place(NamedTuple):
  """A line of a submission."""

  file: str  # Path of the file below the submission's folder.
  line: int
  function: str
  code: str

  def __str__(self) -> str:
    inside = '' if self.function == '<module>' else f', in {self.function}'
    code = f': `{self.code}`' if self.code else ''
    return f'{self.file}, line {self.line}{inside}{code}'


def place(trace: str, source: pathlib.Path) -> Place | None:
  """Return the last line of the submission's source in a traceback, or None.

  Args:
    trace: The traceback.
    source: The trial's copy of the submission, a file or folder.
  """
  found = None
  lines = trace.splitlines()
  for number, line in enumerate(lines):
    frame = FRAME.match(line)
    if frame is None:
      continue
    path, at, function = frame.groups()
    file = pathlib.Path(path)
    if file != source and source not in file.parents:
      continue
    below = lines[number + 1] if number + 1 < len(lines) else ''
    code = '' if FRAME.match(below) else below.strip()
    name = file.name if file == source else str(file.relative_to(source))
    found = Place(name, int(at), function, code)
  return found


def advice(reason: str) -> str:
  """Return advice on the exception at the start of a reason, or ''."""
  return ADVICE.get(reason.partition(':')[0].rpartition('.')[2], '')


def reason(status: layout.Status) -> str:
  """Return the reason of an outcome, without the name of a deleted file."""
  return status.reason.partition(' (see traceback_')[0]


def failure(
  entry: submissions.Entry,
  trial: PlannedTrial,
  folder: pathlib.Path,
  status: layout.Status,
) -> str:
  """Return what failed, the place in the source, and what to do.

  Args:
    entry: The submission.
    trial: The failed trial.
    folder: Folder of the trial.
    status: Status of the trial.
  """
  said, source = reason(status), layout.source(folder, trial.submission)
  trace = folder / f'traceback_{status.attempts - 1}.txt'
  text = trace.read_text(encoding='utf-8') if trace.exists() else ''
  found = place(text, source)
  if source.is_file():  # Use the name of the original file, not of the copy.
    said = said.replace(source.name, entry.path.name)
    found = found and found._replace(file=entry.path.name)
  where = f'({found})' if found else ''
  if text and not found and not entry.algoperf and entry.path.name not in said:
    where = _of_what_was_built(entry)
  parts = [f'{status.outcome or "interrupted"}: {said}', where, advice(said)]
  if status.outcome == 'crashed':
    parts += texts(entry, trial.hyperparameters, said)
  return ' '.join(filter(None, parts))


def _of_what_was_built(entry: submissions.Entry) -> str:
  function = entries.built(literals.parsed(entry.path))
  line = entries.returns(function) if function else 1
  return f'(in what build returns, {entry.path.name}, line {line})'


def texts(
  entry: submissions.Entry, point: dict[str, Any], reason: str
) -> list[str]:
  """Return hints about hyperparameters that are texts, for errors of types.

  Args:
    entry: The submission.
    point: The hyperparameters.
    reason: Reason of the failure.
  """
  if not reason.startswith(('TypeError', 'ValueError', 'UFuncTypeError')):
    return []
  lines = {}
  if not entry.algoperf:
    found = literals.texts(literals.parsed(entry.path))
    lines = {str(node.value): f', line {node.lineno}' for node in found}
  return [
    f'Hyperparameter {name} is the text {value!r} ({entry.path.name}'
    f'{lines.get(value, "")}): should it be a number?'
    for name, value in point.items()
    if isinstance(value, str)
  ]
