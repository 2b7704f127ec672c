"""python -m workloads data COMMAND --flags: the datasets of workloads.

Commands:
  status   Say what is there, what is missing, and where it comes from.
  prepare  Make a dataset from its published files (--raw=FOLDER), or download.
  import   Take over what TFDS has prepared elsewhere (--source=FOLDER).
"""

import sys

from absl import app, flags

import workloads
from workloads import data
from workloads.data import manifest

_WORKLOADS = flags.DEFINE_list('workload', [], 'Whose data; all, if empty.')
_DATA = flags.DEFINE_string('data_dir', None, 'Folder of all datasets.')
_RAW = flags.DEFINE_string('raw', None, 'Folder of published files.')
_SOURCE = flags.DEFINE_string('source', None, 'Folder that TFDS has prepared.')


def main(argv: list[str]) -> int:
  commands = {'status': _status, 'prepare': _prepare, 'import': _import}
  if len(argv) != 3 or argv[1] != 'data' or argv[2] not in commands:
    print(
      f'No command {" ".join(argv[1:])!r}. Known: '
      f'{", ".join(f"data {name}" for name in commands)}.',
      file=sys.stderr,
    )
    return 2
  try:
    return commands[argv[2]]()
  except ValueError as error:  # Bad requests and bad data explain themselves.
    print(f'Error: {error}', file=sys.stderr)
    return 2


def _status() -> int:
  """1 if anything is missing."""
  good = True
  for name, users in _wanted().items():
    dataset = data.DATASETS[name]
    place = data.folder(dataset, _data_dir())
    try:
      known = manifest.load(place)
      manifest.check(place, known, thorough=True)
      state = f'ready, {known.total:,} bytes, {known.digest[:12]}'
      counts = known.examples
    except data.DataError as error:
      good, counts = False, {}
      missing = f'missing, about {dataset.megabytes} MB'
      state = f'not ready: {error}' if place.exists() else missing
    print(f'{dataset.title} for {", ".join(users)}: {state}')
    for split, published in dataset.examples.items():
      print(f'  {split}: {counts.get(split, 0):,} of {published:,} examples')
    print(
      f'  published at {dataset.url}, {dataset.terms}; terms at {dataset.page}'
    )
  return 0 if good else 1


def _prepare() -> int:
  from workloads.data import prepare  # noqa: PLC0415  Imports TFDS.

  for name in _wanted():
    dataset = data.DATASETS[name]
    prepare.prepare(dataset, _data_dir(), _RAW.value, print)
  return 0


def _import() -> int:
  from workloads.data import prepare  # noqa: PLC0415

  if len(_WORKLOADS.value) != 1 or _SOURCE.value is None:
    raise data.DataError('Say --workload=NAME, of one, and --source=FOLDER.')
  wanted = [data.DATASETS[name] for name in _wanted()]
  prepare.take(wanted, _data_dir(), _SOURCE.value, print)
  return 0


def _data_dir() -> str:
  if _DATA.value is None:
    raise data.DataError('Say --data_dir=FOLDER, the folder of all datasets.')
  return _DATA.value


def _wanted() -> dict[str, list[str]]:
  """Names of datasets, and those of the workloads that need them."""
  names = [workloads.check(name) for name in _WORKLOADS.value]
  found: dict[str, list[str]] = {}
  for name in names or data.NEEDS:
    datasets = data.needed(name)
    if not datasets:
      raise data.DataError(f'{name} needs no data.')
    for dataset in datasets:
      found.setdefault(dataset.name, []).append(name)
  return found


if __name__ == '__main__':
  app.run(main)
