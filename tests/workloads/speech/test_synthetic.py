"""Generated speech, and the rate of errors in words."""

import numpy as np
import pytest

from workloads.speech import synthetic, voices, wer
from workloads.speech.wer import text, word_error_rate

PIECES = ('<unk>', '<s>', '</s>', '▁a', 'b', '▁c')


@pytest.mark.parametrize(
  ('ids', 'words'),
  [
    ([3, 4, 5, 4, 2, 3], 'ab cb'),
    ([3, 4, 0, 5, 2], 'ab'),
    ([4, 3], 'b a'),
    ([], ''),
    ([2, 3], ''),
    (np.array([5, 3, 0, 0], np.int32), 'c a'),
  ],
)
def test_pieces_spell_words_up_to_the_end_mark(ids, words):
  assert text(ids, PIECES) == words


def _distance(heard: list[str], said: list[str]) -> int:
  """Levenshtein's, by its definition."""
  if not heard or not said:
    return len(heard) + len(said)
  return min(
    _distance(heard[1:], said) + 1,
    _distance(heard, said[1:]) + 1,
    _distance(heard[1:], said[1:]) + (heard[0] != said[0]),
  )


def test_a_word_error_rate_counts_the_fewest_edits_of_all_utterances():
  rng = np.random.default_rng(0)
  heard, said = (
    [' '.join(rng.choice(list('abc'), rng.integers(low, 6))) for _ in range(40)]
    for low in (0, 1)
  )
  edits = sum(
    _distance(h.split(), s.split()) for h, s in zip(heard, said, strict=True)
  )
  words = sum(len(s.split()) for s in said)
  assert word_error_rate(heard, said) == edits / words


@pytest.mark.parametrize(
  ('heard', 'said', 'rate'),
  [
    ('the cat sat', 'the cat sat', 0),
    ('', 'the cat', 1),
    ('the hat', 'the cat sat', 2 / 3),
    ('a b c d', 'x', 4),
    ('cat the', 'the cat', 1),
  ],
)
def test_word_error_rates_by_hand(heard, said, rate):
  assert word_error_rate([heard], [said]) == rate
  # Together with an utterance of ten words without an error.
  many = ' '.join('abcdefghij')
  words = len(said.split())
  assert word_error_rate([heard, many], [said, many]) == pytest.approx(
    rate * words / (words + 10)
  )


@pytest.mark.parametrize(
  ('heard', 'said', 'errors', 'words'),
  [
    # tf.Tensor(b'THE CAT', shape=(), dtype=string) has four words.
    ('THE CAT', 'THE CAT', 0, 4),
    ('THE HAT', 'THE CAT', 1, 4),
    # An apostrophe on one side changes the quotes around first and last word.
    ("IT'S A CAT", 'ITS A CAT', 2, 5),
    ("A DOG'S CAT", 'A DOGS CAT', 3, 5),
    ("A DOG'S CAT", "A DOG'S CAT", 0, 5),
    # Nothing is one word, b''.
    ('', 'CAT', 1, 3),
    ('CAT', '', 1, 3),
  ],
)
def test_algoperf_compares_printed_tensors(heard, said, errors, words):
  assert word_error_rate([heard], [said], as_algoperf=True) == errors / words


def test_the_printed_tensor():
  printed = wer._printed("IT'S")
  assert printed == 'tf.Tensor(b"IT\'S", shape=(), dtype=string)'


def test_a_source_pads_what_it_kept():
  source = synthetic.source('validation')
  batch = source[np.array([5, 0])]
  size = source.sizes[5]
  assert batch['inputs'].shape == (2, synthetic.SAMPLES)
  assert batch['inputs'].dtype == batch['input_paddings'].dtype == np.float32
  assert not batch['input_paddings'][0, :size].any()
  assert batch['input_paddings'][0, size:].all()
  assert not batch['inputs'][0, size:].any()
  assert batch['inputs'][0, size - 800 : size].any()
  assert batch['targets'].dtype == np.int32
  ends = (batch['targets'] == synthetic.EOS).sum(axis=1)
  assert ends.tolist() == [1, 1]
  last = np.argmax(batch['target_paddings'] + np.array([1e-3]), axis=1) - 1
  assert (batch['targets'][[0, 1], last] == synthetic.EOS).all()


def test_utterances_have_frames_enough_for_their_pieces():
  source = synthetic.source('validation')
  pieces = (source.targets > 0).sum(axis=1)
  repeats = (source.targets[:, 1:] == source.targets[:, :-1]) & (
    source.targets[:, 1:] > 0
  )
  frames = (source.sizes - 401) // 160 // 4
  assert (frames >= pieces + repeats.sum(axis=1)).all()
  assert source.sizes.max() <= synthetic.SAMPLES
  # Speaking rates and lengths differ, so times for a piece do.
  assert source.sizes.std() > 0.15 * source.sizes.mean()


def test_waveforms_are_as_loud_as_speech():
  source = synthetic.source('validation')
  peaks = np.abs(source.waves.astype(int)).max(axis=1)
  # Rounding takes half a unit at most.
  assert (peaks >= 2_999).all()
  assert (peaks <= 10_000).all()
  assert peaks.std() > 1000


def test_sentences_are_words_of_the_lexicon():
  lexicon, heights = synthetic._language(0)
  known = {
    ''.join(synthetic.LETTERS[n] for n in word if n >= 0) for word in lexicon
  }
  assert len(known) == synthetic.WORDS
  said = [
    text(ids, synthetic.PIECES).split()
    for ids in synthetic.source('validation').targets
  ]
  assert all(words and set(words) <= known for words in said)
  assert 1.5 < np.mean([len(words) for words in said]) < 5
  np.testing.assert_allclose(heights[:, -1], 1, rtol=1e-12)  # Rounding only.


def test_the_next_word_depends_on_the_word_before():
  _, heights = synthetic._language(0)
  shares = np.diff(heights, axis=1, prepend=0.0)
  # Nats that the word before tells of the next: a fair part of ln(60) = 4.1.
  mean = shares.mean(axis=0)
  told = (shares * np.log(shares / mean[None])).sum(axis=1).mean()
  assert 0.5 < told < 2


def _tape(phones: str, frames: int, speaker: int = 0) -> voices.Tape:
  letters = [list(voices.PHONES).index(p) for p in phones]
  total = frames * len(letters)
  return voices.Tape(
    phones=np.repeat(letters, frames),
    speaker=np.full(total, speaker),
    progress=np.tile((np.arange(frames) + 0.5) / frames, len(letters)),
    utterance=np.zeros(total, int),
  )


def _spectrum(phone: str) -> tuple[np.ndarray, np.ndarray]:
  """Power of one second of a phone, by Hz."""
  rng = np.random.default_rng(0)
  people = voices.speakers(rng, 1, voices.sounds(0))
  wave = voices.synthesize(rng, _tape(phone, 100), people)
  power = np.abs(np.fft.rfft(wave)) ** 2
  return power, np.fft.rfftfreq(len(wave), 1 / voices.RATE)


def test_hissing_is_higher_than_a_vowel():
  means = []
  for phone in 'as':
    power, hertz = _spectrum(phone)
    means.append((power * hertz).sum() / power.sum())
  assert means[0] < 2_000
  assert means[1] > 4_000


def test_a_vowel_resounds_at_its_first_resonance():
  people = voices.speakers(np.random.default_rng(0), 1, voices.sounds(0))
  for phone in 'ai':
    power, hertz = _spectrum(phone)
    first = people.formants[0, list(voices.PHONES).index(phone), 0]
    loudest = hertz[power.argmax()]
    # The loudest harmonic lies within a period of the voice of it.
    assert abs(loudest - first) < people.pitch[0]


def test_a_stop_is_quiet_before_it_bursts():
  rng = np.random.default_rng(0)
  people = voices.speakers(rng, 1, voices.sounds(0))
  wave = voices.synthesize(rng, _tape('ata', 10), people)
  levels = np.sqrt((wave.reshape(-1, voices.HOP) ** 2).mean(axis=1))
  vowel, closed, burst = levels[2:7].mean(), levels[12:15].mean(), levels[17]
  assert closed < 0.1 * vowel
  assert closed < 0.3 * burst


def test_speakers_differ_in_pitch_and_throat_together():
  people = voices.speakers(np.random.default_rng(0), 500, voices.sounds(0))
  pitch = np.log(people.pitch)
  throat = np.log(people.formants).mean(axis=(1, 2))
  # About 0.28 * 0.09 over the product of the deviations, 0.29 * 0.095.
  assert np.corrcoef(pitch, throat)[0, 1] > 0.8
  assert 100 < np.exp(pitch.mean()) < 200
  assert pitch.std() > 0.2


@pytest.mark.parametrize('noise', [0.0, 20.0])
def test_a_recording_has_the_noise_it_was_asked_for(noise):
  """Of speech that leaves half of the time free."""
  rng = np.random.default_rng(0)
  wave = rng.standard_normal(16_000).astype(np.float32)
  wave[8_000:] = 0
  heard = voices.record(rng, wave, (noise, noise)).astype(float)
  # Echoes last for 0.08 s.
  quiet, loud = heard[10_000:].var(), heard[:8_000].var()
  ratio = 10 * np.log10((loud - quiet) / 2 / quiet)
  # A dB is what the few samples and the echoes' tail leave open.
  np.testing.assert_allclose(ratio, noise, atol=1)
