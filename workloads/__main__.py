"""`timetrial data` and `python -m workloads data`: status, prepare, import."""

import sys

from absl import flags

import workloads
from workloads import command_line, data
from workloads.data import manifest
from workloads.program import PROGRAM

_WORKLOADS = flags.DEFINE_list(
  'workload', [], 'Names of workloads, separated by commas; default: all.'
)
_DATA = flags.DEFINE_string('data_dir', None, 'Folder of all datasets.')
_RAW = flags.DEFINE_string('raw', None, 'Folder of the published files.')
_SOURCE = flags.DEFINE_string('source', None, 'Folder prepared by TFDS.')


def main(argv: list[str]) -> int:
  """Run the command in argv and return its exit code."""
  commands = {'status': _status, 'prepare': _prepare, 'import': _import}
  if ' '.join(argv[1:3]) not in PROGRAM.commands:
    return command_line.refuse(argv[1:], PROGRAM.commands)
  if len(argv) > 3:
    return command_line.refuse_argument(' '.join(argv[1:3]), argv[3])
  try:
    return commands[argv[2]]()
  except ValueError as error:  # Bad requests and bad data explain themselves.
    print(f'Error: {error}', file=sys.stderr)
    return command_line.WRONG


def _status() -> int:
  """Print the state of each dataset; return 1 if a dataset is not ready."""
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
    print(f'  source: {dataset.url} ({dataset.terms}); terms: {dataset.page}')
  return 0 if good else 1


def _prepare() -> int:
  from workloads import prepare  # noqa: PLC0415  Imports TFDS.

  for name in _wanted():
    dataset = data.DATASETS[name]
    prepare.prepare(dataset, _data_dir(), _RAW.value, print)
  return 0


def _import() -> int:
  from workloads import prepare  # noqa: PLC0415

  if len(_WORKLOADS.value) != 1 or _SOURCE.value is None:
    raise data.DataError(
      'import needs exactly one workload and a folder. Add --workload=NAME and '
      '--source=FOLDER.'
    )
  wanted = [data.DATASETS[name] for name in _wanted()]
  prepare.take(wanted, _data_dir(), _SOURCE.value, print)
  return 0


def _data_dir() -> str:
  if _DATA.value is None:
    raise data.DataError(
      'The folder of all datasets is missing. Add --data_dir=FOLDER.'
    )
  return _DATA.value


def _wanted() -> dict[str, list[str]]:
  """Return the names of datasets, each with the workloads that need it."""
  names = [workloads.check(name) for name in _WORKLOADS.value]
  found: dict[str, list[str]] = {}
  for name in names or data.NEEDS:
    datasets = data.needed(name)
    if not datasets:
      raise data.DataError(
        f'{name} needs no data files. Remove the name from --workload.'
      )
    for dataset in datasets:
      found.setdefault(dataset.name, []).append(name)
  return found


if __name__ == '__main__':
  command_line.run(PROGRAM, main)
