"""Imports, names and modules that a submission's source uses."""

import ast

from runner.lint import allowed
from runner.lint.attributes import Said
from runner.lint.bindings import COMPREHENSIONS
from runner.lint.meanings import (
  COMPUTED,
  FILES,
  HANDED,
  OTHER,
  PATCH,
  SETTINGS,
)
from runner.lint.names import FUNCTIONS, OWN, Names
from runner.lint.texts import folded

LOCAL = (*FUNCTIONS, *COMPREHENSIONS)


def find(names: Names, algoperf: bool) -> Said:
  """Yield what imports, names and modules may mean, by line."""
  for node in ast.walk(names.tree):
    match node:
      case ast.Import() | ast.ImportFrom():
        yield from _imports(node, names, algoperf)
      case ast.Name(ctx=ast.Load()):
        yield from _name(node, names)
      case ast.Call(keywords=keywords):
        yield from _keywords(node, names, keywords)
    if isinstance(node, (ast.Name, ast.Attribute)):
      yield from _handed_on(node, names)


def _imports(
  node: ast.Import | ast.ImportFrom, names: Names, algoperf: bool
) -> Said:
  module = None if isinstance(node, ast.Import) else node.module
  start = f'{module}.' if module else ''
  dots = 0 if isinstance(node, ast.Import) else node.level
  for alias in node.names:
    full = start + alias.name
    own = dots or names.is_own(start[:-1] or alias.name) or names.is_own(full)
    _, _, name = full.rpartition('.')
    if own and (name.startswith('__') or name in names.shared):
      yield node.lineno, f'{alias.name} {HANDED}'
    if dots and not algoperf:
      yield node.lineno, f'{"." * dots}{full} {OTHER}'
    if alias.name == '*':
      yield (
        node.lineno,
        f'from {"." * dots}{start[:-1]} import * hides what is used. Import '
        'names.',
      )
    elif not own and (meaning := allowed.fault(full, algoperf)):
      yield node.lineno, f'{full} {meaning}'


def _name(node: ast.Name, names: Names) -> Said:
  """Yield what a builtin may mean."""
  scope = names.scope(node).find(node.id)
  if scope is not None and isinstance(scope.node, LOCAL):
    return  # Names of modules and classes may be bound too late, or never.
  if meaning := allowed.builtin_fault(node.id):
    yield node.lineno, f'{node.id} {meaning}'
  elif node.id == 'getattr' and not _is_written(node, names):
    yield node.lineno, f'getattr {COMPUTED}'
  elif node.id == 'type' and not _compares(node, names):
    yield (
      node.lineno,
      f'type {PATCH} To ask for a class, write isinstance(x, C) or '
      'type(x) is C.',
    )


def _is_written(node: ast.Name, names: Names) -> bool:
  """Return whether getattr is called with a name that is written out."""
  match names.parent(node):
    case ast.Call(func=function, args=[_, name, *_]) if function is node:
      return folded(names, name) is not None
  return False


def _compares(node: ast.Name, names: Names) -> bool:
  """Return whether `type` only serves to compare classes, or as annotation."""
  match names.parent(node):
    case ast.Subscript(value=value):
      return value is node
    case ast.Call(func=function) if function is not node:
      return names.full(function) == {'builtins.isinstance'}
    case ast.Call(args=[_]) as call if call.func is node:
      return isinstance(names.parent(call), ast.Compare)
  return False


def _keywords(node: ast.Call, names: Names, given: list[ast.keyword]) -> Said:
  """Yield what keywords of a call may mean."""
  for one in given:
    if one.arg == 'compiler_options':
      yield (
        node.lineno,
        'compiler_options may write files or change other programs. Leave it '
        'out.',
      )
    if one.arg == 'file' and names.full(node.func) == {'builtins.print'}:
      yield node.lineno, f'print(file=...) {FILES}'
  called = names.full(node.func)
  compiles = (
    isinstance(node.func, ast.Attribute) and node.func.attr == 'compile'
  )
  if compiles and node.args:
    yield node.lineno, f'{ast.unparse(node)} {SETTINGS}'
  if called & {'functools.wraps'} and (len(node.args) > 1 or given):
    yield node.lineno, f'functools.wraps with two arguments {PATCH}'


def _handed_on(node: ast.Name | ast.Attribute, names: Names) -> Said:
  if not isinstance(node.ctx, ast.Load) or _is_alias(node, names):
    return
  for full in names.full(node):
    if not full.startswith(OWN) and allowed.is_module(full):
      yield node.lineno, f'{ast.unparse(node)} {HANDED}'


def _is_alias(node: ast.AST, names: Names) -> bool:
  """Return whether a module is used by an attribute, or only renamed."""
  parent = names.parent(node)
  while isinstance(parent, (ast.IfExp, ast.BoolOp)):
    parent = names.parent(parent)
  in_class = isinstance(names.scope(node).node, ast.ClassDef)
  match parent:
    case ast.Attribute() | ast.Expr():
      return True
    case ast.Assign(targets=targets):
      return not in_class and all(isinstance(t, ast.Name) for t in targets)
    case ast.Call(func=ast.Name(id='getattr' | 'hasattr')):
      return True
  return False
