"""Base class of our TFDS builders: published files and counts of examples.

Our builders replace those builders of TFDS that need TensorFlow, with the same
names and versions, or prepare datasets that TFDS does not have.
"""

import pathlib
from collections.abc import Callable

import tensorflow_datasets as tfds

from workloads.data import records
from workloads.data.catalogue import FREE, Dataset
from workloads.data.manifest import DataError

Tell = Callable[[str], None]


class Local(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """Builder of one dataset from its published files.

  Attributes:
    dataset: The dataset.
    raw: Folder of the published files; None downloads them.
  """

  dataset: Dataset
  raw: pathlib.Path | None = None

  @classmethod
  def make(cls, data_dir: str, raw: str | None, tell: Tell) -> None:
    """See prepare.Builder."""
    del tell  # TFDS prints its own progress.
    builder = cls(data_dir=data_dir, file_format='array_record')
    builder.raw = pathlib.Path(raw) if raw else None
    builder.download_and_prepare()

  @classmethod
  def holds(cls, place: pathlib.Path) -> bool:
    """See prepare.Builder. TFDS recognizes its own folders, hence False."""
    del place
    return False

  @classmethod
  def finish(cls, place: pathlib.Path, tell: Tell) -> dict[str, int]:
    """Return the number of examples by split; see prepare.Builder."""
    del tell  # Counting is fast.
    return {
      split: len(records.Records(place, split))
      for split in cls.dataset.examples
    }

  @property
  def url_infos(self):
    """Sizes and hashes that TFDS compares downloads with."""
    return {
      self.dataset.address(file): tfds.download.checksums.UrlInfo(
        tfds.core.utils.Size(file.bytes), file.sha256, file.name
      )
      for file in self.dataset.raw
    }

  def _raw(self, manager) -> list[pathlib.Path]:
    """Return the paths of the published files, in the dataset's order."""
    dataset, names = self.dataset, [file.name for file in self.dataset.raw]
    if self.raw is None and dataset.terms != FREE:
      raise dataset.refusal(', '.join(names))
    if self.raw is None:
      urls = [dataset.address(file) for file in dataset.raw]
      return [pathlib.Path(path) for path in manager.download(urls)]
    paths = [self.raw / name for name in names]
    for path in paths:
      if not path.exists():
        raise DataError(
          f'{path} is missing. {self.raw} must contain the published files of '
          f'{dataset.url}: {", ".join(names)}. Download the missing file.'
        )
    return paths
