"""Log-mel energies, the input features of both speech workloads.

Davis and Mermelstein 1980, "Comparison of Parametric Representations for
Monosyllabic Word Recognition in Continuously Spoken Sentences"; details as in
AlgoPerf, which follows HTK (Young et al., "The HTK Book"). The features have no
parameters and need no gradients.
"""

import functools

import jax.numpy as jnp
import numpy as np

from workloads.speech.mel_statistics import MEAN, STD

RATE = 16_000  # Samples per second.
HOP = 160  # Samples between two frames, 10 ms.
WINDOW = 401  # 400 samples of a frame, and the previous sample.
FFT = 512
BANDS = 80
LOWEST, HIGHEST = 125.0, 7600.0  # Hz.
PRE_EMPHASIS = 0.97
FLOOR = 1e-5  # Smallest energy; gives silence a logarithm.


def log_mel(samples, paddings):  # Each [B, S].
  """Return normalized log-mel energies, and which frames are all padding.

  Args:
    samples: Waveforms [B, S] at 16 kHz in units of int16, any float type.
    paddings: [B, S], 1 for padding, else 0.

  Returns:
    Features [B, T, 80], about N(0, 1) on LibriSpeech, and paddings [B, T]. A
    frame has 400 samples and starts every 160: T is 1998 for S = 320,000.
    Frames of padding have the features of silence, which are not zero.
  """
  waves = samples * (1 - paddings) / 2**15  # Range [-1, 1).
  windows = _windows(waves)  # [B, T, 401]
  first = (1 - PRE_EMPHASIS) * windows[..., :1]
  others = windows[..., 1:-1] - PRE_EMPHASIS * windows[..., :-2]
  frames = jnp.concatenate([first, others], axis=-1)  # [B, T, 400]
  spectra = jnp.fft.rfft(frames * _hann()[None, None], FFT)  # [B, T, 257]
  energies = (spectra.real**2 + spectra.imag**2) @ mel_matrix()
  logs = jnp.log(jnp.maximum(energies, FLOOR))  # [B, T, 80]
  features = (logs - MEAN[None, None]) / STD[None, None]
  return features, _windows(paddings).min(axis=-1)


def count_frames(samples: int) -> int:
  """Return the number of frames T of a waveform, including padding."""
  return (samples - WINDOW) // HOP + 1


@functools.cache
def mel_matrix() -> np.ndarray:  # [257, 80]
  """Return half-overlapping triangles, linear in mel, without frequency 0."""
  edges = np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2)[None]
  mels = _mel(np.arange(FFT // 2 + 1) * RATE / FFT)[:, None]
  rise = (mels - edges[:, :-2]) / np.diff(edges)[:, :-1]
  fall = (edges[:, 2:] - mels) / np.diff(edges)[:, 1:]
  triangles = np.maximum(np.minimum(rise, fall), 0)
  triangles[0] = 0
  return triangles.astype(np.float32)


def _mel(hertz):
  return 1127 * np.log1p(hertz / 700)


def _hann() -> np.ndarray:  # [400]
  """Return a periodic Hann window: zero at 0 and (not included) at 400."""
  turns = np.arange(WINDOW - 1) / (WINDOW - 1)
  return (0.5 - 0.5 * np.cos(2 * np.pi * turns)).astype(np.float32)


def _windows(x):  # [B, S]
  """Return windows [B, T, 401]; shifted hops are cheaper than a gather."""
  count = count_frames(x.shape[1])
  hops = -(-WINDOW // HOP)  # Hops per window, rounded up.
  x = jnp.pad(x, ((0, 0), (0, HOP)))[:, : (count + hops - 1) * HOP]
  x = x.reshape(len(x), -1, HOP)
  shifted = [x[:, n : n + count] for n in range(hops)]
  return jnp.concatenate(shifted, axis=-1)[..., :WINDOW]
