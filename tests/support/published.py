"""Write a few dozen images in the published formats of MNIST and CIFAR-10."""

import gzip
import io
import tarfile

import numpy as np


def idx(array):
  """Return an array in MNIST's format: magic number, sizes, bytes; gzipped."""
  magic = 0x800 + array.ndim
  head = np.array([magic, *array.shape], '>u4').tobytes()
  return gzip.compress(head + array.astype(np.uint8).tobytes())


def mnist(folder, train=60, test=20):
  """Write MNIST's files and return {split: (images, labels)}.

  The position of a bright bar shows the class.

  Args:
    folder: The folder to write to.
    train: Number of training images.
    test: Number of test images.
  """
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
  """Write CIFAR-10's archive.

  Args:
    folder: The folder to write to.
    each: Images in each of the five training files.
    test: Number of test images.

  Returns:
    {split: (images [N, 32, 32, 3], labels [N])}, and the files by name.
  """
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
  """Write {name: bytes} as CIFAR-10's archive."""
  path = folder / 'cifar-10-binary.tar.gz'
  with tarfile.open(path, 'w:gz') as archive:
    for name, content in files.items():
      member = tarfile.TarInfo(f'cifar-10-batches-bin/{name}')
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))
