"""Generated speech, the data of both mini speech workloads.

Artificial voices (voices.py) speak sentences of an artificial language, with
the batch arrays of LibriSpeech. Words are spelled as they sound, and many words
are similar. The probability of a word depends on the previous word, and some
words are rare. As in LibriSpeech no speaker occurs in two splits: models must
generalize to new voices, and can overfit to the few voices in training.

All splits of a world use one language and the same sounds, each with its own
random stream.
"""

import functools
from typing import NamedTuple

import numpy as np

from workloads import generated
from workloads.batches import Arrays
from workloads.speech import voices

SAMPLES = 16_000  # Samples of the longest utterance: 1 s at 16 kHz.
LENGTH = 10  # Maximum pieces of an utterance, including the end mark.
UTTERANCES = {'train': 2_000, 'validation': 300, 'test': 300}
SPEAKERS = {'train': 80, 'validation': 40, 'test': 40}
WORDS = 60
NOISE = (5.0, 20.0)  # Ratio of speech to noise in dB.
CHUNK = 200  # Utterances synthesized together; limits memory.

LETTERS = tuple(voices.PHONES)
VOWELS, CONSONANTS = range(5), range(5, len(LETTERS))  # Indices of LETTERS.
PIECES = (
  *('<unk>', '<s>', '</s>'),  # Reserved, as in SentencePiece.
  *LETTERS,
  *('▁' + letter for letter in LETTERS),  # Starts a word.
)
FIRST, EOS = 3, 2
SHAPES = ('vc', 'cv', 'cv', 'cvc', 'cvc', 'cvc', 'cvcv', 'vcv', 'cvcvc')
FRAMES = SAMPLES // voices.HOP


class Sentences(NamedTuple):
  """Letters of N utterances; -1 after the last letter."""

  letters: np.ndarray  # [N, LENGTH - 1]
  starts: np.ndarray  # Bool [N, LENGTH - 1]: the letter starts a word.


class Recordings(NamedTuple):
  """A source of waveforms, stored as int16."""

  waves: np.ndarray  # [N, SAMPLES] int16, zero after the end.
  sizes: np.ndarray  # [N]: samples of every waveform.
  targets: np.ndarray  # [N, LENGTH] int32, zero after the end.

  def __len__(self) -> int:
    return len(self.waves)

  def __getitem__(self, indices) -> dict[str, np.ndarray]:  # pyrefly: ignore
    after = np.arange(SAMPLES)[None] >= self.sizes[indices, None]
    targets = self.targets[indices]
    return {
      'inputs': self.waves[indices].astype(np.float32),
      'input_paddings': after.astype(np.float32),
      'targets': targets,
      'target_paddings': (targets == 0).astype(np.float32),
    }


def source(split: str, world: int = 0) -> Recordings:
  """Return all utterances of 'train', 'validation' or 'test'."""
  return Recordings(**_utterances(split, world).rows)


@generated.kept
def _utterances(split: str, world: int) -> Arrays:
  rng = generated.stream(1, list(UTTERANCES).index(split), world=world)
  people = voices.speakers(rng, SPEAKERS[split], voices.sounds(world))
  sentences = _sentences(rng, UTTERANCES[split], world)
  waves = np.zeros((UTTERANCES[split], SAMPLES), np.int16)
  sizes = []
  for first in range(0, len(waves), CHUNK):
    chunk = slice(first, first + CHUNK)
    for wave in _recorded(rng, sentences.letters[chunk], people):
      waves[len(sizes), : len(wave)] = wave
      sizes.append(len(wave))
  recordings = Recordings(waves, np.array(sizes), _targets(sentences))
  return Arrays(recordings._asdict())


def _sentences(rng: np.random.Generator, count: int, world: int) -> Sentences:
  """Draw sentences as Markov chains of words, as many words as fit."""
  lexicon, heights = _language(world)
  sizes = (lexicon >= 0).sum(axis=1)  # [WORDS]
  chain = [rng.integers(0, WORDS, count)]
  for _ in range(LENGTH // 2):
    points = rng.random(count)[:, None]
    word = (heights[chain[-1]] < points).sum(axis=1)
    chain.append(np.minimum(word, WORDS - 1))
  # Drop the first word, which is uniform and not from the chain.
  words = np.stack(chain[1:], axis=1)  # [N, LENGTH / 2]
  room = rng.integers(LENGTH // 2, LENGTH, count)[:, None]
  kept = np.cumsum(sizes[words], axis=1) <= room
  letters = np.where(kept[..., None], lexicon[words], -1)
  starts = np.zeros(letters.shape, bool)
  starts[..., 0] = True
  # Move all letters, in order, to the front.
  letters, starts = (x.reshape(count, -1) for x in (letters, starts))
  order = np.argsort(letters < 0, axis=1, kind='stable')[:, : LENGTH - 1]
  letters, starts = (
    np.take_along_axis(x, order, axis=1) for x in (letters, starts)
  )
  return Sentences(letters, starts & (letters >= 0))


@functools.cache
def _language(world: int) -> tuple[np.ndarray, np.ndarray]:
  """Return a world's words and the distribution functions of the next word.

  Words [WORDS, 5] are letters, -1 after the last letter. The distribution
  functions are [WORDS, WORDS], one row per previous word.
  """
  rng = generated.stream(0, world=world)
  words: dict[tuple[int, ...], None] = {}  # An ordered set.
  while len(words) < WORDS:
    shape = SHAPES[rng.integers(len(SHAPES))]
    kinds = [VOWELS if kind == 'v' else CONSONANTS for kind in shape]
    words[tuple(int(rng.choice(kind)) for kind in kinds)] = None
  lexicon = np.full((WORDS, max(map(len, SHAPES))), -1)
  for row, word in zip(lexicon, words, strict=True):
    row[: len(word)] = word
  tilt = 1.5 * rng.standard_normal((WORDS, WORDS))
  weights = np.exp(tilt - 0.5 * np.log1p(np.arange(WORDS))[None])
  return lexicon, np.cumsum(weights / weights.sum(1, keepdims=True), axis=1)


def _targets(sentences: Sentences) -> np.ndarray:
  """Return pieces and the end mark, [N, LENGTH] int32."""
  letters, starts = sentences
  pieces = FIRST + letters + len(LETTERS) * starts
  targets = np.pad(np.where(letters < 0, 0, pieces), ((0, 0), (0, 1)))
  sizes = (letters >= 0).sum(axis=1)
  targets[np.arange(len(targets)), sizes] = EOS
  return targets.astype(np.int32)


def _recorded(
  rng: np.random.Generator, letters: np.ndarray, people: voices.Speakers
) -> list[np.ndarray]:
  """Synthesize all utterances as one tape, and split the waveform."""
  count = len(letters)
  silence = np.full((count, 1), voices.SILENCE)
  phones = np.concatenate([silence, letters, silence], axis=1)
  lengths = _lengths(rng, phones)  # [N, LENGTH + 1] frames.
  frames = lengths.sum(axis=1)
  flat = lengths.ravel()
  at = np.arange(flat.sum()) - np.repeat(np.cumsum(flat) - flat, flat)
  tape = voices.Tape(
    phones=np.repeat(phones.ravel(), flat),
    speaker=np.repeat(rng.integers(0, len(people.pitch), count), frames),
    progress=(at + 0.5) / np.repeat(flat, flat),
    utterance=np.repeat(np.arange(count), frames),
  )
  wave = voices.synthesize(rng, tape, people)
  parts = np.split(wave, np.cumsum(frames)[:-1] * voices.HOP)
  return [voices.record(rng, part, NOISE) for part in parts]


def _lengths(rng: np.random.Generator, phones: np.ndarray) -> np.ndarray:
  """Draw the whole frames of every phone [N, P]; all utterances fit."""
  lengths = voices.durations(rng, phones)
  lengths *= rng.uniform(0.8, 1.25, len(phones))[:, None]  # Speaking rate.
  lengths[:, 1:-1] *= phones[:, 1:-1] >= 0
  fits = np.minimum(1, FRAMES / lengths.sum(axis=1))
  return np.floor(lengths * fits[:, None]).astype(int)
