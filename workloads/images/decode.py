"""Decoding of small images during the preparation of their dataset.

The decoded arrays, which fit into memory, are saved next to the records.
"""

import io
import pathlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from workloads.data.manifest import DataError
from workloads.data.records import Records
from workloads.images import arrays

CHUNK = 512  # Records per read.


def save(folder: pathlib.Path, split: str) -> int:
  """Decode a split, save its arrays and return the number of examples.

  Raises:
    DataError: An image cannot be decoded. The message names file and record.
  """
  images, targets = [], []
  for image, target in _decoded(Records(folder, split)):
    images.append(image)
    targets.append(target)
  with arrays.path(folder, split).open('wb') as file:
    np.savez(file, images=np.stack(images), targets=np.array(targets, np.int32))
  return len(targets)


def _decoded(records: Records) -> Iterator[tuple[np.ndarray, int]]:
  for chunk in records.chunks(CHUNK):
    for number, record in chunk:
      try:
        image = np.asarray(Image.open(io.BytesIO(record['image'])))
      except (OSError, ValueError) as error:
        raise DataError(
          f'{records.where(number)} has an image that cannot be decoded: '
          f'{error}. Prepare the dataset again from complete files.'
        ) from error
      channels = image if image.ndim == 3 else image[..., None]
      yield channels, int(record['label'])
