"""Write a few dozen images in the format of ImageNet's archives."""

import io
import tarfile

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

LABELS = 'datasets/imagenet2012/labels.txt'
CLASSES = 4  # Classes with images, out of 1000.
V2 = 'imagenetv2-matched-frequency-format-val'


def write(folder, each=6, validation=10, test=9):
  """Write all three archives and return {split: {name: (JPEG, label)}}.

  Args:
    folder: The folder to write to.
    each: Training images per class.
    validation: Number of validation images.
    test: Number of test images.
  """
  rng = np.random.default_rng(5)
  synsets = tfds.core.tfds_path(LABELS).read_text().split()
  known = tfds.core.tfds_path(LABELS.replace('labels', 'validation_labels'))
  known = known.read_text().split()
  made = {'train': {}, 'validation': {}, 'test': {}}
  inner = {}
  for label in range(CLASSES):
    files = {
      f'{synsets[label]}_{n}.JPEG': jpeg(rng, cmyk=label == n == 1)
      for n in range(each)
    }
    inner[f'{synsets[label]}.tar'] = tar(files)
    made['train'] |= {name: (x, label) for name, x in files.items()}
  (folder / 'ILSVRC2012_img_train.tar').write_bytes(tar(inner))
  names = [f'ILSVRC2012_val_{n + 1:08d}.JPEG' for n in range(validation)]
  files = {name: jpeg(rng) for name in names}
  # The published archive is not in the order of names either.
  shuffled = dict(sorted(files.items(), key=lambda item: item[1]))
  (folder / 'ILSVRC2012_img_val.tar').write_bytes(tar(shuffled))
  made['validation'] = {
    name: (files[name], synsets.index(known[n])) for n, name in enumerate(names)
  }
  for n in range(test):
    made['test'][f'{n % 5}/x{n}.jpeg'] = jpeg(rng), n % 5
  files = {f'{V2}/{name}': x for name, (x, _) in made['test'].items()}
  path = folder / 'imagenetv2-matched-frequency.tar.gz'
  path.write_bytes(tar(files, 'w:gz'))
  return made


def jpeg(rng, cmyk=False):
  """Return a JPEG of random size, with smooth colours like a photograph."""
  height, width = rng.integers(60, 120, 2)
  small = rng.integers(0, 256, (5, 6, 3)).astype(np.uint8)
  image = Image.fromarray(small).resize((int(width), int(height)))
  file = io.BytesIO()
  image.convert('CMYK' if cmyk else 'RGB').save(file, 'jpeg', quality=90)
  return file.getvalue()


def tar(files, mode='w'):
  """Return a TAR archive of {name: bytes} as bytes."""
  out = io.BytesIO()
  with tarfile.open(fileobj=out, mode=mode) as archive:
    for name, content in files.items():
      member = tarfile.TarInfo(name)
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))
  return out.getvalue()
