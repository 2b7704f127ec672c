"""Published datasets: which files they are, and where these come from.

Bytes and SHA-256 of files, counts of examples and versions are those that
tensorflow-datasets 4.9.10 has; what it does not know is named where it stands.
"""

from collections.abc import Mapping
from typing import NamedTuple

FREE = 'free to download'


class File(NamedTuple):
  """As it is published."""

  name: str
  bytes: int  # 0 and no SHA-256 where nobody published them.
  sha256: str
  url: str = ''  # Of the folder that it is in, if not the dataset's.


class Dataset(NamedTuple):
  """As TFDS has it, or would have it."""

  name: str
  version: str
  examples: Mapping[str, int]  # Published, by TFDS's split.
  megabytes: int  # Prepared, about.
  raw: tuple[File, ...]
  url: str  # Of the folder that they are in.
  page: str  # Says who made it and under which terms.
  terms: str = FREE  # In a few words; what has others is not downloaded.
  config: str = ''  # TFDS's, where it has several.

  @property
  def title(self) -> str:
    """Name, configuration and version."""
    return ' '.join(
      part for part in (self.name, self.config, self.version) if part
    )

  def address(self, file: File) -> str:
    """Where a file is published."""
    return (file.url or self.url) + file.name


DATASETS = {
  'mnist': Dataset(
    'mnist',
    '3.0.1',
    {'train': 60_000, 'test': 10_000},
    80,
    (
      File(
        'train-images-idx3-ubyte.gz',
        9_912_422,
        '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
      ),
      File(
        'train-labels-idx1-ubyte.gz',
        28_881,
        '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
      ),
      File(
        't10k-images-idx3-ubyte.gz',
        1_648_877,
        '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
      ),
      File(
        't10k-labels-idx1-ubyte.gz',
        4_542,
        'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
      ),
    ),
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
    'http://yann.lecun.com/exdb/mnist/',
  ),
  'cifar10': Dataset(
    'cifar10',
    '3.0.2',
    {'train': 50_000, 'test': 10_000},
    320,
    (
      File(
        'cifar-10-binary.tar.gz',
        170_052_171,
        'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
      ),
    ),
    'https://www.cs.toronto.edu/~kriz/',
    'https://www.cs.toronto.edu/~kriz/cifar.html',
  ),
  'imagenet2012': Dataset(
    'imagenet2012',
    '5.1.0',
    {'train': 1_281_167, 'validation': 50_000},
    155_000,
    (
      File(
        'ILSVRC2012_img_train.tar',
        147_897_477_120,
        'b08200a27a8e34218a0e58fde36b0fe8f73bc377f4acea2d91602057c3ca45bb',
      ),
      File(
        'ILSVRC2012_img_val.tar',
        6_744_924_160,
        'c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0',
      ),
    ),
    'https://image-net.org/download-images',
    'https://image-net.org/',
    'after signing up, for research that is not commercial',
  ),
  'imagenet_v2': Dataset(
    'imagenet_v2',
    '3.0.0',
    {'test': 10_000},
    1_300,
    (
      File(
        'imagenetv2-matched-frequency.tar.gz',
        1_264_079_360,
        'f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c',
      ),
    ),
    'https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/',
    'https://github.com/modestyachts/ImageNetV2',
    config='matched-frequency',
  ),
  'criteo1tb': Dataset(
    'criteo1tb',
    '1.0.0',
    {'train': 4_195_197_692, 'validation': 83_274_637, 'test': 95_000_000},
    494_202,
    tuple(File(f'day_{day}.gz', 0, '') for day in range(24)),
    'https://sacriteopcail01.z16.web.core.windows.net/',
    'https://ailab.criteo.com/download-criteo-1tb-click-logs-dataset/',
    'CC BY-NC-SA 4.0',
  ),
}
