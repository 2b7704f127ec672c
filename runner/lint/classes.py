"""Classes that a submission's source writes, and ends of its generators."""

import ast
import builtins
from collections.abc import Iterator

from runner.lint.attributes import Said
from runner.lint.meanings import FREE, PATCH, PYTREES
from runner.lint.names import FUNCTIONS, OWN, Names

# Methods of Python's own protocol that may be written.
METHODS = ('__call__', '__init__', '__post_init__', '__iter__', '__next__')
PLAIN = (  # Dunder names that may be assigned.
  '__all__', '__author__', '__copyright__', '__license__', '__match_args__',
  '__slots__', '__version__',
)  # fmt: skip
HOOKS = (  # Methods that JAX and the harness call on what they are given.
  'addressable_shards', 'astype', 'block_until_ready', 'close',
  'copy_to_host_async', 'delete', 'dtype', 'get', 'is_deleted', 'is_ready',
  'item', 'items', 'keys', 'nbytes', 'ndim', 'params', 'send', 'shape',
  'sharding', 'size', 'throw', 'tolist', 'tree_flatten',
  'tree_flatten_with_keys', 'tree_unflatten', 'values',
)  # fmt: skip
BASES = ('builtins.object', 'typing.', 'flax.', 'chex.', 'optax.', OWN)
MAKERS = ('collections.namedtuple', 'typing.NamedTuple')
ENDS = ('BaseException', 'GeneratorExit')


def find(names: Names) -> Said:
  """Yield what classes and generators may mean, by line."""
  for node in ast.walk(names.tree):
    match node:
      case ast.ClassDef():
        yield from _class(node, names)
      case ast.Try() | ast.TryStar() if _yields(node):
        yield from _ends(node)
      case ast.With() if _yields(node):
        yield (
          node.lineno,
          'with ... around a yield lasts while the harness evaluates. End it '
          'before the yield.',
        )
      case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
        if not isinstance(names.parent(node), ast.ClassDef) and is_dunder(name):
          yield node.lineno, f'def {name} {PATCH}'
      case ast.Name(id=name, ctx=ast.Store()):
        if is_dunder(name) and name not in PLAIN:
          yield node.lineno, f'{name} = ... {PATCH}'


def is_dunder(name: str) -> bool:
  return name.startswith('__') and name.endswith('__')


def _class(node: ast.ClassDef, names: Names) -> Said:
  line = node.lineno
  for one in node.keywords:
    if one.arg in ('metaclass', None):
      yield line, f'class {node.name}({one.arg or "**"}=...) {PATCH}'
  for base in node.bases:
    if not _is_plain(base, names):
      yield (
        line,
        f'class {node.name}({ast.unparse(base)}) takes the place of what JAX '
        'or the harness calls. Write a class of its own, or a NamedTuple.',
      )
  for name, place in _members(node):
    iterates = name in ('__iter__', '__next__') and bool(node.bases)
    if (
      iterates
      or (is_dunder(name) and name not in (*METHODS, *PLAIN))
      or name in HOOKS
    ):
      meaning = PYTREES if name.startswith('tree_') else FREE
      yield place, f'{node.name}.{name} {meaning}'


def _is_plain(base: ast.expr, names: Names) -> bool:
  """Return whether a class may be derived from a base."""
  match base:
    case ast.Subscript(value=inner):
      return _is_plain(inner, names)
    case ast.Call(func=function):
      return bool(names.full(function) & set(MAKERS))
  full = names.full(base)
  if not full:
    return is_own_class(base, names)
  return all(one.startswith(BASES) or _is_error(one) for one in full)


def _is_error(full: str) -> bool:
  _, _, name = full.partition('builtins.')
  found = getattr(builtins, name, None) if name else None
  return isinstance(found, type) and issubclass(found, Exception)


def is_own_class(node: ast.expr, names: Names) -> bool:
  values = names.values(node) if isinstance(node, ast.Name) else []
  here = bool(values) and all(isinstance(v, ast.ClassDef) for v in values)
  full = names.full(node)
  return here or (bool(full) and all(one.startswith(OWN) for one in full))


def _members(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
  """Yield the names that a class binds, with their lines."""
  waiting: list[ast.AST] = list(node.body)
  while waiting:
    one = waiting.pop()
    match one:
      case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
        yield name, one.lineno
        continue
      case ast.ClassDef(name=name):
        yield name, one.lineno
        continue
      case ast.AnnAssign(value=None):
        continue  # A field of a NamedTuple.
      case ast.Name(id=name, ctx=ast.Store()):
        yield name, one.lineno
      case ast.alias(name=name, asname=other):
        yield other or name, one.lineno
    if not isinstance(one, FUNCTIONS):
      waiting += ast.iter_child_nodes(one)


def _yields(node: ast.AST) -> bool:
  """Return whether a statement yields, functions within it aside."""
  waiting: list[ast.AST] = [node]
  while waiting:
    one = waiting.pop()
    if isinstance(one, (ast.Yield, ast.YieldFrom)):
      return True
    if not isinstance(one, FUNCTIONS):
      waiting += ast.iter_child_nodes(one)
  return False


def _ends(node: ast.Try | ast.TryStar) -> Said:
  """Yield what runs when a generator is closed."""
  for handler in node.handlers:
    kind = ast.unparse(handler.type) if handler.type else ''
    if not kind or any(end in kind for end in ENDS):
      yield handler.lineno, f'except around a yield {FREE}'
  if node.finalbody:
    yield node.finalbody[0].lineno, f'finally after a yield {FREE}'
