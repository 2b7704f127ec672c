"""Names of a source file, resolved through imports and assignments.

Nothing of the file is run. A name that is assigned several times may mean any
of its values.
"""

import ast
import builtins
from collections.abc import Callable, Iterator
from typing import NamedTuple

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
OWN = '.'  # Start of the full names of the submission's own files.
LONGEST = 200  # Characters of a text that are computed.
DEEPEST = 12  # Assignments that are followed from a name to its values.


class Element(NamedTuple):
  """Value of a name that is bound to an element of something."""

  whole: ast.expr


class Parameter(NamedTuple):
  """Value of a function's parameter."""

  function: ast.AST
  name: str
  first: bool


Value = str | ast.AST | Element | Parameter


class Scope:
  """Names that are bound in a module, class, function or comprehension."""

  def __init__(self, node: ast.AST, parent: 'Scope | None'):
    self.node, self.parent = node, parent
    self.values: dict[str, list[Value | None]] = {}
    self._elsewhere: dict[str, Scope] = {}  # Names declared global, nonlocal.

  def bind(self, name: str, value: Value | None) -> None:
    scope = self._elsewhere.get(name, self)
    scope.values.setdefault(name, []).append(value)

  def declare(self, name: str, scope: 'Scope | None') -> None:
    """Bind a name in another scope from now on."""
    if scope is not None and scope is not self:
      self._elsewhere[name] = scope

  @property
  def outermost(self) -> 'Scope':
    """The scope of the module."""
    return self if self.parent is None else self.parent.outermost

  def find(self, name: str) -> 'Scope | None':
    """Return the scope in which a name that is read here is bound."""
    scope: Scope | None = self
    if name in self._elsewhere:
      return self._elsewhere[name]
    while scope is not None:
      hidden = isinstance(scope.node, ast.ClassDef) and scope is not self
      if name in scope.values and not hidden:
        return scope
      scope = scope.parent
    return None


class Names:
  """Scopes, parents and resolved names of a syntax tree.

  Attributes:
    tree: The syntax tree.
    parents: The node around each node, by identity.
    is_own: Whether a module belongs to the submission itself.
    shared: Names that files of the submission bind to modules of others.
  """

  def __init__(
    self,
    tree: ast.Module,
    is_own: Callable[[str], bool],
    shared: frozenset[str] = frozenset(),
  ):
    """
    Args:
      tree: The syntax tree.
      is_own: Whether a module belongs to the submission itself.
      shared: Names that files of the submission bind to modules of others.
    """
    self.tree = tree
    self.parents: dict[int, ast.AST] = {}
    self.is_own = is_own
    self.shared = shared
    self._scopes: dict[int, Scope] = {}
    self._visit(tree, Scope(tree, None))

  def scope(self, node: ast.AST) -> Scope:
    """Return the scope in which a node's names are looked up."""
    return self._scopes[id(node)]

  def parent(self, node: ast.AST) -> ast.AST:
    """Return the node around a node; the module for the module itself."""
    return self.parents.get(id(node), self.tree)

  def values(self, name: ast.Name) -> list[Value | None]:
    """List what a name may be bound to; empty if it is bound nowhere."""
    scope = self.scope(name).find(name.id)
    return scope.values.get(name.id, []) if scope else []

  def full(self, node: Value | None, depth: int = 0) -> frozenset[str]:
    """Return the full names that an expression may mean.

    Full names begin with an imported module or with `builtins`; those of the
    submission's own files begin with a dot.
    """
    if depth > DEEPEST:
      return frozenset()
    match node:
      case str():
        return frozenset({node})
      case ast.Name(id=name):
        values = self.values(node)
        if not values and hasattr(builtins, name):
          return frozenset({f'builtins.{name}'})
        return self._any(values, depth)
      case ast.Attribute(value=base, attr=attr):
        return frozenset(f'{f}.{attr}' for f in self.full(base, depth + 1))
      case _:
        return self._any(list(options(node)), depth)

  def _any(self, values: list, depth: int) -> frozenset[str]:
    found = (self.full(value, depth + 1) for value in values)
    return frozenset[str]().union(*found)

  def folded(self, node: ast.AST | None, depth: int = 0) -> str | None:
    """Return the text that an expression makes, or None if it is not known."""
    again = lambda x: self.folded(x, depth + 1)  # noqa: E731
    if depth > DEEPEST:
      return None
    match node:
      case ast.Constant(value=str(text)):
        return text[:LONGEST]
      case ast.Constant(value=bytes(data)):
        return data[:LONGEST].decode('latin-1')
      case ast.Name():
        values = self.values(node)
        alone = values[0] if len(values) == 1 else None
        return again(alone) if isinstance(alone, ast.expr) else None
      case ast.BinOp(left=left, op=ast.Add(), right=right):
        return _joined([again(left), again(right)], '')
      case ast.JoinedStr(values=parts):
        return _joined([again(part) for part in parts], '')
      case ast.FormattedValue(value=value, format_spec=None):
        return again(value)
      case ast.Subscript(value=value, slice=index):
        return _sliced(again(value), index)
      case ast.Call(func=ast.Attribute(value=base, attr=attr), args=args):
        if attr == 'join' and len(args) == 1:
          return _joined([again(x) for x in elements(args[0])], again(base))
        return _changed(again(base), attr, [again(x) for x in args])
    return None

  def _visit(self, node: ast.AST, scope: Scope) -> None:
    self._scopes[id(node)] = scope
    inner = scope
    match node:
      case ast.Import() | ast.ImportFrom():
        self._bind_imports(node, scope)
      case ast.ClassDef(name=name):
        scope.bind(name, node)
        inner = Scope(node, scope)
      case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
        if not isinstance(node, ast.Lambda):
          scope.bind(node.name, node)
        inner = Scope(node, scope)
        _bind_parameters(node, inner)
      case ast.Global(names=names):
        for name in names:
          scope.declare(name, scope.outermost)
      case ast.Nonlocal(names=names) if scope.parent is not None:
        for name in names:
          scope.declare(name, scope.parent.find(name))
      case _:
        if isinstance(node, COMPREHENSIONS):
          inner = Scope(node, scope)
        for target, value in bindings(node):
          _bind(target, value, scope)
    for child, inside in _children(node):
      self.parents[id(child)] = node
      self._visit(child, inner if inside else scope)

  def _bind_imports(self, node: ast.Import | ast.ImportFrom, scope: Scope):
    if isinstance(node, ast.Import):
      for alias in node.names:
        full = alias.name if alias.asname else alias.name.partition('.')[0]
        name = alias.asname or full
        scope.bind(name, OWN + full if self.is_own(alias.name) else full)
      return
    module = OWN * node.level + (node.module or '')
    if not node.level and self.is_own(module):
      module = OWN + module
    for alias in node.names:
      full = f'{module}.{alias.name}'
      scope.bind(alias.asname or alias.name, full)


def options(node: Value | None) -> Iterator[Value | None]:
  """Yield the expressions, one of which is the value of another one."""
  match node:
    case Element(whole=whole):
      yield from elements(whole)
    case ast.IfExp(body=one, orelse=other):
      yield from (one, other)
    case ast.BoolOp(values=values):
      yield from values
    case ast.NamedExpr(value=value) | ast.Starred(value=value):
      yield value
    case ast.Subscript(value=value):
      yield from elements(value)


def elements(node: ast.AST) -> list[ast.expr]:
  """List the elements that are written in a display of a collection."""
  match node:
    case ast.Tuple(elts=found) | ast.List(elts=found) | ast.Set(elts=found):
      return found
    case ast.Dict(values=found):
      return found
    case ast.Call(args=args):  # enumerate, zip, iter and the like
      return [element for one in args for element in elements(one)]
  return []


def bindings(node: ast.AST) -> Iterator[tuple[ast.AST, Value | None]]:
  """Yield the targets that a node binds, with their values."""
  match node:
    case ast.Assign(targets=targets, value=value):
      yield from ((target, value) for target in targets)
    case ast.AnnAssign(target=target, value=value) if value is not None:
      yield target, value
    case ast.NamedExpr(target=target, value=value):
      yield target, value
    case ast.AugAssign(target=target):
      yield target, None
    case ast.For(target=target, iter=whole) | ast.AsyncFor(
      target=target, iter=whole
    ):
      yield target, Element(whole)
    case ast.comprehension(target=target, iter=whole):
      yield target, Element(whole)
    case ast.withitem(context_expr=value, optional_vars=target):
      if target is not None:
        yield target, value
    case ast.ExceptHandler(name=str(name)) | ast.MatchStar(name=str(name)):
      yield ast.Name(name), None
    case ast.MatchAs(name=str(name)) | ast.MatchMapping(rest=str(name)):
      yield ast.Name(name), None


def _bind(target: ast.AST, value: Value | None, scope: Scope) -> None:
  match target:
    case ast.Name(id=name):
      scope.bind(name, value)
      if isinstance(scope.node, COMPREHENSIONS) and scope.parent:
        _bind(target, value, scope.parent)  # An assignment expression.
    case ast.Starred(value=inner):
      _bind(inner, None, scope)
    case ast.Tuple(elts=parts) | ast.List(elts=parts):
      same = isinstance(value, (ast.Tuple, ast.List)) and (
        len(value.elts) == len(parts)
      )
      for number, part in enumerate(parts):
        inner = Element(value) if isinstance(value, ast.expr) else None
        if same and isinstance(value, (ast.Tuple, ast.List)):
          inner = value.elts[number]
        _bind(part, inner, scope)


def _bind_parameters(node, scope: Scope) -> None:
  given = node.args
  some = [*given.posonlyargs, *given.args]
  pairs = [*zip(given.kwonlyargs, given.kw_defaults, strict=True)]
  if given.defaults:
    pairs += zip(some[-len(given.defaults) :], given.defaults, strict=True)
  for one in [*some, *given.kwonlyargs]:
    first = bool(some) and one is some[0]
    scope.bind(one.arg, Parameter(node, one.arg, first))
  for one, default in pairs:
    if default is not None:
      scope.bind(one.arg, default)
  for one in (given.vararg, given.kwarg):
    if one is not None:
      scope.bind(one.arg, Parameter(node, one.arg, False))


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
  """Yield the nodes below a node, and whether its own scope holds them."""
  for field, value in ast.iter_fields(node):
    for child in value if isinstance(value, list) else [value]:
      if not isinstance(child, ast.AST):
        continue
      if isinstance(child, ast.arguments):
        yield from ((inner, False) for inner in _around(child))
      elif isinstance(node, COMPREHENSIONS):
        yield child, True
      else:
        yield child, field == 'body'


def _around(node: ast.arguments) -> Iterator[ast.AST]:
  """Yield the defaults and annotations of a function's parameters."""
  yield from (one for one in node.defaults if one is not None)
  yield from (one for one in node.kw_defaults if one is not None)
  every = [*node.posonlyargs, *node.args, *node.kwonlyargs]
  for one in [*every, node.vararg, node.kwarg]:
    if one is not None and one.annotation is not None:
      yield one.annotation


def _joined(parts: list[str | None], between: str | None) -> str | None:
  known = [part for part in parts if part is not None]
  if between is None or len(known) < len(parts):
    return None
  return between.join(known)[:LONGEST]


def _sliced(text: str | None, index: ast.expr) -> str | None:
  try:
    part = eval_slice(index)
    return None if text is None or part is None else text[part]
  except (ValueError, TypeError, IndexError):
    return None


def eval_slice(index: ast.expr) -> slice | int | None:
  """Return a slice or an index that is written with numbers, else None."""
  match index:
    case ast.Slice(lower=lower, upper=upper, step=step):
      ends = [None if x is None else ast.literal_eval(x) for x in
              (lower, upper, step)]  # fmt: skip
      return slice(*ends)
  found = ast.literal_eval(index)
  return found if isinstance(found, int) else None


def _changed(text: str | None, method: str, args: list) -> str | None:
  """Return a text after one of its methods that make another text."""
  if text is None or any(arg is None for arg in args):
    return None
  match method, args:
    case ('lower' | 'upper' | 'strip' | 'title' | 'capitalize'), []:
      return getattr(text, method)()
    case 'replace', [old, new]:
      return text[:LONGEST].replace(old[:LONGEST], new)[:LONGEST]
    case ('decode' | 'encode'), _:
      return text
  return None
