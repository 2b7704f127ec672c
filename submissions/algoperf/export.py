"""Export of a TimeTrial submission as a folder that AlgoPerf runs.

The folder gets copies of the submission's file and of the TimeTrial files that
it imports. The files in exported/ call them from AlgoPerf's functions. Only
submissions made by `from_optax` can be exported: AlgoPerf has no counterpart
for an own step or loop.
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
# Names that exported/task.py provides, by the module they replace.
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
  """Write a submission as an AlgoPerf folder, and return the folder's path.

  Args:
    entry: The submission.
    out: Parent of the folder, which gets the submission's name.
    batch_sizes: Batch sizes, by AlgoPerf's names of its workloads.

  Raises:
    SubmissionError: the submission cannot be exported; the message says why.
    FileExistsError: the folder exists.
  """
  if entry.algoperf:
    raise submissions.SubmissionError(
      f'{entry.path} was written for AlgoPerf already. Use it as it is.'
    )
  if entry.self_point is None and entry.space is None:
    raise submissions.SubmissionError(
      f'{entry.path} has neither SELF nor SPACE. Add one of them.'
    )
  sources = _sources(entry.path)
  folder = out / entry.name.replace('@', '_')
  if os.path.lexists(folder):  # pathlib's exists raises on long names.
    raise FileExistsError(f'{folder} exists already. Use another --out.')
  # Renamed when complete, so that a full disk leaves no half-written folder.
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
  """Return the translated sources to export, by their new module names."""
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
  """Return a source with imports from its own folder, and their modules."""
  lines, needed = text.splitlines(), []
  for node in ast.walk(ast.parse(text)):
    if not isinstance(node, ast.ImportFrom) or node.module is None:
      continue
    package, _, module = node.module.partition('.')
    if package not in ('submissions', 'workloads'):
      continue
    names = [alias.name for alias in node.names]
    # Exported files all lie in one folder.
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
