"""Published datasets: their files, sizes, sources and terms.

Bytes and SHA-256 of files, counts of examples and versions come from
tensorflow-datasets 4.9.10, except where a comment names another source.
"""

from collections.abc import Mapping
from typing import NamedTuple

from workloads.data.manifest import DataError

FREE = 'free to download'


class File(NamedTuple):
  """One published file."""

  name: str
  bytes: int  # 0 if no size is published.
  sha256: str  # '' if no hash is published.
  url: str = ''  # Folder of the file; '' for the dataset's `url`.


class Dataset(NamedTuple):
  """One published dataset, under the names and versions of TFDS."""

  name: str
  version: str
  examples: Mapping[str, int]  # Published number by TFDS's split.
  megabytes: int  # Approximate size after preparation.
  raw: tuple[File, ...]  # Published files.
  url: str  # Folder of the published files.
  page: str  # Page with authors and terms of use.
  terms: str = FREE  # Short terms; only FREE datasets are downloaded.
  config: str = ''  # TFDS's configuration, if there are several.

  @property
  def title(self) -> str:
    """Name, configuration and version, separated by spaces."""
    return ' '.join(
      part for part in (self.name, self.config, self.version) if part
    )

  def refusal(self, files: str) -> DataError:
    """Error for a dataset that cannot be downloaded; names its files."""
    return DataError(
      f'{self.title} cannot be downloaded ({self.terms}). Get these files from '
      f'{self.page}, then add --raw=FOLDER: {files}.'
    )

  def address(self, file: File) -> str:
    """Return the URL of a published file."""
    return (file.url or self.url) + file.name


STATMT = 'http://www.statmt.org/'
STATMT_DATA = 'http://data.statmt.org/'
WMT_DEV = File(
  'dev.tgz',
  38_654_961,
  '7a7deccf82ebb05ba508dba5eb21356492224e8f630ec4f992132b029b4b25e7',
  STATMT_DATA + 'wmt19/translation-task/',
)
SUBSETS = {  # Bytes and SHA-256 of LibriSpeech's archives.
  'train-clean-100': (
    6_387_309_499,
    'd4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2',
  ),
  'train-clean-360': (
    23_049_477_885,
    '146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf',
  ),
  'train-other-500': (
    30_593_501_606,
    'ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2',
  ),
  'dev-clean': (
    337_926_286,
    '76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3',
  ),
  'dev-other': (
    314_305_928,
    '12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365',
  ),
  'test-clean': (
    346_663_984,
    '39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23',
  ),
}
GPT2 = 'https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/'
FINEWEB = 'https://huggingface.co/datasets/HuggingFaceFW/fineweb-edu'

DATASETS = {
  'mnist': Dataset(
    name='mnist',
    version='3.0.1',
    examples={'train': 60_000, 'test': 10_000},
    megabytes=80,
    raw=(
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
    url='https://storage.googleapis.com/cvdf-datasets/mnist/',
    page='http://yann.lecun.com/exdb/mnist/',
  ),
  'cifar10': Dataset(
    name='cifar10',
    version='3.0.2',
    examples={'train': 50_000, 'test': 10_000},
    megabytes=320,
    raw=(
      File(
        'cifar-10-binary.tar.gz',
        170_052_171,
        'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
      ),
    ),
    url='https://www.cs.toronto.edu/~kriz/',
    page='https://www.cs.toronto.edu/~kriz/cifar.html',
  ),
  'imagenet2012': Dataset(
    name='imagenet2012',
    version='5.1.0',
    examples={'train': 1_281_167, 'validation': 50_000},
    megabytes=155_000,
    raw=(
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
    url='https://image-net.org/download-images',
    page='https://image-net.org/',
    terms='after signing up, for research that is not commercial',
  ),
  'imagenet_v2': Dataset(
    name='imagenet_v2',
    version='3.0.0',
    examples={'test': 10_000},
    megabytes=1_300,
    raw=(
      File(
        'imagenetv2-matched-frequency.tar.gz',
        1_264_079_360,
        'f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c',
      ),
    ),
    url='https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/',
    page='https://github.com/modestyachts/ImageNetV2',
    config='matched-frequency',
  ),
  'criteo1tb': Dataset(
    name='criteo1tb',
    version='1.0.0',
    examples={
      'train': 4_195_197_692,
      'validation': 83_274_637,
      'test': 95_000_000,
    },
    megabytes=494_202,
    raw=tuple(File(f'day_{day}.gz', 0, '') for day in range(24)),
    url='https://sacriteopcail01.z16.web.core.windows.net/',
    page='https://ailab.criteo.com/download-criteo-1tb-click-logs-dataset/',
    terms='CC BY-NC-SA 4.0',
  ),
  'wmt17_translate': Dataset(
    name='wmt17_translate',
    version='1.0.0',
    examples={'train': 5_906_184, 'validation': 2_999, 'test': 3_004},
    megabytes=2_600,
    raw=(
      File(
        'training-parallel-europarl-v7.tgz',
        657_632_379,
        '0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7',
        STATMT + 'wmt13/',
      ),
      File(
        'training-parallel-commoncrawl.tgz',
        918_311_367,
        'c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5',
        STATMT + 'wmt13/',
      ),
      File(
        'training-parallel-nc-v12.tgz',
        168_591_139,
        '2b45f30ef1d550d302fd17dd3a5cbe19134ccc4c2cf50c2dae534aee600101a2',
        STATMT_DATA + 'wmt17/translation-task/',
      ),
      File(
        'rapid2016.tgz',
        161_050_516,
        '41557dd5d8f0ed3a6d98bce3b798b1a9d3b68361eb99d902329ddbb943a6b55a',
        STATMT_DATA + 'wmt18/translation-task/',
      ),
      WMT_DEV,
    ),
    url=STATMT_DATA + 'wmt17/translation-task/',
    page=STATMT + 'wmt17/translation-task.html',
    config='de-en',
  ),
  # TFDS's dataset also has a training split (WMT14), which no workload reads.
  'wmt14_translate': Dataset(
    name='wmt14_translate',
    version='1.0.0',
    examples={'validation': 3_000, 'test': 3_003},
    megabytes=4,
    raw=(WMT_DEV,),
    url=STATMT_DATA + 'wmt19/translation-task/',
    page=STATMT + 'wmt14/translation-task.html',
    config='de-en',
  ),
  'ogbg_molpcba': Dataset(
    name='ogbg_molpcba',
    version='0.1.3',
    examples={'train': 350_343, 'validation': 43_793, 'test': 43_793},
    megabytes=540,
    raw=(
      File(
        'pcba.zip',
        39_533_472,
        '0bb12da2f3ec8b0bb80564114a6174fad2df6a3a0d3c19470b3a27813a7d4e53',
      ),
    ),
    url='https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/',
    page='https://ogb.stanford.edu/docs/graphprop',
  ),
  # AlgoPerf's counts, which leave out utterances that are too long.
  'librispeech': Dataset(
    name='librispeech',
    version='2.1.2',
    examples={'train': 263_840, 'validation': 5_348, 'test': 2_472},
    megabytes=61_000,
    raw=tuple(
      File(f'{name}.tar.gz', *facts) for name, facts in SUBSETS.items()
    ),
    url='http://www.openslr.org/resources/12/',
    page='http://www.openslr.org/12',
    config='lazy_decode',
  ),
  # Not in TFDS. Examples are sequences of 1,025 tokens; AlgoPerf's counts.
  'fineweb_edu': Dataset(
    name='fineweb_edu',
    version='1.0.0',
    examples={'train': 8_749_870, 'validation': 100_000},
    megabytes=20_000,
    raw=(
      *(File(f'{n:03}_00000.parquet', 0, '') for n in range(14)),
      File(
        'vocab.bpe',
        456_318,
        '1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5',
        GPT2,
      ),
      File(
        'encoder.json',
        1_042_301,
        '196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783',
        GPT2,
      ),
    ),
    url=FINEWEB + '/resolve/main/sample/10BT/',
    page=FINEWEB,
    terms='ODC-By 1.0, to be downloaded by yourself',
    config='sample-10BT',
  ),
  # Not in TFDS. Examples are slices: 973 volumes to train, 100 to validate and
  # 99 to test.
  'fastmri': Dataset(
    name='fastmri',
    version='1.0.0',
    examples={'train': 34_742, 'validation': 3_554, 'test': 3_581},
    megabytes=57_000,
    raw=(
      File('knee_singlecoil_train.tar.xz', 0, ''),
      File('knee_singlecoil_val.tar.xz', 0, ''),
    ),
    url='https://fastmri.med.nyu.edu/',
    page='https://fastmri.med.nyu.edu/',
    terms='after signing up',
  ),
}
