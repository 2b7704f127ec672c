"""Names of a source file, resolved through imports and assignments.

Nothing of the file is run. A name that is assigned several times may mean any
of its values.
"""

import ast
import builtins
from collections.abc import Callable, Iterator

from runner.lint.bindings import (
  COMPREHENSIONS,
  Element,
  Parameter,
  Value,
  bindings,
  options,
)

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
OWN = '.'  # Start of the full names of the submission's own files.
MOST = 1_000_000  # Expressions that are followed in a file.


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
    self._full: dict[int, frozenset[str]] = {}  # Full names, by identity.
    self._open: set[int] = set()  # Expressions that are being followed.
    self._cut = False  # Whether a name made from itself was left out.
    self._effort = 0
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

  def full(self, node: Value | None) -> frozenset[str]:
    """Return the full names that an expression may mean.

    Full names begin with an imported module or with `builtins`; those of the
    submission's own files begin with a dot.

    Raises:
      RecursionError: the names cannot be followed with a bounded effort.
    """
    if isinstance(node, str):
      return frozenset({node})
    if id(node) in self._full:
      return self._full[id(node)]
    if id(node) in self._open:  # The name is made from itself.
      self._cut = True
      return frozenset()
    self._effort += 1
    if self._effort > MOST:
      raise RecursionError
    self._open.add(id(node))
    before, self._cut = self._cut, False
    found = self._follow(node)
    self._open.remove(id(node))
    if not self._cut or not self._open:
      self._full[id(node)] = found
    self._cut = self._cut or before
    return found

  def _follow(self, node: Value | None) -> frozenset[str]:
    match node:
      case ast.Name(id=name):
        values = self.values(node)
        if not values and hasattr(builtins, name):
          return frozenset({f'builtins.{name}'})
      case ast.Attribute(value=base, attr=attr):
        return frozenset(f'{one}.{attr}' for one in self.full(base))
      case _:
        values = list(options(node))
    return frozenset[str]().union(*(self.full(value) for value in values))

  def _visit(self, node: ast.AST, scope: Scope) -> None:
    self._scopes[id(node)] = scope
    inner = scope
    if isinstance(node, (ast.Import, ast.ImportFrom)):
      self._bind_imports(node, scope)
    elif isinstance(node, (*FUNCTIONS, ast.ClassDef, *COMPREHENSIONS)):
      inner = _inner(node, scope)
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
      _declare(node, scope)
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


def _inner(node: ast.AST, scope: Scope) -> Scope:
  """Return the scope of a function, class or comprehension; bind its name."""
  inner = Scope(node, scope)
  match node:
    case ast.ClassDef(name=name):
      scope.bind(name, node)
    case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
      scope.bind(name, node)
      _bind_parameters(node, inner)
    case ast.Lambda():
      _bind_parameters(node, inner)
  return inner


def _declare(node: ast.Global | ast.Nonlocal, scope: Scope) -> None:
  for name in node.names:
    around = scope.parent.find(name) if scope.parent else None
    outer = scope.outermost if isinstance(node, ast.Global) else around
    scope.declare(name, outer)


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
