"""Write the best point of a tuning into the submission's file, as SELF."""

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from typing import Any

import submissions
from runner.protocol import user_files
from submissions import entries, literals

WIDTH = 80  # Of a line that is written.


def check(entry: submissions.Entry) -> None:
  """Raise ValueError unless `write` can replace the point of a submission."""
  if entry.algoperf:
    raise ValueError(
      f'{entry.path} is a folder that was written for AlgoPerf, and SELF is of '
      'files with a function build. Leave out --write.'
    )
  if (now := entries.read(entry.path).self_point) != entry.self_point:
    raise ValueError(
      f'{entry.name} starts from {entry.self_point!r}, and SELF in '
      f'{entry.path} is {now!r}; --write replaces SELF. Leave out --write, and '
      'write the best point by hand.'
    )


def write(entry: submissions.Entry, point: Mapping[str, Any]) -> bool:
  """Replace SELF in the file of a submission; return whether it changed.

  The rest of the file stays as it is, with its comments.

  Args:
    entry: The submission, as it was when its points raced.
    point: The new point.

  Raises:
    ValueError: the submission is a folder, or SELF was changed meanwhile.
    StorageError: the file cannot be written.
  """
  check(entry)
  if point == entry.self_point:
    return False
  user_files.replace(entry.path, with_self(entry.path.read_bytes(), point))
  return True


def with_self(source: bytes, point: Mapping[str, Any]) -> bytes:
  """Return the source of a submission with another SELF.

  Args:
    source: The file. One without SELF gets it at its end.
    point: The new point.

  Raises:
    One of literals.NOT_PYTHON: the file is not Python.
  """
  encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
  text = source.decode(encoding)
  newline = '\r\n' if '\r\n' in text else '\n'
  literal = newline.join(_literal(point))
  node = literals.assigned(ast.parse(text), 'SELF')
  if node is None:
    before = text + newline * (not text.endswith(('\n', '\r')))
    return f'{before}SELF = {literal}{newline}'.encode(encoding)
  # Python ends lines only here; str.splitlines would at form feeds, too.
  lines = list(io.StringIO(text, newline=''))
  line = lines[node.lineno - 1].encode()  # The column is in bytes of UTF-8.
  start = ''.join(lines[: node.lineno - 1]) + line[: node.col_offset].decode()
  old = ast.get_source_segment(text, node) or ''
  return f'{start}{literal}{text[len(start) + len(old) :]}'.encode(encoding)


def _literal(point: Mapping[str, Any]) -> Iterator[str]:
  """Yield the lines of a point as a dictionary, filled up to WIDTH."""
  yield '{'
  line = ''
  for name, value in point.items():
    item = f' {name!r}: {value!r},'
    if line and len(line) + len(item) >= WIDTH:
      yield line
      line = ''
    line += item if line else f' {item}'
  if line:
    yield line
  yield '}'
