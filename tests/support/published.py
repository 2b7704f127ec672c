"""A few dozen examples in the formats that datasets are published in."""

import gzip
import io
import tarfile

import numpy as np


def idx(array):
  """As MNIST has it: magic, sizes, bytes."""
  magic = 0x800 + array.ndim
  head = np.array([magic, *array.shape], '>u4').tobytes()
  return gzip.compress(head + array.astype(np.uint8).tobytes())


def mnist(folder, train=60, test=20):
  """Writes it; images and labels by split. A bar tells the class."""
  made = {}
  for prefix, split, count in (
    ('train', 'train', train),
    ('t10k', 'test', test),
  ):
    rng = np.random.default_rng(count)
    labels = rng.permutation(count) % 10
    images = rng.integers(0, 60, (count, 28, 28))
    for image, label in zip(images, labels, strict=True):
      image[2 * label : 2 * label + 3] += 190
    made[split] = images, labels
    (folder / f'{prefix}-images-idx3-ubyte.gz').write_bytes(idx(images))
    (folder / f'{prefix}-labels-idx1-ubyte.gz').write_bytes(idx(labels))
  return made


def cifar10(folder, each=10, test=20):
  """Writes it, five files to train; images [N, 32, 32, 3] and labels."""
  rng = np.random.default_rng(3)
  made, files = {'train': [], 'test': []}, {}
  names = [(f'data_batch_{n}.bin', 'train', each) for n in range(1, 6)]
  for name, split, count in [*names, ('test_batch.bin', 'test', test)]:
    labels = rng.permutation(count) % 10
    planes = rng.integers(0, 256, (count, 3, 32, 32))
    rows = np.concatenate([labels[:, None], planes.reshape(count, -1)], axis=1)
    files[name] = rows.astype(np.uint8).tobytes()
    made[split].append((planes.transpose(0, 2, 3, 1), labels))
  write_cifar10(folder, files)
  joined = {
    split: tuple(map(np.concatenate, zip(*parts, strict=True)))
    for split, parts in made.items()
  }
  return joined, files


def write_cifar10(folder, files):
  path = folder / 'cifar-10-binary.tar.gz'
  with tarfile.open(path, 'w:gz') as archive:
    for name, content in files.items():
      member = tarfile.TarInfo(f'cifar-10-batches-bin/{name}')
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))
