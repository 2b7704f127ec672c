"""Builders of ImageNet and of ImageNet-v2.

TFDS's own builders read archives with TensorFlow. These builders write the same
features, keys and order, but never encode an image again: ImageNet's one PNG
and 22 CMYK images stay unchanged, and the decoder converts them to RGB. Every
image is decoded once to find damaged images.
"""

import io
import pathlib

import tensorflow_datasets as tfds
from PIL import Image

from workloads.data import archives
from workloads.data.catalogue import DATASETS
from workloads.data.local import Local
from workloads.data.manifest import DataError

LABELS = 'datasets/imagenet2012/labels.txt'  # Class names, in TFDS's package.
VALIDATION = 'datasets/imagenet2012/validation_labels.txt'
V2_FOLDER = 'imagenetv2-matched-frequency-format-val'


class Photographs(Local, skip_registration=True):
  """Features that both datasets share."""

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(encoding_format='jpeg'),
          'label': tfds.features.ClassLabel(
            names_file=tfds.core.tfds_path(LABELS)
          ),
          'file_name': tfds.features.Text(),
        }
      ),
      supervised_keys=('image', 'label'),
      homepage=self.dataset.page,
    )


class Imagenet2012(Photographs, skip_registration=True):
  """Builder of ImageNet's training and validation images."""

  name = 'imagenet2012'
  dataset = DATASETS[name]
  VERSION = tfds.core.Version(dataset.version)

  def _split_generators(self, dl_manager):
    train, validation = self._raw(dl_manager)
    return {
      'train': self._generate_examples(train),
      'validation': self._generate_validation(validation),
    }

  def _generate_examples(self, path):
    """Yield training images; every class has an inner archive of its name."""
    for member, archive in archives.files(path):
      label = member.removesuffix('.tar')
      for name, file in archives.files(path, archive):
        image = _checked(file, f'{path}, {member}, {name}')
        yield name, {'file_name': name, 'image': image, 'label': label}

  def _generate_validation(self, path):
    """Yield validation images; labels are in the order of sorted names."""
    known = tfds.core.tfds_path(VALIDATION).read_text(encoding='utf-8').split()
    with archives.opened(path) as archive:  # First pass: names only.
      names = sorted(member.name for member in archive if member.isfile())
    labels = dict(zip(names, known, strict=False))
    for name, file in archives.files(path):
      image = _checked(file, f'{path}, {name}')
      yield name, {'file_name': name, 'image': image, 'label': labels[name]}


class ImagenetV2(Photographs, skip_registration=True):
  """Builder of ImageNet-v2, matched frequency."""

  name = 'imagenet_v2'
  dataset = DATASETS[name]
  VERSION = tfds.core.Version(dataset.version)
  BUILDER_CONFIGS = (tfds.core.BuilderConfig(name=dataset.config),)

  def _split_generators(self, dl_manager):
    [path] = self._raw(dl_manager)
    return {'test': self._generate_examples(path)}

  def _generate_examples(self, path):
    """Yield images; the name of a folder is the number of the class."""
    for member, file in archives.files(path):
      folder, label, name = pathlib.PurePosixPath(member).parts[-3:]
      if folder != V2_FOLDER or not label.isdecimal():
        raise DataError(
          f'{path} has {member}: no image of {V2_FOLDER}. Get the published '
          'archive.'
        )
      yield (
        f'{label}_{name}',
        {
          'file_name': f'{label}/{name}',
          'image': _checked(file, f'{path}, {member}'),
          'label': int(label),
        },
      )


def _checked(content: bytes, where: str) -> bytes:
  """Return the encoded image; raise DataError if decoding it fails."""
  try:
    image = Image.open(io.BytesIO(content))
    image.draft('RGB', (1, 1))  # Decoding at 1/8 size also finds damage.
    image.load()
  except (OSError, ValueError, SyntaxError) as error:
    raise DataError(
      f'{where} cannot be decoded: {error}. Get the published archive again.'
    ) from error
  return content
