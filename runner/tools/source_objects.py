"""Objects that a submission's source changes, and classes that it writes."""

import ast
import builtins
from collections.abc import Iterator

from runner.tools import source_allowed
from runner.tools.source_allowed import CLOCK, PATCH, PYTREES
from runner.tools.source_names import (
  FUNCTIONS,
  OWN,
  Names,
  Parameter,
  elements,
)
from runner.tools.source_uses import Access, Said, accesses, is_self

GIVEN = ('start', 'task', 'workload')  # Usual names of what is handed over.
CALLED = ('elapsed', 'progress', 'batches', 'place')  # Callables of Start.
CHANGES = (
  'append', 'clear', 'extend', 'insert', 'pop', 'popitem', 'remove', 'reverse',
  'setdefault', 'sort', 'update',
)  # fmt: skip
FREE = (
  'may run while the clock stands: JAX or the harness calls it. Do the work in '
  '`train`, and return plain arrays.'
)
# Methods of Python's own protocol that may be written.
METHODS = (
  '__call__', '__init__', '__iter__', '__next__', '__post_init__',
)  # fmt: skip
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
APART = 'may tell one workload from the others. Treat all of them alike.'
SIZES = (  # Facts of a task that name its workload.
  'num_train_examples', 'num_validation_examples', 'num_test_examples', 'steps',
  'step_hint', 'train_examples',
)  # fmt: skip
EQUAL = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
BASES = ('builtins.object', 'typing.', 'flax.', 'chex.', 'optax.', OWN)
MAKERS = ('collections.namedtuple', 'typing.NamedTuple')
ENDS = (None, 'BaseException', 'GeneratorExit')


def find(names: Names) -> Said:
  """Yield what changed objects and written classes may mean, by line."""
  for access in accesses(names):
    yield from _stored(access, names)
    yield from _given(access, names)
  for node in ast.walk(names.tree):
    match node:
      case ast.Subscript(ctx=ast.Store() | ast.Del(), value=base):
        if _is_others(base, names):
          yield node.lineno, f'{ast.unparse(node)} = ... {PATCH}'
      case ast.Call():
        yield from _called(node, names)
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
      case ast.JoinedStr() | ast.BinOp() | ast.Compare():
        yield from _identified(node, names)
      case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
        if not isinstance(names.parent(node), ast.ClassDef) and _dunder(name):
          yield node.lineno, f'def {name} {PATCH}'
      case ast.Name(id=name, ctx=ast.Store()):
        if _dunder(name) and name not in PLAIN:
          yield node.lineno, f'{name} = ... {PATCH}'


def _dunder(name: str) -> bool:
  return name.startswith('__') and name.endswith('__')


def _stored(access: Access, names: Names) -> Said:
  """Yield attributes that are set on objects of others."""
  node, base = access.node, access.base
  if not isinstance(getattr(node, 'ctx', None), (ast.Store, ast.Del)):
    return
  if base is None or _is_made(base, names) or is_self(base, names):
    return
  yield access.line, f'{ast.unparse(node)} = ... {PATCH}'


def _is_made(base: ast.expr, names: Names) -> bool:
  """Return whether a name holds an object that this function has made."""
  if not isinstance(base, ast.Name):
    return False
  scope = names.scope(base)
  values = names.values(base)
  return bool(values) and scope.find(base.id) is scope and all(
    isinstance(value, ast.Call) and _is_own_class(value.func, names)
    for value in values
  )  # fmt: skip


def _is_own_class(node: ast.expr, names: Names) -> bool:
  values = names.values(node) if isinstance(node, ast.Name) else []
  here = bool(values) and all(isinstance(v, ast.ClassDef) for v in values)
  full = names.full(node)
  return here or (bool(full) and all(one.startswith(OWN) for one in full))


def _is_others(node: ast.expr, names: Names) -> bool:
  """Return whether an object is a part of what is handed over, or a module's.

  Parts are reached by attributes: `start.evals`, `optax.x`.
  """
  while isinstance(node, ast.Subscript):
    node = node.value
  if isinstance(node, ast.Name):
    values = [v for v in names.values(node) if isinstance(v, ast.expr)]
    return any(
      isinstance(v, (ast.Attribute, ast.Subscript)) and _is_others(v, names)
      for v in values
      if v is not node
    )
  if not isinstance(node, ast.Attribute) or node.attr == 'state':
    return False
  full = names.full(node)
  library = any(not one.startswith((OWN, 'builtins.')) for one in full)
  return library or is_given(node.value, names)


def is_given(node: ast.AST, names: Names, depth: int = 0) -> bool:
  """Return whether an expression is what build or train got, or a part."""
  if depth > 12:
    return False
  match node:
    case ast.Attribute(attr='state'):
      return False  # The submission's own.
    case ast.Attribute(value=base) | ast.Subscript(value=base):
      return is_given(base, names, depth + 1)
    case ast.Name(id=name):
      return any(
        name in GIVEN or _is_argument(value)
        if isinstance(value, Parameter)
        else isinstance(value, ast.AST) and is_given(value, names, depth + 1)
        for value in names.values(node)
      )
  return False


def _is_argument(value: Parameter) -> bool:
  """Return whether a parameter is the first one of build or train."""
  called = getattr(value.function, 'name', '')
  return value.first and called in ('build', 'train')


def _given(access: Access, names: Names) -> Said:
  """Yield attributes of start's callables, and callables not called."""
  base, name = access.base, access.name
  match base:
    case ast.Name():
      inner = [v for v in names.values(base) if isinstance(v, ast.Attribute)]
    case ast.Attribute():
      inner = [base]
    case _:
      inner = []
  for one in inner:
    if one.attr in CALLED and is_given(one.value, names):
      yield (
        access.line,
        f'start.{one.attr}.{name} may be a look at the clock or at the '
        f'harness. Only call start.{one.attr}.',
      )
  parent = names.parent(access.node)
  called = isinstance(parent, ast.Call) and parent.func is access.node
  if called or isinstance(parent, ast.Attribute) or base is None:
    return
  of_start = name == 'progress' and is_given(base, names)
  if name == 'elapsed' or of_start:
    yield access.line, f'{ast.unparse(access.node)} without a call {CLOCK}'


def _called(node: ast.Call, names: Names) -> Said:
  """Yield calls that change what is handed over, or run on free accounts."""
  match node.func:
    case ast.Attribute(value=base, attr=attr) if attr in CHANGES:
      modules = [source_allowed.is_module(one) for one in names.full(base)]
      if not any(modules) and _is_others(base, names):
        yield node.lineno, f'{ast.unparse(node.func)}() {PATCH}'
    case ast.Attribute(value=base, attr='_make'):
      if not _is_own_class(base, names):
        yield node.lineno, f'{ast.unparse(node.func)} may set `lost`, which {FREE}'
    case ast.Name(id='str' | 'repr' | 'ascii' | 'print' | 'format' | 'hash'):
      yield from _shown(node.args, names)
  if 'collections.defaultdict' in names.full(node.func):
    made = [names.full(one) for one in node.args[:1]]
    if not all(full and all('builtins.' in x for x in full) for full in made):
      yield node.lineno, f'collections.defaultdict of a function {FREE}'
  for one in node.keywords:
    if one.arg == 'lost':
      yield node.lineno, f'lost={ast.unparse(one.value)} {FREE}'
  made = 'submissions.submission.Submission' in names.full(node.func)
  if made and (len(node.args) > 3 or _is_open(node)):
    yield node.lineno, f'The fourth argument of Submission, lost, {FREE}'


def _identified(node: ast.AST, names: Names) -> Said:
  """Yield what may tell one workload from the others."""
  match node:
    case ast.JoinedStr(values=values):
      shown = [v.value for v in values if isinstance(v, ast.FormattedValue)]
      yield from _shown(shown, names)
    case ast.BinOp(op=ast.Mod(), right=right):
      yield from _shown([right, *elements(right)], names)
    case ast.Compare(ops=ops, left=left, comparators=others):
      equal = any(isinstance(op, EQUAL) for op in ops)
      sides = [left, *others]
      numbers = any(isinstance(x, (ast.Constant, ast.Set, ast.Tuple, ast.List))
                    for x in sides)  # fmt: skip
      for one in sides if equal and numbers else ():
        sized = isinstance(one, ast.Attribute) and one.attr in SIZES
        if sized and is_given(one, names):
          yield one.lineno, f'{ast.unparse(node)} {APART}'


def _shown(nodes: list[ast.expr], names: Names) -> Said:
  """Yield workloads that are written as texts, which have their names."""
  for node in nodes:
    values = names.values(node) if isinstance(node, ast.Name) else []
    ends = {
      one.attr if isinstance(one, ast.Attribute) else getattr(one, 'name', '')
      for one in [node, *values]
    }
    if ends & {'workload', 'task'} and is_given(node, names):
      yield node.lineno, f'{ast.unparse(node)} as a text {APART}'


def _is_open(node: ast.Call) -> bool:
  """Return whether a call has arguments that are not written out."""
  starred = any(isinstance(one, ast.Starred) for one in node.args)
  return starred or any(one.arg is None for one in node.keywords)


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
    if iterates or (_dunder(name) and name not in (*METHODS, *PLAIN)) or name in HOOKS:
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
    return _is_own_class(base, names)
  return all(one.startswith(BASES) or _is_error(one) for one in full)


def _is_error(full: str) -> bool:
  _, _, name = full.partition('builtins.')
  found = getattr(builtins, name, None) if name else None
  return isinstance(found, type) and issubclass(found, Exception)


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
    kind = handler.type and ast.unparse(handler.type)
    if kind in ENDS or (kind and 'GeneratorExit' in kind):
      yield handler.lineno, f'except around a yield {FREE}'
  if node.finalbody:
    yield node.finalbody[0].lineno, f'finally after a yield {FREE}'
