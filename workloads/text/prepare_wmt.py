"""Builders of WMT17's and WMT14's pairs of German and English sentences.

Bojar et al. 2017, "Findings of the 2017 Conference on Machine Translation";
Bojar et al. 2014, "Findings of the 2014 Workshop on Statistical Machine
Translation". TFDS's own builders need TensorFlow and read whole files into
memory. These builders write the same features, keys and order.
"""

import itertools
import pathlib
import posixpath
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

import tensorflow_datasets as tfds

from workloads import data
from workloads.data import manifest, pieces, wordpieces
from workloads.data.catalogue import DATASETS
from workloads.data.local import Local
from workloads.data.manifest import DataError

CONFIG = 'de-en'
VOCAB = 32_000  # Word pieces, shared by both languages.
SEGMENT = re.compile(r'<seg id="\d+">(.*)</seg>')  # Line of an SGML file.


class Corpus(NamedTuple):
  """Two files of an archive; lines with the same number form a pair."""

  name: str  # TFDS's name, part of its keys.
  archive: str
  german: str
  english: str


EUROPARL = Corpus(
  'europarl_v7',
  'training-parallel-europarl-v7.tgz',
  'training/europarl-v7.de-en.de',
  'training/europarl-v7.de-en.en',
)
COMMONCRAWL = Corpus(
  'commoncrawl',
  'training-parallel-commoncrawl.tgz',
  'commoncrawl.de-en.de',
  'commoncrawl.de-en.en',
)
NEWS = Corpus(
  'newscommentary_v12',
  'training-parallel-nc-v12.tgz',
  'training/news-commentary-v12.de-en.de',
  'training/news-commentary-v12.de-en.en',
)
RAPID = Corpus(
  'rapid_2016',
  'rapid2016.tgz',
  'rapid2016.de-en.de',
  'rapid2016.de-en.en',
)


def _newstest(year: int) -> Corpus:
  name = f'newstest{year}'
  german, english = (
    (f'dev/{name}.de', f'dev/{name}.en')
    if year == 2013
    else (f'dev/{name}-deen-src.de.sgm', f'dev/{name}-deen-ref.en.sgm')
  )
  return Corpus(name, 'dev.tgz', german, english)


WMT17 = {  # Corpora by split, in TFDS's order.
  'train': (EUROPARL, COMMONCRAWL, NEWS, RAPID),
  'validation': (_newstest(2016),),
  'test': (_newstest(2017),),
}
WMT14 = {'validation': (_newstest(2013),), 'test': (_newstest(2014),)}


class Translations(Local, skip_registration=True):
  """Builder of sentence pairs and their tokens.

  Attributes:
    corpora: Corpora of every split, in order.
  """

  BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
    tfds.core.BuilderConfig(name=CONFIG, version=tfds.core.Version('1.0.0'))
  ]
  corpora: Mapping[str, tuple[Corpus, ...]]

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.Translation(languages=pieces.SIDES),
      supervised_keys=pieces.SIDES,
      homepage=self.dataset.page,
    )

  def _split_generators(self, dl_manager):
    names = [file.name for file in self.dataset.raw]
    found = dict(zip(names, self._raw(dl_manager), strict=True))
    return {
      split: self._generate_examples(corpora, found)
      for split, corpora in self.corpora.items()
    }

  def _generate_examples(self, corpora, found):
    for corpus in corpora:
      for line, pair in enumerate(_pairs(corpus, found[corpus.archive])):
        if all(pair):
          yield (
            f'{corpus.name}/0/{line}',
            dict(zip(pieces.SIDES, pair, strict=True)),
          )


class Wmt17(Translations, skip_registration=True):
  """Builder of WMT17 and of the SentencePiece model."""

  name = 'wmt17_translate'
  VERSION = tfds.core.Version(DATASETS[name].version)
  dataset = DATASETS[name]
  corpora = WMT17

  @classmethod
  def finish(cls, place, tell):
    """Encode the training split only: WMT14 validates and tests."""
    examples = super().finish(place, tell)
    tell('Training the SentencePiece model ...')
    wordpieces.train(place, wordpieces.sentences(place, 'train'), VOCAB)
    _encode(place, 'train', tell)
    return examples


class Wmt14(Translations, skip_registration=True):
  """Builder of WMT14, which validates and tests."""

  name = 'wmt14_translate'
  VERSION = tfds.core.Version(DATASETS[name].version)
  dataset = DATASETS[name]
  corpora = WMT14

  @classmethod
  def finish(cls, place, tell):
    """Encode all splits with a copy of WMT17's SentencePiece model."""
    examples = super().finish(place, tell)
    trained = data.folder(Wmt17.dataset, place.parents[2])
    if not (trained / manifest.NAME).exists():
      raise DataError(
        f'{cls.dataset.title} needs the SentencePiece model of '
        f'{Wmt17.dataset.title}, but {trained} is not prepared. Prepare or '
        'import that first.'
      )
    for name in (pieces.MODEL, pieces.TEXT):
      shutil.copyfile(trained / name, place / name)
    for split in cls.corpora:
      _encode(place, split, tell)
    return examples


def _encode(place: pathlib.Path, split: str, tell) -> None:
  tell(f'Encoding {split} ...')
  kept, dropped = wordpieces.encode(place, split)
  tell(
    f'{split} has {kept:,} pairs; {dropped:,} pairs with a sentence of more '
    f'than {pieces.LIMIT} tokens are left out.'
  )


def _pairs(corpus: Corpus, archive: pathlib.Path) -> Iterator[tuple[str, str]]:
  """Yield the pairs of a corpus; both files are read at the same time."""
  sides = corpus.german, corpus.english
  files = [_sentences(archive, name) for name in sides]
  for n, (german, english) in enumerate(itertools.zip_longest(*files)):
    if german is None or english is None:
      short = sides[0] if german is None else sides[1]
      raise DataError(
        f'{archive}: {short} ends after {n} sentences, before its translation. '
        'Get the published archive again.'
      )
    yield german, english


def _sentences(archive: pathlib.Path, name: str) -> Iterator[str]:
  """Yield the sentences of a file in an archive.

  A text file has one sentence per line; an SGML file has one per segment.
  Entities (&amp;) stay, as in TFDS.
  """
  for line in _lines(archive, name):
    if not name.endswith('.sgm'):
      yield line
    elif found := SEGMENT.match(line):
      yield found[1]


def _lines(archive: pathlib.Path, name: str) -> Iterator[str]:
  number = 0
  try:
    with tarfile.open(archive, 'r|*') as members:
      for member in members:
        if posixpath.normpath(member.name) != name:
          continue
        for line in members.extractfile(member) or ():
          yield line.removesuffix(b'\n').decode()
          number += 1
        return
  except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
    raise DataError(
      f'{archive}, {name}, line {number}: {type(error).__name__} {error}. Get '
      'the published archive again.'
    ) from error
  raise DataError(
    f'{archive} has no file {name}. Get the published archive again.'
  )
