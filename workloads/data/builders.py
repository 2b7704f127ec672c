"""TFDS builders that need no TensorFlow, under TFDS's names and versions.

TFDS's own builders of these datasets read and encode by TensorFlow. What these
write is the same in features, keys and order, so that a dataset prepared by
either is the other's.
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

from workloads.data import DATASETS, Dataset
from workloads.data.manifest import DataError

IDX_IMAGES, IDX_LABELS = 0x803, 0x801  # First word of MNIST's files.
CIFAR_FILES = {
  'train': [f'data_batch_{n}.bin' for n in range(1, 6)],
  'test': ['test_batch.bin'],
}
CIFAR_FOLDER = 'cifar-10-batches-bin'
CIFAR_BYTES = 1 + 3 * 32 * 32  # A record: the class, and three planes.


class Local(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A builder of files as they are published.

  Attributes:
    dataset: What it builds.
    shape: Of its images.
    raw: Folder of these files; None where they are to be downloaded.
  """

  dataset: Dataset
  shape: tuple[int, int, int]
  raw: pathlib.Path | None = None

  @property
  def url_infos(self):
    """What TFDS checks downloads against."""
    return {
      self.dataset.url + file.name: tfds.download.checksums.UrlInfo(
        tfds.core.utils.Size(file.bytes), file.sha256, file.name
      )
      for file in self.dataset.raw
    }

  def _raw(self, manager) -> list[pathlib.Path]:
    """Paths of the published files, in the order of the dataset."""
    names = [file.name for file in self.dataset.raw]
    if self.raw is None:
      urls = [self.dataset.url + name for name in names]
      return [pathlib.Path(path) for path in manager.download(urls)]
    paths = [self.raw / name for name in names]
    for path in paths:
      if not path.is_file():
        raise DataError(
          f'{path} is missing. {self.raw} must have the files as they are '
          f'published at {self.dataset.url}: {", ".join(names)}.'
        )
    return paths

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
    """Features of an example beside its image and label."""
    return {}


class Mnist(Local, skip_registration=True):
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
        'labels.'
      )
    for key, (picture, label) in enumerate(zip(pictures, classes, strict=True)):
      yield key, {'image': _png(picture), 'label': int(label)}


class Cifar10(Local, skip_registration=True):
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


BUILDERS = {builder.name: builder for builder in (Mnist, Cifar10)}


def _idx(path: pathlib.Path, magic: int) -> np.ndarray:
  """A gzipped file of MNIST: [N, 28, 28] or [N] uint8."""
  try:
    content = gzip.decompress(path.read_bytes())
  except (OSError, EOFError, zlib.error) as error:
    raise DataError(f'{path} is damaged: {error}.') from error
  dims = 3 if magic == IDX_IMAGES else 1
  head = np.frombuffer(content[: 4 * (1 + dims)], '>u4')
  if len(head) <= dims or head[0] != magic:
    raise DataError(f'{path} is no file of MNIST: it begins with {head[:1]}.')
  shape = tuple(int(n) for n in head[1:])
  body = np.frombuffer(content, np.uint8, offset=4 * (1 + dims))
  if body.size != np.prod(shape):
    size = int(np.prod(shape[1:]))
    raise DataError(
      f'{path} ends in record {body.size // size}; its header says that it '
      f'has {shape[0]}.'
    )
  return body.reshape(shape)


def _cifar(path: pathlib.Path, name: str) -> Iterator[np.ndarray]:
  """Records [3073] uint8 of one file in the archive."""
  try:
    with tarfile.open(path) as archive:
      member = archive.extractfile(f'{CIFAR_FOLDER}/{name}')
      content = member.read() if member else b''
  except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
    raise DataError(f'{path}, {name}: {error}.') from error
  whole, rest = divmod(len(content), CIFAR_BYTES)
  if rest or not whole:
    raise DataError(
      f'{path}, {name}: record {whole} has {rest} of {CIFAR_BYTES} bytes.'
    )
  yield from np.frombuffer(content, np.uint8).reshape(whole, CIFAR_BYTES)


def _png(image: np.ndarray) -> bytes:
  file = io.BytesIO()
  Image.fromarray(np.ascontiguousarray(image)).save(file, 'png')
  return file.getvalue()
