"""Search for imports of a submission that will fail, before it runs."""

import pathlib

import submissions
from submissions import packages
from submissions.literals import parsed


def find(entry: submissions.Entry) -> list[str]:
  """Return messages about missing imports, by file and line, and their cure."""
  found, needed = _theirs(entry) if entry.algoperf else _ours(entry)
  if needed:
    found.append(
      "Install the missing packages in TimeTrial's environment: "
      f'{packages.install(needed)}'
    )
  return found


def _theirs(entry: submissions.Entry) -> tuple[list[str], set[str]]:
  from submissions.algoperf import missing  # noqa: PLC0415  Imports JAX.

  found = missing.find(entry.path)
  return (
    [f'{one.file}, line {one.line}: {one.text}' for one in found],
    {one.package for one in found if one.package},
  )


def _ours(entry: submissions.Entry) -> tuple[list[str], set[str]]:
  texts, needed = [], set()
  tree = parsed(entry.path)
  for line, name in sorted(set(packages.wanted(tree, relative=True))):
    where = f'{entry.path.name}, line {line}: {name}'
    if name.partition('.')[0] in packages.OURS:
      texts += [] if packages.is_ours(name) else [f'{where} does not exist.']
    elif _lies_beside(entry.path, name):
      texts.append(
        f'{where} is another file of its folder, but only the file itself is '
        'run. Put all code into the file.'
      )
    elif package := packages.missing(name):
      texts.append(
        f'{entry.path.name}, line {line}: {package} is not installed.'
      )
      needed.add(package)
  return texts, needed


def _lies_beside(path: pathlib.Path, name: str) -> bool:
  """Test whether a module is a file in the submission's folder."""
  if name.startswith('.'):
    return True
  first = path.parent / name.partition('.')[0]
  here = first.with_suffix('.py').is_file() or any(first.glob('*.py'))
  return here and not packages.is_library(first.name)
