"""Builders of ImageNet and of ImageNet-v2.

TFDS's own read archives by TensorFlow. What these write has the same features,
keys and order, except that images are never encoded again: the one PNG and the
22 CMYK images of ImageNet stay what they are, and whoever decodes them makes
them RGB. Every image is decoded once, so that none that is damaged gets in.
"""

import io
import pathlib

import tensorflow_datasets as tfds
from PIL import Image

from workloads.data import archives
from workloads.data.catalogue import DATASETS
from workloads.data.local import Local
from workloads.data.manifest import DataError

LABELS = 'datasets/imagenet2012/labels.txt'  # In TFDS: names of classes.
VALIDATION = 'datasets/imagenet2012/validation_labels.txt'
V2_FOLDER = 'imagenetv2-matched-frequency-format-val'


class Photographs(Local, skip_registration=True):
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
    """The archive holds one of a class each, named after it."""
    for member, archive in archives.files(path):
      label = member.removesuffix('.tar')
      for name, file in archives.files(path, archive):
        image = _checked(file, f'{path}, {member}, {name}')
        yield name, {'file_name': name, 'image': image, 'label': label}

  def _generate_validation(self, path):
    """Labels are by the names of images, in alphabetical order."""
    known = tfds.core.tfds_path(VALIDATION).read_text(encoding='utf-8').split()
    with archives.opened(path) as archive:  # Skips the images themselves.
      names = sorted(member.name for member in archive if member.isfile())
    labels = dict(zip(names, known, strict=False))
    for name, file in archives.files(path):
      image = _checked(file, f'{path}, {name}')
      yield name, {'file_name': name, 'image': image, 'label': labels[name]}


class ImagenetV2(Photographs, skip_registration=True):
  name = 'imagenet_v2'
  dataset = DATASETS[name]
  VERSION = tfds.core.Version(dataset.version)
  BUILDER_CONFIGS = (tfds.core.BuilderConfig(name=dataset.config),)

  def _split_generators(self, dl_manager):
    [path] = self._raw(dl_manager)
    return {'test': self._generate_examples(path)}

  def _generate_examples(self, path):
    """Images lie in folders that have the number of their class as name."""
    for member, file in archives.files(path):
      folder, label, name = pathlib.PurePosixPath(member).parts[-3:]
      if folder != V2_FOLDER or not label.isdecimal():
        raise DataError(f'{path} has {member}: no image of {V2_FOLDER}.')
      yield (
        f'{label}_{name}',
        {
          'file_name': f'{label}/{name}',
          'image': _checked(file, f'{path}, {member}'),
          'label': int(label),
        },
      )


def _checked(content: bytes, where: str) -> bytes:
  """An image as it is; DataError if it cannot be decoded to its end."""
  try:
    image = Image.open(io.BytesIO(content))
    image.draft('RGB', (1, 1))  # An eighth of the size shows as much.
    image.load()
  except (OSError, ValueError, SyntaxError) as error:
    raise DataError(f'{where} cannot be decoded: {error}.') from error
  return content
