"""Imports, names and attributes that a submission's source uses."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from runner.tools import source_allowed
from runner.tools.source_allowed import (
  CODE,
  DATA,
  FILES,
  LOOK,
  PATCH,
  SETTINGS,
)
from runner.tools.source_names import FUNCTIONS, OWN, Names, Parameter

Said = Iterator[tuple[int, str]]  # Lines and what is said of them.

EVALUATION = (
  'may mean an evaluation of its own. The harness evaluates, outside of the '
  'clock.'
)
ATTRIBUTES = {  # Of any object: what they may mean.
  **dict.fromkeys(('source', 'with_text', 'data_dir'), DATA),
  **dict.fromkeys(('eval_stats', 'eval_model', 'summarize'), EVALUATION),
  **dict.fromkeys(
    ('dump', 'glob', 'iterdir', 'listdir', 'load', 'mkdir', 'open',
     'read_bytes', 'read_text', 'rglob', 'rmdir', 'savez', 'tofile', 'unlink',
     'write_bytes', 'write_text', 'save'), FILES
  ),
  **dict.fromkeys(
    ('cell_contents', 'client', 'co_code', 'co_consts', 'cr_code', 'cr_frame',
     'ag_frame', 'ag_code', 'ctypes', 'environ', 'f_back', 'f_builtins',
     'f_code', 'f_globals', 'f_locals', 'gi_code', 'gi_frame', 'gi_yieldfrom',
     'func', 'live_arrays', 'live_buffers', 'live_executables', 'modules',
     'mro', 'runtime_executable', 'tb_frame', 'tb_next', 'tb_lasti',
     'unsafe_buffer_pointer'), LOOK
  ),
  **dict.fromkeys(
    ('fork', 'kill', 'popen', 'spawn', 'system', 'urlopen'),
    source_allowed.WORK,
  ),
}  # fmt: skip
INHERITED = ('__init__', '__post_init__', '__call__', '__setup__')
COMPUTED = (
  'computes the name of an attribute. Write the attribute, or a dictionary of '
  'functions by name.'
)
HANDED = (
  'is a module that is handed on, so what is used of it cannot be read. Use '
  'its functions by name.'
)


class Access(NamedTuple):
  """An attribute that is read, set or matched."""

  node: ast.AST
  base: ast.expr | None
  name: str

  @property
  def line(self) -> int:
    return getattr(self.node, 'lineno', 0)


def find(names: Names, algoperf: bool) -> Said:
  """Yield what imports, names and attributes may mean, by line."""
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
  for access in accesses(names):
    yield from _access(access, names, algoperf)


def accesses(names: Names) -> Iterator[Access]:
  """Yield every access to an attribute, by getattr and patterns as well."""
  for node in ast.walk(names.tree):
    match node:
      case ast.Attribute(value=base, attr=name):
        yield Access(node, base, name)
      case ast.Call(func=ast.Name(id='getattr'), args=[base, name, *_]):
        found = names.folded(name)
        if found is not None:
          yield Access(node, base, found)
      case ast.MatchClass(kwd_attrs=attributes):
        for name in attributes:
          yield Access(node, None, name)


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
      yield node.lineno, f'{"." * dots}{full} {source_allowed.OTHER}'
    if alias.name == '*':
      yield (
        node.lineno,
        f'from {"." * dots}{start[:-1]} import * hides what is used. Import '
        'names.',
      )
    elif not own and (meaning := source_allowed.fault(full, algoperf)):
      yield node.lineno, f'{full} {meaning}'


def _name(node: ast.Name, names: Names) -> Said:
  """Yield what a builtin may mean."""
  scope = names.scope(node).find(node.id)
  if scope is not None and isinstance(scope.node, (*FUNCTIONS, ast.GeneratorExp,
                                                   ast.ListComp, ast.DictComp,
                                                   ast.SetComp)):  # fmt: skip
    return
  parent = names.parent(node)
  if meaning := source_allowed.builtin_fault(node.id):
    yield node.lineno, f'{node.id} {meaning}'
  elif node.id == 'getattr' and scope is None:
    called = isinstance(parent, ast.Call) and parent.func is node
    if not called or len(parent.args) < 2 or (
      names.folded(parent.args[1]) is None
    ):  # fmt: skip
      yield node.lineno, f'getattr {COMPUTED}'
  elif node.id == 'type' and scope is None and not _compares(node, names):
    yield (
      node.lineno,
      f'type {PATCH} To ask for a class, write isinstance(x, C) or '
      'type(x) is C.',
    )


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
  compiles = isinstance(node.func, ast.Attribute) and node.func.attr == 'compile'
  if compiles and node.args:
    yield node.lineno, f'{ast.unparse(node)} {SETTINGS}'
  if called & {'functools.wraps'} and (len(node.args) > 1 or given):
    yield node.lineno, f'functools.wraps with two arguments {PATCH}'


def _handed_on(node: ast.Name | ast.Attribute, names: Names) -> Said:
  if not isinstance(node.ctx, ast.Load) or _is_alias(node, names):
    return
  for full in names.full(node):
    if not full.startswith(OWN) and source_allowed.is_module(full):
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


def _access(access: Access, names: Names, algoperf: bool) -> Said:
  base, name, line = access.base, access.name, access.line
  full = names.full(base) if base is not None else frozenset()
  libraries = [one for one in full if not one.startswith((OWN, 'builtins.'))]
  text = f'.{name}' if base is None else _shown(access)
  if libraries:
    whole = not isinstance(names.parent(access.node), ast.Attribute)
    for one in sorted(libraries) if whole else ():
      imported = source_allowed.allowed_import(one, algoperf)  # Else said there.
      meaning = source_allowed.fault(f'{one}.{name}', algoperf)
      if imported and meaning:
        yield line, f'{one}.{name} {meaning}'
  elif source_allowed.is_underscored(name) and not _is_private(access, names):
    yield line, f'{text} {LOOK}'
  if name in names.shared and any(one.startswith(OWN) for one in full):
    yield line, f'{text} {HANDED}'
  modules = any(source_allowed.is_module(one) for one in libraries)
  if name in ATTRIBUTES and not modules:
    yield line, f'{text} {ATTRIBUTES[name]}'
  if name in ('format_map', 'format') and not modules:
    yield from _formats(access, names)
  yield from _unbound(access, names)


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
  if not isinstance(access.base, ast.Name):
    return
  for value in names.values(access.base):
    methods = value.body if isinstance(value, ast.ClassDef) else []
    for one in methods:
      if isinstance(one, ast.FunctionDef) and one.name == access.name:
        if not one.decorator_list and access.name != '__init__':
          yield (
            access.line,
            f'{_shown(access)} is a method without its object, and may be '
            'called with objects of others. Call it on an object.',
          )


def _formats(access: Access, names: Names) -> Said:
  """Yield formats that read attributes, or that cannot be read."""
  called = isinstance(names.parent(access.node), ast.Call) and (
    names.parent(access.node).func is access.node  # pyrefly: ignore
  )
  text = names.folded(access.base)
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
