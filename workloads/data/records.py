"""Records of a prepared dataset, read by number without TensorFlow."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow_datasets as tfds

from workloads.data.manifest import DataError


class Records:
  """Records of one split, in TFDS's order. Images stay encoded."""

  def __init__(self, folder: pathlib.Path, split: str):
    """Open the records of one split.

    Args:
      folder: Folder of the dataset's version.
      split: TFDS's name of the split.

    Raises:
      DataError: TFDS cannot read the folder.
    """
    try:
      builder: Any = tfds.builder_from_directory(folder)
      images: Any = {
        name: tfds.decode.SkipDecoding()
        for name, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image)
      }
      self._source: Any = builder.as_data_source(split, decoders=images)
    except Exception as error:  # TFDS and its readers raise many types.
      raise DataError(
        f'{folder} cannot be read: {type(error).__name__} {error}. Prepare the '
        'dataset again.'
      ) from error
    info = builder.info.splits[split]
    self._shards = list(zip(info.filenames, info.shard_lengths, strict=True))

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
    try:
      return self._source.__getitems__(list(numbers))
    except Exception as error:  # Damaged files raise many types.
      first, last = numbers[0], numbers[-1]
      raise DataError(
        f'One of records {first} to {last} ({self.where(first)} and after) '
        f'cannot be read: {type(error).__name__} {error}. Prepare the dataset '
        'again.'
      ) from error

  def chunks(self, size: int) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Yield all records with their numbers in order, `size` at a time."""
    for start in range(0, len(self), size):
      numbers = range(start, min(start + size, len(self)))
      yield list(zip(numbers, self[numbers], strict=True))

  def where(self, number: int) -> str:
    """Return the file and position of a record, for messages."""
    for name, length in self._shards:
      if number < length:
        return f'{name}, record {number}'
      number -= length
    raise IndexError(number)
