"""Objects of others that a submission's source changes or identifies."""

import ast

from runner.lint import allowed
from runner.lint.attributes import Access, Said, accesses, is_self
from runner.lint.bindings import Parameter, elements
from runner.lint.classes import is_own_class
from runner.lint.meanings import APART, CLOCK, FREE, PATCH
from runner.lint.names import OWN, Names

GIVEN = ('start', 'task', 'workload')  # Usual names of what is handed over.
CALLED = ('elapsed', 'progress', 'batches', 'place')  # Callables of Start.
CHANGES = (
  'append', 'clear', 'extend', 'insert', 'pop', 'popitem', 'remove', 'reverse',
  'setdefault', 'sort', 'update',
)  # fmt: skip
SIZES = (  # Facts of a task that name its workload.
  'num_train_examples', 'num_validation_examples', 'num_test_examples', 'steps',
  'step_hint', 'train_examples',
)  # fmt: skip
EQUAL = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


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
      case ast.JoinedStr() | ast.BinOp() | ast.Compare():
        yield from _identified(node, names)


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
    isinstance(value, ast.Call) and is_own_class(value.func, names)
    for value in values
  )  # fmt: skip


def _is_others(node: ast.expr, names: Names) -> bool:
  """Return whether an object is a part of what is handed over, or a module's.

  Parts are reached by attributes: `start.evals`, `optax.x`.
  """
  for one in _aliases(node, names):
    if isinstance(one, ast.Attribute) and one.attr != 'state':
      full = names.full(one)
      library = any(not f.startswith((OWN, 'builtins.')) for f in full)
      if library or is_given(one.value, names):
        return True
  return False


def _aliases(node: ast.expr, names: Names) -> list[ast.expr]:
  """List the names and attributes that an element may be taken from."""
  found: list[ast.expr] = []
  waiting: list[ast.AST] = [node]
  seen: set[int] = set()
  while waiting:
    one = waiting.pop()
    while isinstance(one, ast.Subscript):
      one = one.value
    if id(one) in seen or not isinstance(one, (ast.Name, ast.Attribute)):
      continue
    seen.add(id(one))
    found.append(one)
    if isinstance(one, ast.Name):
      waiting += [v for v in names.values(one) if isinstance(v, ast.AST)]
  return found


def is_given(node: ast.AST, names: Names) -> bool:
  """Return whether an expression is what build or train got, or a part."""
  waiting: list[ast.AST] = [node]
  seen: set[int] = set()
  while waiting:
    one = waiting.pop()
    if id(one) in seen:
      continue
    seen.add(id(one))
    match one:
      case ast.Attribute(value=base, attr=attr) if attr != 'state':
        waiting.append(base)
      case ast.Subscript(value=base):
        waiting.append(base)
      case ast.Name(id=name):
        for value in names.values(one):
          if isinstance(value, ast.AST):
            waiting.append(value)
          elif isinstance(value, Parameter) and (
            name in GIVEN or _is_argument(value)
          ):
            return True
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
  yield from _lost(node, names)
  match node.func:
    case ast.Attribute(value=base, attr=attr) if attr in CHANGES:
      modules = [allowed.is_module(one) for one in names.full(base)]
      if not any(modules) and _is_others(base, names):
        yield node.lineno, f'{ast.unparse(node.func)}() {PATCH}'
    case ast.Name(id='str' | 'repr' | 'ascii' | 'print' | 'format' | 'hash'):
      yield from _shown(node.args, names)
  if 'collections.defaultdict' in names.full(node.func):
    made = [names.full(one) for one in node.args[:1]]
    if not all(full and all('builtins.' in x for x in full) for full in made):
      yield node.lineno, f'collections.defaultdict of a function {FREE}'


def _lost(node: ast.Call, names: Names) -> Said:
  """Yield calls that set `lost`, which runs on a free account."""
  match node.func:
    case ast.Attribute(value=base, attr='_make'):
      if not is_own_class(base, names):
        yield node.lineno, f'{ast.unparse(node.func)} may set `lost`. It {FREE}'
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
      numbers = any(_is_special(side) for side in sides)
      for one in sides if equal and numbers else ():
        sized = isinstance(one, ast.Attribute) and one.attr in SIZES
        if sized and is_given(one, names):
          yield one.lineno, f'{ast.unparse(node)} {APART}'


def _is_special(node: ast.expr) -> bool:
  """Return whether an expression is a number, or a collection that has some."""
  small = isinstance(node, ast.Constant) and node.value in (0, 1, None)
  written = isinstance(node, (ast.Constant, ast.Set, ast.Tuple, ast.List))
  return written and not small


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
