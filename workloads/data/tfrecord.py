"""Datasets that TFDS has stored by default, made readable by number.

A tfrecord file is a row of records, each with its length before it (64 bits,
little-endian) and a checksum after either. There is no index, so a dataset in
this format is written again as array_record; records stay as they are.
"""

import json
import pathlib
import shutil
import struct
from collections.abc import Iterator

from array_record.python import array_record_module

from workloads.data.manifest import DataError

HEAD, TAIL = 12, 4  # Length and its checksum; checksum of the record.
FORMAT, OURS = 'tfrecord', 'array_record'
OPTIONS = 'group_size:1'  # As TFDS writes it: every record by itself.


def convert(origin: pathlib.Path, folder: pathlib.Path) -> None:
  """Writes a dataset of tfrecord files again, into a new folder.

  Raises:
    DataError: a file is damaged; names it and the record.
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
  """Of one file; its checksums are not looked at.

  Raises:
    DataError: it ends within a record.
  """
  with path.open('rb') as file:
    number = 0
    while head := file.read(HEAD):
      length = struct.unpack('<Q', head[:8])[0] if len(head) == HEAD else -1
      # A damaged length may be longer than any memory.
      left = path.stat().st_size - file.tell()
      if not 0 <= length <= left - TAIL:
        raise DataError(f'{path} ends within record {number}, or is damaged.')
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
