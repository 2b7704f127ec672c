"""Compare our loading of ImageNet's training images with three other loaders.

`python -m tests.benchmarks.imagenet_pipeline` makes noisy JPEGs of 500 x 375 in
ImageNet's archives, prepares them, and draws batches of 64, three times per
loader in turn. All work is on one core, in seconds of this core. tf.data and
grain do the same work as our loader (crop, scale, flip, normalize). TFDS's data
source only reads and decodes. grain and tf.data are left out unless installed:
`pip install grain tensorflow-cpu`. The last figure is the growth of memory over
more batches. A minute or two.
"""

import importlib.util
import io
import os
import pathlib
import tempfile

import numpy as np
import psutil
import tensorflow_datasets as tfds
from PIL import Image

import workloads
from tests.benchmarks.loaders import ROUNDS, compare, spent
from tests.support import published_imagenet as published
from workloads import batches, data, prepare
from workloads.data import records
from workloads.images import photographs

SIZE, IMAGES = 64, 512
STEPS = 12


def jpeg(rng):
  """Return a JPEG of about 70 kB that decodes as slowly as ImageNet's mean."""
  small = Image.fromarray(rng.integers(0, 256, (40, 52, 3)).astype(np.uint8))
  noise = rng.normal(0, 6, (375, 500, 3))
  pixels = np.asarray(small.resize((500, 375))) + noise
  file = io.BytesIO()
  image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
  image.save(file, 'jpeg', quality=90)
  return file.getvalue()


def write(folder):
  """Write ImageNet's archives, with training images of the usual size."""
  published.write(folder)
  rng = np.random.default_rng(0)
  files = {f'n01440764_{n}.JPEG': jpeg(rng) for n in range(IMAGES)}
  inner = published.tar(files)
  (folder / 'ILSVRC2012_img_train.tar').write_bytes(
    published.tar({'n01440764.tar': inner})
  )


def ours(name, home):
  """Yield batches of our loader."""
  source = workloads.get(name).source('train', str(home))
  for step in range(STEPS):
    yield batches.train_batch(source, 1, step * SIZE, SIZE)


def theirs(place):
  """Yield batches of TFDS, only read and decoded."""
  source = tfds.builder_from_directory(place).as_data_source('train')
  for step in range(STEPS):
    indices = batches.stream(len(source), 1, step * SIZE, SIZE)
    yield [row['image'] for row in source.__getitems__(indices.tolist())]


def with_grain(place):
  """Yield batches of grain."""
  import grain.python as grain

  decoder = photographs.Decoder(224)
  found = (
    grain.MapDataset.source(Rows(place))
    .seed(1)
    .shuffle()
    .random_map(decoder)
    .batch(SIZE)
    .repeat()
    .to_iter_dataset(grain.ReadOptions(num_threads=1))
  )
  steps = iter(found)
  for _ in range(STEPS):
    yield next(steps)


class Rows:
  """Records one by one, in grain's interface."""

  def __init__(self, place):
    self.records = records.Records(place, 'train')

  def __len__(self):
    return len(self.records)

  def __getitem__(self, number):
    return self.records[[number]][0]


def with_tf_data(place):
  """Yield batches of tf.data."""
  import tensorflow as tf

  whole = tf.constant([0.0, 0.0, 1.0, 1.0], shape=[1, 1, 4])

  def prepared(content):
    shape = tf.io.extract_jpeg_shape(content)
    begin, size, _ = tf.image.sample_distorted_bounding_box(
      shape,
      whole,
      min_object_covered=0.1,
      aspect_ratio_range=photographs.ASPECT,
      area_range=photographs.AREA,
      max_attempts=10,
    )
    y, x, _ = tf.unstack(begin)
    height, width, _ = tf.unstack(size)
    image = tf.image.decode_and_crop_jpeg(
      content, tf.stack([y, x, height, width]), channels=3
    )
    image = tf.image.resize(image, (224, 224), 'bicubic')
    image = tf.image.random_flip_left_right(image)
    return (image - photographs.MEAN) / photographs.STD

  rows = [
    row['image'] for row in records.Records(place, 'train')[range(IMAGES)]
  ]
  found = tf.data.Dataset.from_tensor_slices(rows).shuffle(IMAGES).repeat()
  found = found.map(prepared, num_parallel_calls=1).batch(SIZE).prefetch(1)
  options = tf.data.Options()
  options.threading.private_threadpool_size = 1
  steps = found.with_options(options).as_numpy_iterator()
  for _ in range(STEPS):
    yield next(steps)


def loaders(home):
  """Return functions by name; each call returns a new iterator of batches."""
  place = data.find('imagenet_resnet', str(home))['imagenet2012']
  made = {
    'ours, imagenet_resnet': lambda: ours('imagenet_resnet', home),
    'ours, imagenet_vit': lambda: ours('imagenet_vit', home),
    'TFDS, only decoded': lambda: theirs(place),
  }
  if importlib.util.find_spec('grain'):
    made['grain'] = lambda: with_grain(place)
  if importlib.util.find_spec('tensorflow'):
    made['tf.data'] = lambda: with_tf_data(place)
  return made


def main() -> None:
  """Print the rates of all loaders, and the growth of memory."""
  os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
  with tempfile.TemporaryDirectory() as folder:
    raw, home = pathlib.Path(folder) / 'raw', pathlib.Path(folder) / 'data'
    raw.mkdir()
    write(raw)
    for name in ('imagenet2012', 'imagenet_v2'):
      prepare.prepare(data.DATASETS[name], str(home), str(raw), lambda _: None)
    compare(loaders(home), SIZE, 'images')
    before = psutil.Process().memory_info().rss
    for _ in range(ROUNDS):
      spent(ours('imagenet_resnet', home))
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    print(f'Memory after {ROUNDS * STEPS} more batches: {grown:+.0f} MiB.')


if __name__ == '__main__':
  main()
