"""Generated scans, the data of `fastmri/mini`.

Artificial patients made of ellipsoids, similar to Shepp and Logan 1974 ("The
Fourier Reconstruction of a Head Section"), are measured like the published
scans, with similar difficulties. A volume is a stack of slices through one
patient: slices resemble each other, and there are far fewer patients than
examples. Patients share a plan of skin, muscle, bones, cartilage and ligaments,
which a network can learn; every world has its own plan. Sizes, positions,
angles, brightness and fine texture differ. Images are complex, with a smooth
phase. All measurements have noise, including those for the targets. The
measured columns differ between slices.

The unit of length is half the width of an image: the image shows [-1, 1] x
[-1, 1] of a field that is twice as high and slightly wider. Every patient has
its own random stream.
"""

import math

import numpy as np

from workloads import generated
from workloads.batches import Arrays
from workloads.mri import kspace

PATIENTS = {'train': 128, 'validation': 32, 'test': 32}
SLICES = 6  # Slices per patient.
WIDTHS = (13 / 12, 14 / 12, 15 / 12, 16 / 12)  # Width of field / image.
NOISE = (0.01, 0.02)  # Standard deviation; the brightest tissue is about 1.

# Later tissues cover earlier ones. Centre and radii: height, width, depth.
TISSUES = np.array(
  [
    # Centre, radii, brightness.
    (0.0, 0.0, 0.0, 3.0, 0.9, 1.6, 0.75),  # Fat below the skin.
    (0.0, 0.1, 0.0, 2.8, 0.7, 1.4, 0.30),  # Muscle.
    (0.1, 0.5, 0.0, 0.9, 0.22, 1.2, 0.38),  # Muscle behind the joint.
    (-0.75, 0.0, 0.0, 0.72, 0.46, 1.2, 0.06),  # Hard shell of the femur.
    (-0.77, 0.0, 0.0, 0.66, 0.40, 1.1, 0.55),  # Marrow of the femur.
    (-0.06, 0.0, 0.0, 0.05, 0.34, 1.0, 0.95),  # Cartilage of the femur.
    (0.78, 0.0, 0.0, 0.72, 0.44, 1.2, 0.06),  # Hard shell of the tibia.
    (0.80, 0.0, 0.0, 0.66, 0.38, 1.1, 0.50),  # Marrow of the tibia.
    (0.04, 0.0, 0.0, 0.04, 0.32, 1.0, 0.90),  # Cartilage of the tibia.
    (-0.25, -0.60, 0.0, 0.24, 0.13, 0.8, 0.06),  # Hard shell of the patella.
    (-0.25, -0.60, 0.0, 0.19, 0.09, 0.7, 0.60),  # Marrow of the patella.
    (-0.01, -0.22, 0.3, 0.05, 0.12, 0.5, 0.04),  # Menisci.
    (-0.01, 0.24, -0.3, 0.05, 0.12, 0.5, 0.04),
    (0.25, -0.62, 0.0, 0.30, 0.04, 0.4, 0.05),  # Ligaments.
    (0.0, 0.08, 0.0, 0.22, 0.04, 0.3, 0.12),
  ]
)
# Body of every tissue: tissues of one body lie in each other.
BODIES = (0, 0, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8)
# Deviations between the plans of worlds: of centres, and of logarithms of radii
# and brightness.
MOVED, GROWN, BRIGHTER = 0.06, 0.12, 0.25
VESSELS = 10  # Small ellipsoids at random positions, bright or dark.
STRIPES = (8.0, 30.0)  # Angular frequency of a tissue's texture.
TEXTURE = 0.12  # Amplitude of the texture, as a share of the brightness.


@generated.kept
def source(split: str, size: int, world: int = 0) -> Arrays:
  """Return FastMRI's batch arrays; a row is a slice of size x size pixels.

  Args:
    split: A key of PATIENTS.
    size: Height and width of an image, in pixels.
    world: Number of the world, which has its own plan of patients.
  """
  number = list(PATIENTS).index(split)
  tissues = _tissues(world)
  volumes = [
    _volume(generated.stream(number, patient, world=world), tissues, size)
    for patient in range(PATIENTS[split])
  ]
  return Arrays(
    {name: np.concatenate([v[name] for v in volumes]) for name in volumes[0]}
  )


def _tissues(world: int) -> np.ndarray:
  """Return the plan of a world's patients, in the format of TISSUES."""
  if not world:
    return TISSUES
  rng = generated.stream(len(PATIENTS), world=world)
  bodies = max(BODIES) + 1
  moved = MOVED * rng.standard_normal((bodies, 3))
  grown = np.exp(GROWN * rng.standard_normal((bodies, 3)))
  brighter = np.exp(BRIGHTER * rng.standard_normal(len(TISSUES)))
  found = TISSUES.copy()
  inner = np.array(BODIES) > 0  # Muscle stays below the skin.
  found[:, :3] += inner[:, None] * moved[list(BODIES)]
  found[:, 3:6] *= np.where(inner[:, None], grown[list(BODIES)], 1)
  found[:, 6] = np.minimum(1, brighter * found[:, 6])
  if rng.random() < 0.5:
    found[:, 0] *= -1  # The femur is below.
  return found


def _volume(
  rng: np.random.Generator, tissues: np.ndarray, size: int
) -> dict[str, np.ndarray]:
  """Return all slices of a patient. Z = SLICES, and [Y, X] is the field."""
  shape = (2 * size, round(size * rng.choice(WIDTHS)))
  y, x = (
    (np.arange(n, dtype=np.float32) + 0.5 - n / 2) * 2 / size for n in shape
  )
  z = np.linspace(-0.8, 0.8, SLICES, dtype=np.float32)
  field = z[:, None, None], y[:, None], x
  image = _patient(rng, tissues, *field, size) * np.exp(
    1j * _phase(rng, *field)
  )
  measured = kspace.to_kspace(image)
  noise = rng.standard_normal((2, *measured.shape), np.float32)
  noise *= rng.uniform(*NOISE)
  measured = measured + noise[0] + 1j * noise[1]
  target = kspace.reconstruct(measured, (size, size))
  columns = kspace.draw_columns(rng, SLICES, shape[1])
  brightest = np.full(SLICES, target.max(), np.float32)
  example = kspace.example(measured, columns, target)
  return example | {'volume_max': brightest}


def _patient(
  rng: np.random.Generator, tissues: np.ndarray, z, y, x, size: int
) -> np.ndarray:
  """Return the brightness [Z, Y, X] of the tissues of one patient."""
  side = np.float32(rng.choice([-1, 1]))  # Left or right knee.
  height, width = np.exp(0.1 * rng.standard_normal(2, np.float32))
  bend = 0.15 * rng.standard_normal()
  y, x = height * y, side * width * x + bend * y  # [Y, 1], [Y, X]
  image = np.zeros(np.broadcast_shapes(z.shape, x.shape), np.float32)
  for plan in np.concatenate([tissues, _vessels(rng)]):
    share, brightness = _tissue(rng, plan, z, y, x, size)
    image += share * (brightness - image)
  return image


def _vessels(rng: np.random.Generator) -> np.ndarray:
  """Draw vessels as rows in the format of TISSUES."""
  centres = rng.uniform(-0.9, 0.9, (VESSELS, 3))
  radii = rng.uniform(0.03, 0.1, (VESSELS, 3))
  radii[:, 2] *= 8  # Vessels are long, across the slices.
  levels = rng.choice([0.05, 0.9], (VESSELS, 1))
  return np.concatenate([centres, radii, levels], axis=1)


def _tissue(
  rng: np.random.Generator, plan: np.ndarray, z, y, x, size: int
) -> tuple[np.ndarray, np.ndarray]:
  """Return a tissue's share [Z, Y, X] of every pixel, and its brightness.

  A tissue is an ellipsoid near the planned place, with random differences
  between patients. Its fibres are stripes in one direction, the same in all
  slices.
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
  )  # [Z, Y, X], 1 on the surface.
  pixels = min(ry, rx) * size / 2
  share = np.clip((1 - radius) * pixels + 0.5, 0, 1)
  cos, sin = _turn(rng.uniform(0, np.pi))
  stripes = np.cos(rng.uniform(*STRIPES) * (cos * dy + sin * dx))
  level = plan[6] * np.exp(0.15 * normal[7])
  return share, np.float32(level) * (1 + TEXTURE * stripes)


def _turn(angle: float) -> tuple[float, float]:
  return math.cos(angle), math.sin(angle)


def _phase(rng: np.random.Generator, z, y, x) -> np.ndarray:
  """Draw a smooth phase [Z, Y, X] in radians: a second-order polynomial."""
  a = rng.standard_normal(6, np.float32)
  return a[0] + a[1] * y + a[2] * x + a[3] * z + a[4] * y * x + a[5] * x * z
