"""Package that a submission's folder becomes in the process that runs it.

A submission may import its own files, relatively or by their former places. The
package makes both kinds of imports work, whatever the folder's present name.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import pathlib
import sys
import types
from collections.abc import Iterator
from typing import Any

from submissions import packages
from submissions.algoperf import folders, own

OWN = 'algoperf_submission'  # Name of the package.
MADE: set[str] = set()  # Names in sys.modules that _Aliases has found.


def run(path: pathlib.Path) -> types.ModuleType:
  """Run the main file as a module of the package, and return the module."""
  forget()
  root, main = folders.layout(path)
  name = OWN
  if not folders.is_alone(path):
    _make(root)
    sys.meta_path[:] = [*_aliases(path, root, sys.meta_path)]
    above = main.parent.relative_to(root).parts
    importlib.import_module('.'.join((OWN, *above)))
    name = '.'.join((OWN, *above, main.stem))
  found = importlib.util.spec_from_file_location(name, main)
  module = importlib.util.module_from_spec(found)  # pyrefly: ignore
  sys.modules[name] = module
  found.loader.exec_module(module)  # pyrefly: ignore
  return module


def forget() -> None:
  """Remove the modules and finders of a submission that was run before."""
  own_names = {n for n in sys.modules if f'{n}.'.startswith(f'{OWN}.')}
  for name in own_names | MADE:
    sys.modules.pop(name, None)
  MADE.clear()
  others = [one for one in sys.meta_path if not isinstance(one, _Aliases)]
  sys.meta_path[:] = others


def _make(root: pathlib.Path) -> None:
  """Make a folder the package OWN, and run its `__init__.py` if it has one."""
  made = types.ModuleType(OWN)
  made.__path__ = [str(root)]
  made.__spec__ = importlib.machinery.ModuleSpec(OWN, None, is_package=True)
  sys.modules[OWN] = made
  file = root / '__init__.py'
  if file.is_file():
    made.__file__ = str(file)
    exec(compile(file.read_bytes(), str(file), 'exec'), vars(made))


class _Aliases(importlib.abc.MetaPathFinder, importlib.abc.Loader):
  """Finder of a submission's modules by former names, `a.b.folder.module`.

  The packages around the folder are empty. Each module is the same object as
  the module in OWN, whatever its name, so it runs only once.
  """

  def __init__(self, mine: dict[str, str], above: set[str], tops: set[str]):
    """
    Args:
      mine: Names in OWN, by former names.
      above: Former names of the packages around them.
      tops: First parts of names to find. Names inside a package found before
        are always found.
    """
    self.mine, self.above, self._tops = mine, above, tops
    self._specs: dict[str, Any] = {}

  def find_spec(self, fullname, path, target=None):
    del path, target
    around = sys.modules.get(fullname.rpartition('.')[0])
    below = around is not None and around.__name__.startswith(OWN)
    if not below and fullname.partition('.')[0] not in self._tops:
      return None
    if fullname not in self.mine and fullname not in self.above:
      return None
    MADE.add(fullname)
    if fullname in self.mine:
      return importlib.machinery.ModuleSpec(fullname, self)
    return importlib.machinery.ModuleSpec(fullname, None, is_package=True)

  def create_module(self, spec):
    module = importlib.import_module(self.mine[spec.name])
    self._specs[spec.name] = module.__spec__
    return module

  def exec_module(self, module):
    """Restore the module's spec: the module has run before under OWN."""
    module.__spec__ = self._specs.pop(module.__spec__.name)


def _aliases(path: pathlib.Path, root: pathlib.Path, finders) -> Iterator[Any]:
  """Yield the import finders, with those of the submission added.

  The submission's finder comes first, or another copy of its files might run.
  For names that begin like an installed library, the finder comes last.
  """
  mine: dict[str, str] = {}
  above: set[str] = set()
  for file in folders.files(path):
    for one in own.imports(root, file) if file.suffix == '.py' else ():
      start = len(one.name) - len(one.own)
      above |= {'.'.join(one.name[:n]) for n in range(1, start + 1)}
      for n in range(1, len(one.own) + 1) if one.name else ():
        place = '.'.join((OWN, *one.own[:n]))
        mine['.'.join(one.name[: start + n])] = place
  above -= mine.keys()
  tops = {name.partition('.')[0] for name in mine}
  first = {
    top for top in tops if top in packages.OURS or not packages.is_library(top)
  }
  yield _Aliases(mine, above, first)
  yield from finders
  yield _Aliases(mine, above, tops)
