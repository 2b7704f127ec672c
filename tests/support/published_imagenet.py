"""A few dozen photographs in the archives that ImageNet comes in."""

import io
import tarfile

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

LABELS = 'datasets/imagenet2012/labels.txt'
CLASSES = 4  # That have images, of a thousand.
V2 = 'imagenetv2-matched-frequency-format-val'


def write(folder, each=6, validation=10, test=9):
  """Writes all three archives; JPEGs by split and name, with their labels."""
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
  # Not in the order of their names, as published.
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
  """Smooth colours, as of a photograph, of random size."""
  height, width = rng.integers(60, 120, 2)
  small = rng.integers(0, 256, (5, 6, 3)).astype(np.uint8)
  image = Image.fromarray(small).resize((int(width), int(height)))
  file = io.BytesIO()
  image.convert('CMYK' if cmyk else 'RGB').save(file, 'jpeg', quality=90)
  return file.getvalue()


def tar(files, mode='w'):
  out = io.BytesIO()
  with tarfile.open(fileobj=out, mode=mode) as archive:
    for name, content in files.items():
      member = tarfile.TarInfo(name)
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))
  return out.getvalue()
