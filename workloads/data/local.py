"""What our TFDS builders have in common: published files, a manifest, counts.

They stand in for builders of TFDS that need TensorFlow, under the same names
and versions, or are of datasets that it does not have.
"""

import pathlib
from collections.abc import Callable

import tensorflow_datasets as tfds

from workloads.data import records
from workloads.data.catalogue import FREE, Dataset
from workloads.data.manifest import DataError

Tell = Callable[[str], None]


class Local(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A builder of files as they are published.

  Attributes:
    dataset: What it builds.
    raw: Folder of these files; None where they are to be downloaded.
  """

  dataset: Dataset
  raw: pathlib.Path | None = None

  @classmethod
  def make(cls, data_dir: str, raw: str | None, tell: Tell) -> None:
    """As prepare.Builder."""
    del tell  # TFDS shows what it does.
    builder = cls(data_dir=data_dir, file_format='array_record')
    builder.raw = pathlib.Path(raw) if raw else None
    builder.download_and_prepare()

  @classmethod
  def holds(cls, place: pathlib.Path) -> bool:
    """As prepare.Builder; TFDS itself recognizes what it has written."""
    del place
    return False

  @classmethod
  def finish(cls, place: pathlib.Path, tell: Tell) -> dict[str, int]:
    """What is to be done when the records are there; examples by split."""
    del tell  # Counting takes no time.
    return {
      split: len(records.Records(place, split))
      for split in cls.dataset.examples
    }

  @property
  def url_infos(self):
    """What TFDS checks downloads against."""
    return {
      self.dataset.address(file): tfds.download.checksums.UrlInfo(
        tfds.core.utils.Size(file.bytes), file.sha256, file.name
      )
      for file in self.dataset.raw
    }

  def _raw(self, manager) -> list[pathlib.Path]:
    """Paths of the published files, in the order of the dataset."""
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
          f'{path} is missing. {self.raw} must have the files as they are '
          f'published at {dataset.url}: {", ".join(names)}.'
        )
    return paths
