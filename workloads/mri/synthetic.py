"""Generated scans: what `fastmri/mini` learns from.

Nobody's knees: seeded patients made of ellipsoids, in the manner of Shepp and
Logan 1974 ("The Fourier Reconstruction of a Head Section"), measured as the
published scans were. What makes those hard is kept. A volume is a stack of
slices through one patient, so that slices resemble each other and there are far
fewer patients than examples. Patients share a plan of skin, muscle, bones,
cartilage and ligaments, which a network can learn, and differ in every size,
place, angle, brightness and in fine texture. Images are complex, with a smooth
phase; measurements have noise, also those that targets are made of; and which
columns are measured differs from slice to slice.

Lengths are in half widths of an image: it shows [-1, 1] x [-1, 1] of a field
twice as high and a little wider. Every patient has a random stream of its own.
"""

import functools
import math

import numpy as np

from workloads.batches import Arrays
from workloads.mri import kspace

PATIENTS = {'train': 128, 'validation': 32, 'test': 32}
SLICES = 6  # Of a patient.
WIDTHS = (13 / 12, 14 / 12, 15 / 12, 16 / 12)  # Of the field.
NOISE = (0.01, 0.02)  # Standard deviation; the brightest tissue is about 1.

# Painted one over another. Centre and radii along height, width and depth.
TISSUES = np.array(
  [
    # Centre, radii, brightness
    (0.0, 0.0, 0.0, 3.0, 0.9, 1.6, 0.75),  # Fat below the skin.
    (0.0, 0.1, 0.0, 2.8, 0.7, 1.4, 0.30),  # Muscle.
    (0.1, 0.5, 0.0, 0.9, 0.22, 1.2, 0.38),  # Muscle behind the joint.
    (-0.75, 0.0, 0.0, 0.72, 0.46, 1.2, 0.06),  # Hard shell of the femur,
    (-0.77, 0.0, 0.0, 0.66, 0.40, 1.1, 0.55),  # its marrow
    (-0.06, 0.0, 0.0, 0.05, 0.34, 1.0, 0.95),  # and its cartilage.
    (0.78, 0.0, 0.0, 0.72, 0.44, 1.2, 0.06),  # The same of the tibia.
    (0.80, 0.0, 0.0, 0.66, 0.38, 1.1, 0.50),
    (0.04, 0.0, 0.0, 0.04, 0.32, 1.0, 0.90),
    (-0.25, -0.60, 0.0, 0.24, 0.13, 0.8, 0.06),  # And of the patella.
    (-0.25, -0.60, 0.0, 0.19, 0.09, 0.7, 0.60),
    (-0.01, -0.22, 0.3, 0.05, 0.12, 0.5, 0.04),  # Menisci.
    (-0.01, 0.24, -0.3, 0.05, 0.12, 0.5, 0.04),
    (0.25, -0.62, 0.0, 0.30, 0.04, 0.4, 0.05),  # Ligaments.
    (0.0, 0.08, 0.0, 0.22, 0.04, 0.3, 0.12),
  ]
)
VESSELS = 10  # Small, anywhere, bright or dark.
STRIPES = (8.0, 30.0)  # Angular frequency of the texture of a tissue,
TEXTURE = 0.12  # and its share of the brightness.


@functools.cache
def source(split: str, size: int) -> Arrays:
  """The batch dictionary of FastMRI; a row is a slice of size x size pixels."""
  number = list(PATIENTS).index(split)
  volumes = [
    _volume(np.random.default_rng([number, patient]), size)
    for patient in range(PATIENTS[split])
  ]
  return Arrays(
    {name: np.concatenate([v[name] for v in volumes]) for name in volumes[0]}
  )


def _volume(rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
  """All slices of a patient. Below, Z = SLICES, [Y, X] = the field."""
  shape = (2 * size, round(size * rng.choice(WIDTHS)))
  y, x = (
    (np.arange(n, dtype=np.float32) + 0.5 - n / 2) * 2 / size for n in shape
  )
  z = np.linspace(-0.8, 0.8, SLICES, dtype=np.float32)
  field = z[:, None, None], y[:, None], x
  image = _patient(rng, *field, size) * np.exp(1j * _phase(rng, *field))
  measured = kspace.to_kspace(image)
  noise = rng.standard_normal((2, *measured.shape), np.float32)
  noise *= rng.uniform(*NOISE)
  measured = measured + noise[0] + 1j * noise[1]
  target = kspace.reconstruct(measured, (size, size))
  columns = kspace.draw_columns(rng, SLICES, shape[1])
  brightest = np.full(SLICES, target.max(), np.float32)
  example = kspace.example(measured, columns, target)
  return example | {'volume_max': brightest}


def _patient(rng: np.random.Generator, z, y, x, size: int) -> np.ndarray:
  """Brightness [Z, Y, X] of the tissues of one patient."""
  side = np.float32(rng.choice([-1, 1]))  # Left knees and right ones.
  height, width = np.exp(0.1 * rng.standard_normal(2, np.float32))
  bend = 0.15 * rng.standard_normal()
  y, x = height * y, side * width * x + bend * y  # [Y, 1], [Y, X]
  image = np.zeros(np.broadcast_shapes(z.shape, x.shape), np.float32)
  for plan in np.concatenate([TISSUES, _vessels(rng)]):
    share, brightness = _tissue(rng, plan, z, y, x, size)
    image += share * (brightness - image)
  return image


def _vessels(rng: np.random.Generator) -> np.ndarray:
  """Rows like those of TISSUES."""
  centres = rng.uniform(-0.9, 0.9, (VESSELS, 3))
  radii = rng.uniform(0.03, 0.1, (VESSELS, 3))
  radii[:, 2] *= 8  # Long ones, across the slices.
  levels = rng.choice([0.05, 0.9], (VESSELS, 1))
  return np.concatenate([centres, radii, levels], axis=1)


def _tissue(
  rng: np.random.Generator, plan: np.ndarray, z, y, x, size: int
) -> tuple[np.ndarray, np.ndarray]:
  """Share of every pixel that a tissue fills, and its brightness there.

  It is ellipsoidal, where the plan says but for what makes patients differ,
  and has fibres: stripes that run one way, the same in all slices.
  """
  normal = rng.standard_normal(8)
  dy, dx, dz = (
    axis - np.float32(centre + 0.03 * shift)
    for axis, centre, shift in zip((y, x, z), plan, normal[:3], strict=False)
  )
  ry, rx, rz = (plan[3:6] * np.exp(0.1 * normal[3:6])).astype(np.float32)
  cos, sin = _turn(0.12 * normal[6])
  radius = np.sqrt(
    ((cos * dy + sin * dx) / ry) ** 2
    + ((cos * dx - sin * dy) / rx) ** 2
    + (dz / rz) ** 2
  )  # [Z, Y, X], one on the surface.
  pixels = min(ry, rx) * size / 2
  share = np.clip((1 - radius) * pixels + 0.5, 0, 1)
  cos, sin = _turn(rng.uniform(0, np.pi))
  stripes = np.cos(rng.uniform(*STRIPES) * (cos * dy + sin * dx))
  level = plan[6] * np.exp(0.15 * normal[7])
  return share, np.float32(level) * (1 + TEXTURE * stripes)


def _turn(angle: float) -> tuple[float, float]:
  return math.cos(angle), math.sin(angle)


def _phase(rng: np.random.Generator, z, y, x) -> np.ndarray:
  """Smooth, in radians [Z, Y, X]: a polynomial of second order."""
  a = rng.standard_normal(6, np.float32)
  return a[0] + a[1] * y + a[2] * x + a[3] * z + a[4] * y * x + a[5] * x * z
