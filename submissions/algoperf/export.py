"""Writes a submission of ours as a folder that AlgoPerf runs.

Its file is copied with those of ours that it imports; how AlgoPerf's functions
call it is in exported/. That works for what `from_optax` makes. Whoever owns
his step or his loop has no such functions to be translated to.
"""

import ast
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Mapping

import submissions

HERE = pathlib.Path(__file__).parent / 'exported'
OURS = pathlib.Path(submissions.__file__).parent
# What exported/task.py has in place of ours.
OFFERED = {
  'submissions.submission': {'Task', 'from_optax'},
  'workloads.workload': {'Array', 'Model', 'PyTree'},
}
MAIN = 'algorithm'


def write(
  entry: submissions.Entry,
  out: pathlib.Path,
  batch_sizes: Mapping[str, int],
) -> pathlib.Path:
  """The folder that was written, out / the submission's name.

  Args:
    entry: The submission.
    out: Where the folder shall be.
    batch_sizes: By AlgoPerf's names of its workloads.

  Raises:
    SubmissionError: it cannot be written as one; the message says why.
    FileExistsError: there is such a folder.
  """
  if entry.algoperf:
    raise submissions.SubmissionError(
      f'{entry.path} was written for AlgoPerf already.'
    )
  if entry.self_point is None and entry.space is None:
    raise submissions.SubmissionError(
      f'{entry.path} has neither SELF nor SPACE: write one of them.'
    )
  sources = _sources(entry.path)
  folder = out / entry.name.replace('@', '_')
  if os.path.lexists(folder):  # pathlib's exists raises on long names.
    raise FileExistsError(f'{folder} is there already. Use another --out.')
  # In one step: what is cut short by a full disk is not there.
  partial = out / f'.{secrets.token_hex(8)}.partial'
  try:
    partial.mkdir(parents=True)
    _write(entry, sources, batch_sizes, partial)
    partial.rename(folder)
  except OSError as error:
    raise submissions.SubmissionError(
      f'Cannot write to {folder}: {error.strerror}. Use another --out.'
    ) from error
  finally:
    shutil.rmtree(partial, ignore_errors=True)
  return folder


def _write(
  entry: submissions.Entry,
  sources: Mapping[str, str],
  batch_sizes: Mapping[str, int],
  folder: pathlib.Path,
) -> None:
  for name in ('submission.py', 'task.py'):
    shutil.copyfile(HERE / name, folder / name)
  for name, text in sources.items():
    (folder / f'{name}.py').write_text(text, encoding='utf-8')
  own = folder / f'{MAIN}.py'
  if '@' in entry.name:
    text = own.read_text(encoding='utf-8')
    own.write_text(f'{text}\n\nSELF = {entry.self_point!r}\n', encoding='utf-8')
  table = f'BATCH_SIZES = {json.dumps(dict(batch_sizes), indent=2)}\n'
  (folder / 'batch_sizes.py').write_text(table, encoding='utf-8')
  if entry.space is not None:
    text = json.dumps(entry.space, indent=2)
    (folder / 'tuning_search_space.json').write_text(
      text + '\n', encoding='utf-8'
    )


def _sources(path: pathlib.Path) -> dict[str, str]:
  """Of the file and of all of ours that it imports, by new module names."""
  found: dict[str, str] = {}
  wanted = [(MAIN, path)]
  while wanted:
    name, file = wanted.pop()
    text = file.read_text(encoding='utf-8')
    found[name], needed = _translated(text, file)
    wanted += [
      (one.rpartition('.')[2], file)
      for one in needed
      if one.rpartition('.')[2] not in found
      and (file := OURS.joinpath(*one.split('.')).with_suffix('.py')).is_file()
    ]
  return found


def _translated(text: str, file: pathlib.Path) -> tuple[str, list[str]]:
  """A file with imports that stay in the folder, and what those are."""
  lines, needed = text.splitlines(), []
  for node in ast.walk(ast.parse(text)):
    if not isinstance(node, ast.ImportFrom) or node.module is None:
      continue
    package, _, module = node.module.partition('.')
    if package not in ('submissions', 'workloads'):
      continue
    names = [alias.name for alias in node.names]
    # All files lie in one folder there.
    target = f'.{module.rpartition(".")[2]}'
    if (OURS / module).is_dir():
      target = '.'
    if node.module in OFFERED:
      _check(set(names) - OFFERED[node.module], node, file)
      target = '.task'
    elif package == 'workloads':
      _check({node.module}, node, file)
    else:
      inside = (OURS / module).is_dir()
      needed += (
        [f'{module}.{n}'.lstrip('.') for n in names] if inside else [module]
      )
    row = node.lineno - 1
    lines[row] = lines[row].replace(
      f'from {node.module} import', f'from {target} import', 1
    )
  return '\n'.join(lines) + '\n', needed


def _check(odd: set[str], node: ast.stmt, file: pathlib.Path) -> None:
  if odd:
    raise submissions.SubmissionError(
      f'{file}, line {node.lineno}: {", ".join(sorted(odd))} has no '
      'counterpart in AlgoPerf. Only what from_optax makes can be exported.'
    )
