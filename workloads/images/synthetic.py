"""Drawn figures, the data of the mini image classifiers.

Figures with known outlines are drawn in numpy within seconds. The images keep
difficulties of photographs. Size, position, angle and bending of a figure vary,
and some figures are only outlines. Textures, light and colours say almost
nothing about the class. Other pieces lie around the figure, a bar may cover a
part of it, up to a quarter of the images are negatives, and all have noise.
Some classes differ in one detail only (E and F, S and Z, stars with five and
six rays). One training label in fifty is wrong.

All splits come from one world, each with its own random stream. Other worlds
(workloads/worlds.py) have figures of other shapes.
"""

import functools
from typing import NamedTuple

import numpy as np

from workloads import generated
from workloads.batches import Arrays

EXAMPLES = {'train': 6_144, 'validation': 2_048, 'test': 2_048}
WRONG_LABELS = 0.02  # Share of training labels.

# Stars: number of rays, and inner radius if the outer radius is 1.
STARS = {'star5': (5, 0.45), 'disc': (8, 1.0), 'triangle': (3, 0.5)}
MORE_STARS = {'star6': (6, 0.6), 'square': (4, 0.71), 'star4': (4, 0.4)}
# Corners on a grid, each as two digits: x and y.
LETTERS = {
  'L': '00 30 31 11 14 04',
  'T': '10 20 23 33 34 04 03 13',
  'E': '00 30 31 11 12 32 33 13 14 34 35 05',
  'S': '00 20 21 31 32 12 11 01',
  'U': '00 30 34 24 21 11 14 04',
  'arrow': '10 30 32 42 24 02 12',
  'chevron': '00 20 42 24 04 22',
  'J': '00 30 34 24 21 01',
  'F': '00 10 12 32 33 13 14 34 35 05',
  'Z': '10 30 31 21 22 02 01 11',
  'H': '00 10 12 22 20 30 34 24 23 13 14 04',
  'plus': '10 20 21 31 32 22 23 13 12 02 01 11',
  'house': '00 40 43 25 03',
  'hourglass': '00 40 32 44 04 12',
  'stairs': '00 30 31 21 22 12 13 03',
  'flag': '00 10 12 32 35 05',
  'wedge': '00 40 04',
  'comb': '00 10 12 22 20 30 32 42 40 50 53 03',
}
CLASSES = (*STARS, *LETTERS, *MORE_STARS)  # Tasks use the first K classes.

MOVED = 0.06  # Deviation of corners between worlds; figures are within +-1.
REACH = 1.8  # Half the side of the distance table; figures are within +-1.
CELLS = 144  # Cells of the distance table along each axis.
OUTLINE = 0.09  # Half the width of a drawn outline.
PIECES = 3  # Maximum number of pieces around a figure.
CHUNK = 128  # Images drawn together; more would not fit the CPU cache.


class Canvas(NamedTuple):
  """Arrays that all images of a task share. P = size * size pixels."""

  points: np.ndarray  # [2, P]: x and y of pixels; the image is +-1.
  waves: np.ndarray  # [9, P]: smooth patterns.
  distances: np.ndarray  # [classes, CELLS, CELLS]: to the outline, < 0 inside.
  hues: np.ndarray  # [classes, C]: faint colour of a class.
  mess: float  # Strength of all difficulties, from 0 to 1.


@generated.kept
def source(
  split: str,
  size: int,
  channels: int,
  classes: int,
  mess: float,
  task: int = 0,
  world: int = 0,
) -> Arrays:
  """Draw 'inputs' [N, size, size, channels] float32 and 'targets' [N] int32.

  Args:
    split: A key of EXAMPLES.
    size: Height and width, in pixels.
    channels: Colours.
    classes: Number of classes, at most len(CLASSES).
    mess: Strength of all that hides the class, from 0 to 1.
    task: Number of the task; different tasks have different examples.
    world: Number of the world, which has its own figures and colours.
  """
  shapes = _shapes(classes, task, world)
  hues = generated.stream(0, task, world=world)
  canvas = _canvas(hues, size, channels, shapes)
  canvas = canvas._replace(mess=mess)
  number = list(EXAMPLES).index(split)
  rng = generated.stream(1, task, number, world=world)
  labels = rng.permutation(EXAMPLES[split]) % classes  # Balanced classes.
  images = np.empty((len(labels), size, size, channels), np.float32)
  for start in range(0, len(labels), CHUNK):
    part = slice(start, start + CHUNK)
    drawn = _draw(rng, canvas, labels[part])  # [n, C, P]
    images[part] = drawn.swapaxes(1, 2).reshape(images[part].shape)
  if split == 'train':
    wrong = rng.random(len(labels)) < WRONG_LABELS
    labels[wrong] = rng.integers(0, classes, wrong.sum())
  return Arrays({'inputs': images, 'targets': labels.astype(np.int32)})


def _draw(rng: np.random.Generator, canvas: Canvas, labels) -> np.ndarray:
  """Draw images [n, C, P] of the given classes [n], layer by layer."""
  count, mess = len(labels), canvas.mess
  channels = canvas.hues.shape[1]
  ground = 0.6 * mess * _normal(rng, count, channels)
  # The figure's colour is lighter than the background, with a minimum distance.
  ink = 0.3 * canvas.hues[labels] + 0.8 * _normal(rng, count, channels)
  ink *= np.where(ink.sum(axis=1, keepdims=True) < 0, -1, 1)
  ink *= np.maximum(1, 1.3 / np.linalg.norm(ink, axis=1, keepdims=True))
  images = _texture(rng, canvas, ground)
  for _ in range(PIECES):
    _paint_bar(rng, canvas, images, short=True)
  cover = _figure(rng, canvas, labels)[:, None]  # [n, 1, P]
  images += cover * (_texture(rng, canvas, ground + ink) - images)
  _paint_bar(rng, canvas, images, short=False)
  images *= np.where(_uniform(rng, 0, 1, count, 1, 1) < 0.25 * mess, -1, 1)
  grain = mess * _uniform(rng, 0.1, 0.5, count, 1, 1)
  return images + grain * _normal(rng, *images.shape)


def _figure(rng: np.random.Generator, canvas: Canvas, labels) -> np.ndarray:
  """Return the share [n, P] of each pixel that the figure covers."""
  count, mess = len(labels), canvas.mess
  turn = mess * _uniform(rng, -0.5, 0.5, count)  # Radians.
  size = 0.75 * 1.5 ** (mess * _uniform(rng, -1, 0.7, count))  # Half images.
  shear, stretch = mess * _uniform(rng, -0.25, 0.25, 2, count)
  cos, sin = np.cos(turn), np.sin(turn)
  # Map image coordinates to figure coordinates: shift, turn, stretch, shear.
  matrix = np.array([[cos, sin], [shear * cos - sin, shear * sin + cos]])
  matrix *= np.exp([[stretch], [-stretch]]) / size  # [2, 2, n]
  shift = mess * _uniform(rng, -0.3, 0.3, count, 2, 1)
  at = canvas.points - shift  # [n, 2, P]
  at = matrix.transpose(2, 0, 1) @ at
  at += 0.07 * mess * (_normal(rng, count, 2, len(canvas.waves)) @ canvas.waves)
  cells = ((at / REACH + 1) * (CELLS / 2)).astype(np.int32)
  across, up = cells.clip(0, CELLS - 1).swapaxes(0, 1)  # [n, P] each
  distance = canvas.distances[labels[:, None], up, across]
  outlined = _uniform(rng, 0, 1, count, 1) < 0.4 * mess
  distance = np.where(outlined, np.abs(distance) - OUTLINE, distance)
  return _smooth(distance * size[:, None], canvas)


def _paint_bar(
  rng: np.random.Generator, canvas: Canvas, images: np.ndarray, short: bool
):
  """Paint a bar into half of the images: short, or across the whole image."""
  chosen = np.flatnonzero(_uniform(rng, 0, 1, len(images)) < 0.5 * canvas.mess)
  count = len(chosen)
  middle = _uniform(rng, -1, 1, count, 2, 1)
  angle = _uniform(rng, 0, np.pi, count, 1)
  length = _uniform(rng, 0.05, 0.5, count, 1) if short else 3.0
  width = _uniform(rng, 0.04, 0.15, count, 1)
  x, y = (canvas.points - middle).swapaxes(0, 1)  # [n, P] each
  along = x * np.cos(angle) + y * np.sin(angle)
  along -= along.clip(-length, length)
  aside = y * np.cos(angle) - x * np.sin(angle)
  distance = np.sqrt(along**2 + aside**2) - width
  cover = _smooth(distance, canvas)[:, None]  # [n, 1, P]
  colour = _normal(rng, count, images.shape[1], 1)
  images[chosen] += cover * (colour - images[chosen])


def _texture(rng: np.random.Generator, canvas: Canvas, colour) -> np.ndarray:
  """Return pixels [n, C, P] of colours [n, C] with stripes and uneven light."""
  count, channels = colour.shape
  light = 0.25 * _normal(rng, count, channels, len(canvas.waves)) @ canvas.waves
  beats = 6 * _normal(rng, count, 1, 2)  # Radians per half image.
  phase = _uniform(rng, 0, 2 * np.pi, count, 1, 1)
  stripes = np.sin(beats @ canvas.points + phase)  # [n, 1, P]
  strength = 0.3 * _normal(rng, count, channels, 1)
  return colour[..., None] + canvas.mess * (light + strength * stripes)


def _smooth(distance: np.ndarray, canvas: Canvas) -> np.ndarray:
  """Return the covered share of pixels with this distance to the outline."""
  pixel = 2 / canvas.points.shape[1] ** 0.5
  return np.clip(0.5 - distance / pixel, 0, 1)


def _uniform(rng, low: float, high: float, *shape: int) -> np.ndarray:
  return low + (high - low) * rng.random(shape, np.float32)


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
  return rng.standard_normal(shape, dtype=np.float32)


def _canvas(
  rng: np.random.Generator,
  size: int,
  channels: int,
  shapes: np.ndarray,
) -> Canvas:
  line = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
  up, across = np.meshgrid(-line, line, indexing='ij')
  waves = [
    np.cos(np.pi / 2 * i * (across + 1)) * np.cos(np.pi / 2 * j * (up + 1))
    for i in range(4)
    for j in range(4)
    if 0 < i + j < 4
  ]
  return Canvas(
    np.stack([across, up]).reshape(2, -1),
    np.stack(waves).reshape(len(waves), -1),
    shapes,
    _normal(rng, len(shapes), channels),
    mess=1.0,
  )


@functools.cache
def _shapes(classes: int, task: int, world: int) -> np.ndarray:
  """Return distances to the outlines of all figures: [classes, CELLS, CELLS].

  Args:
    classes: Number of classes.
    task: Number of the task.
    world: Number of the world.
  """
  figures = [_corners(figure) for figure in CLASSES[:classes]]
  if world:
    figures = _reshaped(generated.stream(2, task, world=world), figures)
  return np.stack([_distances(corners) for corners in figures])


def _reshaped(
  rng: np.random.Generator, figures: list[np.ndarray]
) -> list[np.ndarray]:
  """Return other figures, each [V, 2], about as hard to tell apart.

  All are turned and mirrored alike, and every corner is moved a little.

  Args:
    rng: Source of random numbers.
    figures: Corners of the figures.
  """
  angle = rng.uniform(0, 2 * np.pi)
  turn = np.array(
    [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
  )
  turn[:, 0] *= rng.choice([-1, 1])
  found = []
  for corners in figures:
    moved = corners + MOVED * rng.standard_normal(corners.shape)
    moved @= turn.T
    low, high = moved.min(axis=0), moved.max(axis=0)
    found.append((2 * moved - low - high) / (high - low).max())
  return found


def _distances(corners: np.ndarray) -> np.ndarray:
  """Return signed distances [CELLS (y), CELLS (x)] to a figure's outline.

  Args:
    corners: Corners of the figure, [V, 2].
  """
  line = ((2 * np.arange(CELLS) + 1) / CELLS - 1) * REACH
  points = np.stack(np.meshgrid(line, line))  # [2, CELLS, CELLS]: x, y.
  nearest = np.full(points.shape[1:], np.inf)
  inside = np.zeros(points.shape[1:], bool)
  for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
    way = end - start
    away = points - start[:, None, None]
    share = np.tensordot(way, away, 1) / (way @ way)
    rest = away - way[:, None, None] * share.clip(0, 1)
    nearest = np.minimum(nearest, np.hypot(*rest))
    # A ray to the right of an inner point crosses an odd number of edges.
    level = (start[1] <= points[1]) != (end[1] <= points[1])
    left = way[0] * away[1] - way[1] * away[0]
    inside ^= level & ((left > 0) == (way[1] > 0))
  return np.where(inside, -nearest, nearest).astype(np.float32)


def _corners(figure: str) -> np.ndarray:
  """Return the corners [V, 2], x and y, centred at zero and within +-1."""
  if figure in LETTERS:
    digits = [[int(d) for d in pair] for pair in LETTERS[figure].split()]
    corners = np.array(digits, float)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return (2 * corners - low - high) / (high - low).max()
  rays, waist = (STARS | MORE_STARS)[figure]
  angles = np.pi * (0.5 + np.arange(2 * rays) / rays)
  radii = np.where(np.arange(2 * rays) % 2, waist, 1.0)
  return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
