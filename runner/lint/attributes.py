"""Attributes that a submission's source reads, sets or matches."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from runner.lint import allowed
from runner.lint.bindings import Parameter
from runner.lint.meanings import ATTRIBUTES, CODE, HANDED, LOOK
from runner.lint.names import OWN, Names
from runner.lint.texts import folded

Said = Iterator[tuple[int, str]]  # Lines and what is said of them.
INHERITED = ('__init__', '__post_init__', '__call__', '__setup__')


class Access(NamedTuple):
  """An attribute that is read, set or matched."""

  node: ast.AST
  base: ast.expr | None
  name: str

  @property
  def line(self) -> int:
    return getattr(self.node, 'lineno', 0)


def accesses(names: Names) -> Iterator[Access]:
  """Yield every access to an attribute, by getattr and patterns as well."""
  for node in ast.walk(names.tree):
    match node:
      case ast.Attribute(value=base, attr=name):
        yield Access(node, base, name)
      case ast.Call(func=ast.Name(id='getattr'), args=[base, name, *_]):
        found = folded(names, name)
        if found is not None:
          yield Access(node, base, found)
      case ast.MatchClass(kwd_attrs=attributes):
        for name in attributes:
          yield Access(node, None, name)


def meant(access: Access, names: Names, algoperf: bool) -> Said:
  """Yield what an access to an attribute may mean, by line.

  Args:
    access: The access.
    names: Names of the source.
    algoperf: Whether the submission is written for AlgoPerf.
  """
  base, name, line = access.base, access.name, access.line
  full = names.full(base) if base is not None else frozenset()
  libraries = [one for one in full if not one.startswith((OWN, 'builtins.'))]
  text = f'.{name}' if base is None else _shown(access)
  if libraries:
    yield from _of_libraries(access, names, libraries, algoperf)
  elif allowed.is_underscored(name) and not _is_private(access, names):
    yield line, f'{text} {LOOK}'
  if name in names.shared and any(one.startswith(OWN) for one in full):
    yield line, f'{text} {HANDED}'
  modules = any(allowed.is_module(one) for one in libraries)
  if name in ATTRIBUTES and not modules:
    yield line, f'{text} {ATTRIBUTES[name]}'
  if name in ('format_map', 'format') and not modules:
    yield from _formats(access, names)
  yield from _unbound(access, names)


def _of_libraries(
  access: Access, names: Names, libraries: list[str], algoperf: bool
) -> Said:
  """Yield accesses to names that a library has and submissions must not use."""
  if isinstance(names.parent(access.node), ast.Attribute):
    return  # The whole path is looked up, once.
  for one in sorted(libraries):
    imported = allowed.allowed_import(one, algoperf)  # Else said there.
    meaning = allowed.fault(f'{one}.{access.name}', algoperf)
    if imported and meaning:
      yield access.line, f'{one}.{access.name} {meaning}'


def _shown(access: Access) -> str:
  base = ast.unparse(access.base) if access.base is not None else ''
  shown = base if len(base) <= 40 else f'{base[:37]}...'
  return f'{shown}.{access.name}'


def _is_private(access: Access, names: Names) -> bool:
  """Return whether an underscored attribute belongs to the source itself."""
  dunder = access.name.startswith('__') and access.name.endswith('__')
  match access.base:
    case ast.Call(func=ast.Name(id='super'), args=[]):
      return access.name in INHERITED
    case ast.Name() as base if not dunder:
      own = names.full(base)
      modules = bool(own) and all(one.startswith(OWN) for one in own)
      return modules or is_self(base, names)
  return False


def is_self(node: ast.AST, names: Names) -> bool:
  """Return whether a name is the first parameter of a method, and only that."""
  if not isinstance(node, ast.Name):
    return False
  match names.values(node):
    case [Parameter(function=function, first=True)]:
      static = {'staticmethod'} & {
        ast.unparse(one) for one in getattr(function, 'decorator_list', [])
      }
      around = names.parent(function)
      return isinstance(around, ast.ClassDef) and not static
  return False


def _unbound(access: Access, names: Names) -> Said:
  """Yield methods that are taken from a class, to be called with others."""
  values = (
    names.values(access.base) if isinstance(access.base, ast.Name) else []
  )
  plain = any(
    isinstance(one, ast.FunctionDef)
    and one.name == access.name != '__init__'
    and not one.decorator_list
    for value in values
    if isinstance(value, ast.ClassDef)
    for one in value.body
  )
  if plain:
    yield (
      access.line,
      f'{_shown(access)} is a method without its object, and may be called '
      'with objects of others. Call it on an object.',
    )


def _formats(access: Access, names: Names) -> Said:
  """Yield formats that read attributes, or that cannot be read."""
  around = names.parent(access.node)
  called = isinstance(around, ast.Call) and around.func is access.node
  text = folded(names, access.base)
  if text is None or not called:
    yield access.line, f'{_shown(access)} {CODE} Use an f-string.'
  elif has_lookup(text):
    yield (
      access.line,
      f'{text!r} looks up attributes in a format. Use an f-string.',
    )


def has_lookup(text: str) -> bool:
  """Return whether a format looks up attributes: '{0.name}'."""
  fields = text.replace('{{', '').replace('}}', '').split('{')[1:]
  return any('.' in one.partition('}')[0].partition(':')[0] for one in fields)
