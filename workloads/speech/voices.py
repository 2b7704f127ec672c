"""Artificial voices: synthesis of waveforms from phones.

Formant synthesis (Klatt 1980, "Software for a cascade/parallel formant
synthesizer"): pulses of the glottis and noise of the breath pass through three
resonances, which move from phone to phone 100 times per second. The speech
keeps difficulties of recognition. A phone depends on its neighbours
(coarticulation); speakers differ in pitch, in the length of the throat and in
the sound of every phone; and the recordings have echoes and noise.

Utterances follow each other on one tape of 10 ms frames: all utterances are
computed together.
"""

from typing import NamedTuple

import numpy as np

from workloads import generated

RATE = 16_000  # Samples per second.
HOP = 160  # Samples per frame.
SILENCE = -1  # Phone number of silence, the last row of the tables.

# Three resonances in Hz (vowels: Peterson and Barney 1952), loudness of voice
# and of noise, and duration in frames of 10 ms.
PHONES = {
  'a': (730, 1090, 2440, 1.0, 0.0, 10),
  'e': (530, 1840, 2480, 1.0, 0.0, 9),
  'i': (270, 2290, 3010, 0.9, 0.0, 9),
  'o': (570, 840, 2410, 1.0, 0.0, 10),
  'u': (300, 870, 2240, 0.9, 0.0, 9),
  'm': (280, 900, 2200, 0.4, 0.0, 7),
  'n': (280, 1700, 2600, 0.4, 0.0, 7),
  'l': (360, 1300, 2800, 0.6, 0.0, 7),
  'r': (350, 1100, 1600, 0.6, 0.0, 7),
  'w': (300, 650, 2200, 0.6, 0.0, 7),
  'j': (280, 2250, 3100, 0.6, 0.0, 7),
  's': (4800, 6200, 7200, 0.0, 0.4, 9),
  'x': (2500, 3500, 5200, 0.0, 0.4, 9),
  'f': (1500, 4000, 7000, 0.0, 0.15, 8),
  'h': (600, 1500, 2500, 0.0, 0.15, 7),
  'z': (4800, 6200, 7200, 0.3, 0.25, 8),
  'v': (400, 1500, 7000, 0.4, 0.1, 7),
  'p': (400, 800, 2100, 0.0, 0.4, 8),
  't': (400, 1800, 4500, 0.0, 0.5, 8),
  'k': (400, 2300, 2700, 0.0, 0.4, 8),
  'b': (400, 800, 2100, 0.5, 0.2, 7),
  'd': (400, 1800, 4500, 0.5, 0.2, 7),
  'g': (400, 2300, 2700, 0.5, 0.2, 7),
}
STOPS = tuple(list(PHONES).index(phone) for phone in 'ptkbdg')
CLOSED = 0.6  # Share of a stop before its burst.

SOUNDS = 0.06  # Standard deviation of the log resonances between worlds.
ACCENT = 0.03  # Standard deviation of the log resonances of a speaker.
GLIDE, ATTACK = 9, 3  # Frames over which resonances and loudness are smoothed.
ECHOES = 5


class Speakers(NamedTuple):
  """Properties of N speakers."""

  pitch: np.ndarray  # [N] Hz.
  formants: np.ndarray  # [N, P + 1, 3] Hz: every phone, and silence.


class Tape(NamedTuple):
  """Phone and speaker of every frame, for all utterances: each [T]."""

  phones: np.ndarray
  speaker: np.ndarray
  progress: np.ndarray  # 0 at the start of a phone, 1 at its end.
  utterance: np.ndarray


def sounds(world: int) -> np.ndarray:
  """Return the resonances of every phone, and of silence: [P + 1, 3] Hz."""
  neutral = (500, 1500, 2500)
  table = np.array([*[row[:3] for row in PHONES.values()], neutral], float)
  if world:
    rng = generated.stream(2, world=world)
    table *= np.exp(SOUNDS * rng.standard_normal(table.shape))
  return table


def speakers(
  rng: np.random.Generator, count: int, table: np.ndarray
) -> Speakers:
  """Draw speakers; low voices have long throats and low resonances.

  Args:
    rng: Source of random numbers.
    count: Number of speakers.
    table: Resonances of every phone, and of silence: [P + 1, 3] Hz.
  """
  height = rng.standard_normal(count)
  pitch = 150 * np.exp(0.28 * height + 0.08 * rng.standard_normal(count))
  throat = np.exp(0.09 * height + 0.03 * rng.standard_normal(count))
  accent = np.exp(ACCENT * rng.standard_normal((count, *table.shape)))
  return Speakers(pitch, table[None] * throat[:, None, None] * accent)


def durations(rng: np.random.Generator, phones: np.ndarray) -> np.ndarray:
  """Draw the duration of every phone, in (fractional) frames."""
  usual = np.array([*[row[5] for row in PHONES.values()], 10.0])
  return usual[phones] * np.exp(0.2 * rng.standard_normal(phones.shape))


def synthesize(
  rng: np.random.Generator, tape: Tape, voices: Speakers
) -> np.ndarray:
  """Return the waveform [T * HOP] float32 of a tape, without room effects.

  Args:
    rng: Source of random numbers.
    tape: Phones and speakers of T frames.
    voices: Properties of the speakers.
  """
  formants = _smooth(voices.formants[tape.speaker, tape.phones], GLIDE)
  voiced, noisy = _smooth(_loudness(tape), ATTACK).astype(np.float32).T
  sources = _pulses(rng, tape, voices) * voiced[:, None]
  hiss = rng.standard_normal(sources.shape, dtype=np.float32)
  sources += hiss * noisy[:, None]  # [T, HOP]
  # Frames of two hops overlap by one hop; the windows sum to 1.
  following = np.concatenate([sources[1:], sources[:1]])
  window = 0.5 - 0.5 * np.cos(np.pi * np.arange(2 * HOP) / HOP)
  frames = np.concatenate([sources, following], axis=1)
  frames *= window.astype(np.float32)[None]
  spectra = np.fft.rfft(frames)  # [T, HOP + 1]
  spectra *= _envelopes(formants, voiced / (voiced + noisy + 1e-3))
  heard = np.fft.irfft(spectra)  # [T, 2 * HOP]
  wave = heard[:, :HOP]
  wave[1:] += heard[:-1, HOP:]
  return wave.ravel()


def record(
  rng: np.random.Generator, wave: np.ndarray, noise: tuple[float, float]
) -> np.ndarray:
  """Add echoes, noise and gain of a random room to an utterance: [S] int16.

  Args:
    rng: Source of random numbers.
    wave: Utterance without room effects, [S] float32.
    noise: Range of the ratio of speech to noise in dB.
  """
  wet = wave.copy()
  delays = rng.integers(int(0.005 * RATE), int(0.08 * RATE), ECHOES)
  strengths = rng.uniform(-0.4, 0.4, ECHOES) * np.exp(-delays / (0.04 * RATE))
  # Python's floats, unlike numpy's, keep float32 arrays in float32.
  for delay, strength in zip(delays, strengths.tolist(), strict=True):
    wet[delay:] += strength * wave[:-delay]
  hiss = rng.standard_normal(len(wet) + 1, dtype=np.float32)
  hiss = hiss[1:] + hiss[:-1]  # Reduces high frequencies.
  ratio = 10 ** (rng.uniform(*noise) / 20)
  wet += hiss * float(wet.std() / (2**0.5 * ratio))
  gain = float(rng.uniform(3_000, 10_000) / np.abs(wet).max())
  return np.rint(gain * wet).astype(np.int16)


def _loudness(tape: Tape) -> np.ndarray:
  """Return the loudness of voice and noise [T, 2].

  A voiced stop keeps some voice while the tract is closed.
  """
  levels = [row[3:5] for row in PHONES.values()]
  table = np.array([*levels, (0.0, 0.0)])
  loudness = table[tape.phones]
  stop = np.isin(tape.phones, STOPS)
  closed = stop & (tape.progress < CLOSED)
  loudness[closed] *= (0.3, 0.0)
  loudness[stop & ~closed, 0] = 0.0
  return loudness


def _pulses(
  rng: np.random.Generator, tape: Tape, voices: Speakers
) -> np.ndarray:
  """Return one impulse per period of the voice, [T, HOP], variance about 1.

  The pitch falls during an utterance and varies at random.
  """
  total = len(tape.phones)
  frames = np.bincount(tape.utterance)
  since = np.arange(total) - np.repeat(np.cumsum(frames) - frames, frames)
  waver = _smooth(rng.standard_normal((total, 1)), 31)[:, 0]
  pitch = voices.pitch[tape.speaker] * np.exp(0.5 * waver - 0.002 * since)
  periods = np.cumsum(pitch * HOP / RATE)
  beats = np.arange(1, int(periods[-1]))
  at = np.interp(beats, periods, np.arange(total) * float(HOP))
  pulses = np.zeros(total * HOP, np.float32)
  pulses[at.astype(int)] = 1
  pulses = pulses.reshape(total, HOP)
  pulses *= np.sqrt(RATE / pitch)[:, None]
  return pulses


def _envelopes(formants: np.ndarray, voice: np.ndarray) -> np.ndarray:
  """Return gains [T, HOP + 1] by frequency: a sum of resonances.

  Higher resonances are weaker for voice than for noise.
  """
  hertz = np.linspace(0, RATE / 2, HOP + 1, dtype=np.float32)[None]
  gains = np.full((len(formants), HOP + 1), 0.01, np.float32)
  for n, weaker in enumerate((0.0, 0.5, 0.75)):
    center = formants[:, n, None].astype(np.float32)
    distance = (hertz - center) / (60 + 0.05 * center)
    height = (1 - weaker * voice).astype(np.float32)
    gains += height[:, None] / (1 + distance**2)
  return gains


def _smooth(tracks: np.ndarray, size: int) -> np.ndarray:
  """Return weighted averages over `size` neighbours, by a Hann window."""
  weights = np.hanning(size + 2)[1:-1]
  weights /= weights.sum()
  flat = tracks.reshape(len(tracks), -1)
  padded = np.pad(flat, ((size // 2, size // 2), (0, 0)), 'edge')
  smooth = sum(w * padded[n : n + len(flat)] for n, w in enumerate(weights))
  return np.asarray(smooth).reshape(tracks.shape)
