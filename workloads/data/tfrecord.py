"""Conversion of TFDS's default format, tfrecord, to array_record.

A tfrecord file is a sequence of records. Each has a length (64 bits,
little-endian), a checksum of the length, the record and its checksum. The
format has no index: reading by number needs array_record. The records do not
change.
"""

import json
import pathlib
import shutil
import struct
from collections.abc import Iterator

from array_record.python import array_record_module

from workloads.data.manifest import DataError

HEAD, TAIL = 12, 4  # Bytes: length and its checksum; checksum of the record.
FORMAT, OURS = 'tfrecord', 'array_record'
OPTIONS = 'group_size:1'  # One record per group, as TFDS writes.


def convert(origin: pathlib.Path, folder: pathlib.Path) -> None:
  """Convert a dataset of tfrecord files into a new folder.

  Raises:
    DataError: A file is damaged. The message names the file and the record.
  """
  folder.mkdir(parents=True)
  for path in sorted(origin.iterdir()):
    if f'.{FORMAT}-' in path.name:
      _convert(path, folder / path.name.replace(f'.{FORMAT}-', f'.{OURS}-'))
    elif path.is_file():
      shutil.copyfile(path, folder / path.name)
  info = folder / 'dataset_info.json'
  facts = json.loads(info.read_text(encoding='utf-8')) | {'fileFormat': OURS}
  info.write_text(json.dumps(facts, indent=2), encoding='utf-8')


def records(path: pathlib.Path) -> Iterator[bytes]:
  """Yield the records of one file without verifying the checksums.

  Raises:
    DataError: The file ends within a record.
  """
  with path.open('rb') as file:
    number = 0
    while head := file.read(HEAD):
      length = struct.unpack('<Q', head[:8])[0] if len(head) == HEAD else -1
      # A damaged length may exceed the memory.
      left = path.stat().st_size - file.tell()
      if not 0 <= length <= left - TAIL:
        raise DataError(
          f'{path} ends within record {number}, or is damaged. Prepare the '
          'dataset again.'
        )
      yield file.read(length)
      file.read(TAIL)
      number += 1


def _convert(path: pathlib.Path, target: pathlib.Path) -> None:
  writer = array_record_module.ArrayRecordWriter(str(target), OPTIONS)
  try:
    for record in records(path):
      writer.write(record)
  finally:
    writer.close()
