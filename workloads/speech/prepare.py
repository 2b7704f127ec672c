"""Builder of LibriSpeech: books read aloud, an utterance a record, in FLAC.

Panayotov et al. 2015, "Librispeech: an ASR corpus based on public domain audio
books". TFDS's own takes TensorFlow. What this writes has the records, keys,
splits and order of its configuration `lazy_decode`, in which audio stays as it
is published, but for test_other, which nobody here reads; and beside them
tokens of all transcripts.

As AlgoPerf prepares it (Dahl et al. 2023, arXiv:2306.07179): left out are
transcripts of more than 256 characters and audio of more than 20 s, of every
split; tokens are 1,024 pieces that the transcripts of train_clean100 are made
of. AlgoPerf reads these in the order of a folder's listing, here it is that of
their names.
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

VOCAB = 1024  # Pieces of words.
SPOKEN_IN = 'train_clean100'  # Whose transcripts the pieces are found in.
CHARACTERS, SAMPLES = 256, 320_000  # Of an utterance; longer ones are left out.
SPLITS = {  # TFDS's, by those of a workload.
  'train': (SPOKEN_IN, 'train_clean360', 'train_other500'),
  'validation': ('dev_clean', 'dev_other'),
  'test': ('test_clean',),
}
FILE = re.compile(
  r'(?:\./)?LibriSpeech/([^/]+)/\d+/\d+/(\d+-\d+[-\d]*)\.(flac|trans\.txt)'
)
CHUNK = 64  # Records that are read at once.
TOLD = 100  # Chunks between two reports.
# TFDS's declares the audio as such, which takes TensorFlow even to say.
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
  """Of an archive or a record."""

  name: str
  text: str
  speech: bytes
  where: str  # For messages.


def records(place: pathlib.Path, split: str) -> Records:
  """All utterances of 'train', 'validation' or 'test', however long."""
  return Records(place, '+'.join(SPLITS[split]))


class LibriSpeech(Local, skip_registration=True):
  name = 'librispeech'
  dataset = DATASETS[name]
  VERSION = tfds.core.Version(dataset.version)
  BUILDER_CONFIGS = (tfds.core.BuilderConfig(name=dataset.config),)
  MAX_SIMULTANEOUS_DOWNLOADS = 5  # As openslr.org asks for.

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
    """Tokens, and of every utterance whether it is short enough."""
    FEATURES.save_config(place)
    tell('Finding the pieces that words are made of ...')
    wordpieces.train(place, _spoken(place), VOCAB)
    examples = {split: _encode(place, split, tell) for split in SPLITS}
    tell('Hashing the files ...')
    return examples


def _utterances(path: pathlib.Path, subset: str) -> Iterator[Utterance]:
  """All of an archive.

  Audio waits for the transcripts of its chapter, which may come after it.
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
      raise DataError(f'{path} has {member}, which is not of {subset}.')
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
    raise DataError(f'{path} has no utterances of {subset}.')
  for left, what in ((audio, 'transcript'), (texts, 'audio')):
    if left:
      raise DataError(
        f'{path}: {min(left)} has no {what}, and {len(left) - 1} others.'
      )


def _transcripts(content: bytes, where: str) -> dict[str, str]:
  """Of a chapter, by the names of utterances: a line each."""
  found = {}
  for number, line in enumerate(content.splitlines(), 1):
    try:
      name, _, text = line.decode().strip().partition(' ')
    except UnicodeDecodeError as error:
      raise DataError(f'{where}, line {number}: {error}.') from error
    if not text:
      raise DataError(f'{where}, line {number} has no transcript: {line!r}.')
    found[name] = text
  return found


def _samples(one: Utterance) -> int:
  """How many there are; DataError if not all of them can be decoded."""
  try:
    return len(flac.decoded(one.speech))
  except ValueError as error:
    raise DataError(f'{one.where} cannot be decoded: {error}.') from error


def _spoken(place: pathlib.Path) -> list[str]:
  """The texts that pieces are found in, by the names of their utterances."""
  found = itertools.chain.from_iterable(_read(Records(place, SPOKEN_IN)))
  return [text for _, text in sorted((one.name, one.text) for one in found)]


def _encode(place: pathlib.Path, split: str, tell: Tell) -> int:
  """Writes the tokens of a split; how many utterances have some."""
  found = records(place, split)
  model = wordpieces.load(place)
  pieces.save(place, split, _short(found, model, split, tell))
  kept = int(np.count_nonzero(pieces.load(place, split, 1).lengths))
  tell(
    f'{split} has {kept:,} utterances; left out are {len(found) - kept:,} of '
    f'more than {CHARACTERS} characters, {pieces.LIMIT} tokens or '
    f'{SAMPLES // flac.RATE} s.'
  )
  return kept


def _short(
  found: Records, model: Any, split: str, tell: Tell
) -> Iterator[list[list[int]]]:
  """Tokens of every utterance of a split; none of those left out."""
  for number, chunk in enumerate(_read(found)):
    if number % TOLD == 0:
      done = number * CHUNK
      tell(f'Encoding {split}: {done:,} of {len(found):,} utterances ...')
    sizes = pool(cores()).map(_samples, chunk)
    for one, samples in zip(chunk, sizes, strict=True):
      tokens = [*model.encode(one.text), model.eos_id()]
      if model.unk_id() in tokens:
        raise DataError(
          f'{one.where} says {one.text!r}: {SPOKEN_IN} has not all of its '
          'characters.'
        )
      longest = max(len(one.text) / CHARACTERS, len(tokens) / pieces.LIMIT)
      yield [tokens if max(longest, samples / SAMPLES) <= 1 else []]


def _read(found: Records) -> Iterator[list[Utterance]]:
  """All of them, some at a time."""
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
