"""Builders of MNIST and CIFAR-10.

TFDS's own builders read and encode images with TensorFlow. These builders write
the same features, keys and order: datasets of both are interchangeable.
"""

import gzip
import io
import pathlib
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from workloads.data import archives
from workloads.data.catalogue import DATASETS
from workloads.data.local import Local
from workloads.data.manifest import DataError
from workloads.images import decode as images

IDX_IMAGES, IDX_LABELS = 0x803, 0x801  # First word of MNIST's files.
CIFAR_FILES = {
  'train': [f'data_batch_{n}.bin' for n in range(1, 6)],
  'test': ['test_batch.bin'],
}
CIFAR_FOLDER = 'cifar-10-batches-bin'
CIFAR_BYTES = 1 + 3 * 32 * 32  # Bytes of a record: class, and three planes.


class Pixels(Local, skip_registration=True):
  """Small images of ten classes, decoded during preparation."""

  shape: tuple[int, int, int]  # Height, width and channels of an image.

  @classmethod
  def finish(cls, place, tell):
    examples = {}
    for split in cls.dataset.examples:
      tell(f'Decoding {split} ...')
      examples[split] = images.save(place, split)
    return examples

  def _info(self):
    features = {
      'image': tfds.features.Image(shape=self.shape),
      'label': tfds.features.ClassLabel(num_classes=10),
    }
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(self._beside() | features),
      supervised_keys=('image', 'label'),
      homepage=self.dataset.page,
    )

  def _beside(self) -> dict[str, Any]:
    """Return features of an example other than its image and label."""
    return {}


class Mnist(Pixels, skip_registration=True):
  """Builder of MNIST."""

  name = 'mnist'
  VERSION = tfds.core.Version(DATASETS['mnist'].version)
  dataset = DATASETS['mnist']
  shape = (28, 28, 1)

  def _split_generators(self, dl_manager):
    images, labels, test_images, test_labels = self._raw(dl_manager)
    return {
      'train': self._generate_examples(images, labels),
      'test': self._generate_examples(test_images, test_labels),
    }

  def _generate_examples(self, images, labels):
    pictures, classes = _idx(images, IDX_IMAGES), _idx(labels, IDX_LABELS)
    if len(pictures) != len(classes):
      raise DataError(
        f'{images} has {len(pictures)} images, and {labels} {len(classes)} '
        'labels. Both numbers must be equal. Get the published files again.'
      )
    for key, (picture, label) in enumerate(zip(pictures, classes, strict=True)):
      yield key, {'image': _png(picture), 'label': int(label)}


class Cifar10(Pixels, skip_registration=True):
  """Builder of CIFAR-10."""

  name = 'cifar10'
  VERSION = tfds.core.Version(DATASETS['cifar10'].version)
  dataset = DATASETS['cifar10']
  shape = (32, 32, 3)

  def _beside(self):
    return {'id': tfds.features.Text()}

  def _split_generators(self, dl_manager):
    [path] = self._raw(dl_manager)
    return {
      split: self._generate_examples(path, split) for split in CIFAR_FILES
    }

  def _generate_examples(self, path, split):
    records = (
      record for name in CIFAR_FILES[split] for record in _cifar(path, name)
    )
    for key, record in enumerate(records):
      planes = record[1:].reshape(3, 32, 32)
      yield (
        key,
        {
          'id': f'{split}_{key:05d}',
          'image': _png(planes.transpose(1, 2, 0)),
          'label': int(record[0]),
        },
      )


def _idx(path: pathlib.Path, magic: int) -> np.ndarray:
  """Return the content of a gzipped MNIST file: [N, 28, 28] or [N] uint8."""
  try:
    content = gzip.decompress(path.read_bytes())
  except (OSError, EOFError, zlib.error) as error:
    raise DataError(
      f'{path} is damaged: {error}. Get the published file again.'
    ) from error
  dims = 3 if magic == IDX_IMAGES else 1
  head = np.frombuffer(content[: 4 * (1 + dims)], '>u4')
  if len(head) <= dims or head[0] != magic:
    raise DataError(
      f'{path} is no file of MNIST: its first number is {head[:1]} instead of '
      f'{magic}. Get the published file.'
    )
  shape = tuple(int(n) for n in head[1:])
  body = np.frombuffer(content, np.uint8, offset=4 * (1 + dims))
  if body.size != np.prod(shape):
    size = int(np.prod(shape[1:]))
    raise DataError(
      f'{path} ends in record {body.size // size}; its header promises '
      f'{shape[0]} records. Get the published file again.'
    )
  return body.reshape(shape)


def _cifar(path: pathlib.Path, name: str) -> Iterator[np.ndarray]:
  """Yield the records [3073] uint8 of one file in the archive."""
  try:
    with tarfile.open(path) as archive:
      member = archive.getmember(f'{CIFAR_FOLDER}/{name}')
      file = archives.file_of(archive, member, path)
      content = file.read() if file else b''
  except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
    raise DataError(
      f'{path}, {name} cannot be read: {error}. Get the published file again.'
    ) from error
  whole, rest = divmod(len(content), CIFAR_BYTES)
  if rest or not whole:
    raise DataError(
      f'{path}, {name}: record {whole} has {rest} of {CIFAR_BYTES} bytes. Get '
      'the published file again.'
    )
  yield from np.frombuffer(content, np.uint8).reshape(whole, CIFAR_BYTES)


def _png(image: np.ndarray) -> bytes:
  file = io.BytesIO()
  Image.fromarray(np.ascontiguousarray(image)).save(file, 'png')
  return file.getvalue()
