"""Builder of LibriSpeech: one record per utterance, in FLAC.

Panayotov et al. 2015, "Librispeech: an ASR corpus based on public domain audio
books". TFDS's own builder needs TensorFlow. This builder writes the records,
keys, splits and order of TFDS's configuration `lazy_decode`, which keeps the
published audio. The unused split test_other is missing, and the tokens of all
transcripts are added.

The preparation follows AlgoPerf (Dahl et al. 2023, arXiv:2306.07179).
Transcripts of more than 256 characters and audio of more than 20 s are left out
of every split. The 1,024 word pieces are trained on the transcripts of
train_clean100, sorted by name; AlgoPerf's order is that of a folder's listing.
"""

import itertools
import pathlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from workloads.data import archives, pieces, wordpieces
from workloads.data.catalogue import DATASETS
from workloads.data.local import Local, Tell
from workloads.data.manifest import DataError
from workloads.data.records import Records
from workloads.data.threads import cores, pool
from workloads.speech import flac

VOCAB = 1024  # Number of word pieces.
SPOKEN_IN = 'train_clean100'  # Split that trains the SentencePiece model.
CHARACTERS, SAMPLES = 256, 320_000  # Limits; longer utterances are left out.
SPLITS = {  # TFDS's splits by those of a workload.
  'train': (SPOKEN_IN, 'train_clean360', 'train_other500'),
  'validation': ('dev_clean', 'dev_other'),
  'test': ('test_clean',),
}
FILE = re.compile(
  r'(?:\./)?LibriSpeech/([^/]+)/\d+/\d+/(\d+-\d+[-\d]*)\.(flac|trans\.txt)'
)
CHUNK = 64  # Records per read.
TOLD = 100  # Chunks between two progress messages.
# TFDS's own type for audio needs TensorFlow.
FEATURES = tfds.features.FeaturesDict(
  {
    'speech': tfds.features.Tensor(shape=(), dtype=np.object_),  # Bytes.
    'text': tfds.features.Text(),
    'speaker_id': np.int64,
    'chapter_id': np.int64,
    'id': np.str_,
  }
)


class Utterance(NamedTuple):
  """Utterance from an archive or a record."""

  name: str
  text: str
  speech: bytes  # FLAC file.
  where: str  # File and position, for messages.


def records(place: pathlib.Path, split: str) -> Records:
  """Return all utterances of a workload's split, of any length."""
  return Records(place, '+'.join(SPLITS[split]))


class LibriSpeech(Local, skip_registration=True):
  """Builder of LibriSpeech."""

  name = 'librispeech'
  dataset = DATASETS[name]
  VERSION = tfds.core.Version(dataset.version)
  BUILDER_CONFIGS = (tfds.core.BuilderConfig(name=dataset.config),)
  MAX_SIMULTANEOUS_DOWNLOADS = 5  # Limit of openslr.org.

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=FEATURES,
      supervised_keys=('speech', 'text'),
      homepage=self.dataset.page,
    )

  def _split_generators(self, dl_manager):
    paths = self._raw(dl_manager)
    found = {}
    for file, path in zip(self.dataset.raw, paths, strict=True):
      subset = file.name.removesuffix('.tar.gz')
      # 'train-clean-100' is TFDS's 'train_clean100'.
      split = re.sub(r'_(?=\d)', '', subset.replace('-', '_'))
      found[split] = self._generate_examples(path, subset)
    return found

  def _generate_examples(self, path, subset):
    for one in _utterances(path, subset):
      _samples(one)
      speaker, chapter, _ = one.name.split('-')
      example = {
        'speech': one.speech,
        'text': one.text,
        'speaker_id': int(speaker),
        'chapter_id': int(chapter),
        'id': one.name,
      }
      yield one.name, example

  @classmethod
  def finish(cls, place, tell):
    """Write the tokens of all utterances that are short enough."""
    FEATURES.save_config(place)
    tell('Training the SentencePiece model ...')
    wordpieces.train(place, _spoken(place), VOCAB)
    examples = {split: _encode(place, split, tell) for split in SPLITS}
    tell('Hashing the files ...')
    return examples


def _utterances(path: pathlib.Path, subset: str) -> Iterator[Utterance]:
  """Yield all utterances of an archive.

  Transcripts may come after the audio of their chapter.
  """
  audio: dict[str, bytes] = {}
  texts: dict[str, str] = {}
  found = False
  for member, content in archives.files(path):
    match = FILE.fullmatch(member)
    if match is None:
      continue
    folder, name, kind = match.groups()
    if folder != subset:
      raise DataError(
        f'{path} has {member}, which is not of {subset}. Get the published '
        'archive again.'
      )
    found = True
    if kind == 'flac':
      audio[name] = content
      fresh = [name]
    else:
      lines = _transcripts(content, f'{path}, {member}')
      texts |= lines
      fresh = list(lines)
    for name in fresh:
      if name in audio and name in texts:
        where = f'{path}, {name}.flac'
        yield Utterance(name, texts.pop(name), audio.pop(name), where)
  if not found:
    raise DataError(
      f'{path} has no utterances of {subset}. Get the published archive again.'
    )
  for left, what in ((audio, 'transcript'), (texts, 'audio')):
    if left:
      raise DataError(
        f'{path}: {min(left)} has no {what}, and {len(left) - 1} others. Get '
        'the published archive again.'
      )


def _transcripts(content: bytes, where: str) -> dict[str, str]:
  """Return the transcripts of a chapter by name; every line is one."""
  found = {}
  for number, line in enumerate(content.splitlines(), 1):
    try:
      name, _, text = line.decode().strip().partition(' ')
    except UnicodeDecodeError as error:
      raise DataError(
        f'{where}, line {number}: {error}. Get the published archive again.'
      ) from error
    if not text:
      raise DataError(
        f'{where}, line {number} has no transcript: {line!r}. Get the '
        'published archive again.'
      )
    found[name] = text
  return found


def _samples(one: Utterance) -> int:
  """Return the number of samples; raise DataError if decoding fails."""
  try:
    return len(flac.decoded(one.speech))
  except ValueError as error:
    raise DataError(
      f'{one.where} cannot be decoded: {error}. Get the archive again.'
    ) from error


def _spoken(place: pathlib.Path) -> list[str]:
  """Return the training texts of the word pieces, sorted by name."""
  found = itertools.chain.from_iterable(_read(Records(place, SPOKEN_IN)))
  return [text for _, text in sorted((one.name, one.text) for one in found)]


def _encode(place: pathlib.Path, split: str, tell: Tell) -> int:
  """Write the tokens of a split; return the number of utterances kept."""
  found = records(place, split)
  model = wordpieces.load(place)
  pieces.save(place, split, _short(found, model, split, tell))
  kept = int(np.count_nonzero(pieces.load(place, split, 1).lengths))
  tell(
    f'{split} has {kept:,} utterances; {len(found) - kept:,} with more than '
    f'{CHARACTERS} characters, {pieces.LIMIT} tokens or '
    f'{SAMPLES // flac.RATE} s are left out.'
  )
  return kept


def _short(
  found: Records, model: Any, split: str, tell: Tell
) -> Iterator[list[list[int]]]:
  """Yield the tokens of every utterance; [] for those that are left out."""
  for number, chunk in enumerate(_read(found)):
    if number % TOLD == 0:
      done = number * CHUNK
      tell(f'Encoding {split}: {done:,} of {len(found):,} utterances ...')
    sizes = pool(cores()).map(_samples, chunk)
    for one, samples in zip(chunk, sizes, strict=True):
      tokens = [*model.encode(one.text), model.eos_id()]
      if model.unk_id() in tokens:
        raise DataError(
          f'{one.where} says {one.text!r}, which has a character that '
          f'{SPOKEN_IN} does not have. Get the published archives again.'
        )
      longest = max(len(one.text) / CHARACTERS, len(tokens) / pieces.LIMIT)
      yield [tokens if max(longest, samples / SAMPLES) <= 1 else []]


def _read(found: Records) -> Iterator[list[Utterance]]:
  """Yield all utterances, CHUNK at a time."""
  for chunk in found.chunks(CHUNK):
    yield [
      Utterance(
        record['id'].decode(),
        record['text'].decode(),
        record['speech'],
        f'{found.where(number)} ({record["id"].decode()})',
      )
      for number, record in chunk
    ]
