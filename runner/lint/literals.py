"""Literals of a submission's source: their size, and names that they are."""

import ast
from collections.abc import Iterator

import workloads
from runner.lint.attributes import Said, has_lookup
from runner.lint.meanings import WEIGHTS
from runner.lint.names import Names
from runner.lint.texts import folded

MOST = 4096  # Bytes of data in a source, whatever number of literals it has.
SPLITS = ('validation', 'test', 'valid', 'eval_train')
HIDDEN = ('lost', 'compiler_options')  # Names of arguments that are findings.
LONGEST = 80  # Characters of an identifier.
FREE = ('get_batch_size',)  # Functions that may ask for the workload's name.


def find(names: Names) -> Said:
  """Yield what texts may mean, by line."""
  known = workloads.names()
  families = {*known, *(name.replace('/', '_') for name in known)}
  free = {
    id(inner)
    for node in names.tree.body
    if isinstance(node, ast.FunctionDef) and node.name in FREE
    for inner in ast.walk(node)
  }
  spoken = documentation(names.tree)
  for node in ast.walk(names.tree):
    if not isinstance(node, ast.expr) or id(node) in spoken:
      continue
    text = folded(names, node) if _makes_text(node) else None
    if text is None:
      continue
    if text in families and id(node) not in free:
      yield node.lineno, f'{text!r} is the name of a workload.'
    elif meaning := _meaning(text):
      yield node.lineno, f'{text!r} {meaning}'


def _meaning(text: str) -> str:
  """Return what a text means wherever it stands; '' if it means nothing."""
  if text in SPLITS:
    return 'is the name of a split. Train on start.batches only.'
  if text in HIDDEN:
    return 'may hide an argument that `check` reports. Leave it out.'
  if text.startswith('__') and text.endswith('__') and text != '__main__':
    return 'is the name of an inner attribute.'
  if has_lookup(text) and '{' in text and '._' in text:
    return 'looks up attributes in a format.'
  return ''


def _makes_text(node: ast.expr) -> bool:
  return isinstance(
    node, (ast.Constant, ast.BinOp, ast.JoinedStr, ast.Subscript, ast.Call)
  )


def documentation(tree: ast.Module) -> set[int]:
  """Return the texts that no code reads: docstrings, by identity."""
  return {
    id(node.value)
    for node in ast.walk(tree)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
  }


def sizes(tree: ast.Module) -> Iterator[tuple[int, int]]:
  """Yield line and bytes of every literal that holds data.

  Docstrings, and messages of errors, hold none.
  """
  spoken = documentation(tree) | _messages(tree)
  for node in ast.walk(tree):
    line = getattr(node, 'lineno', 0)
    match node:
      case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
        if len(name) > LONGEST:
          yield line, len(name)
      case ast.Call(func=ast.Name(id='dict'), keywords=keywords):
        yield line, sum(len(one.arg or '') for one in keywords)
      case ast.Constant(value=value) if id(node) not in spoken:
        yield line, _size(value)


def _size(value: object) -> int:
  """Return about how many bytes a literal can hold."""
  match value:
    case str(text):
      return len(text.encode('utf-8', 'replace'))
    case bytes(data):
      return len(data)
    case int(number) if number.bit_length() > 64:
      return number.bit_length() // 8
  return 1 if value is None or isinstance(value, bool) else len(repr(value))


def _messages(tree: ast.Module) -> set[int]:
  """Return the texts of errors, unless errors are caught and read."""
  found: set[int] = set()
  caught = {
    node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)
  }
  if any(isinstance(x, ast.Name) and x.id in caught for x in ast.walk(tree)):
    return found
  for node in ast.walk(tree):
    match node:
      case ast.Raise(exc=shown) | ast.Assert(msg=shown) if shown is not None:
        found |= {id(inner) for inner in ast.walk(shown)}
  return found


def find_large(tree: ast.Module, before: int) -> Iterator[tuple[int, str]]:
  """Yield the line at which a source has more data than allowed.

  Args:
    tree: The syntax tree of a file.
    before: Bytes of the submission's other files.
  """
  total = before
  for line, size in sorted(sizes(tree)):
    total += size
    if total > MOST >= total - size:
      yield (
        line,
        f'Up to here the literals hold {total} bytes, more than {MOST}: they '
        f'{WEIGHTS}',
      )
