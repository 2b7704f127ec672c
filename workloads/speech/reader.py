"""Source of LibriSpeech's utterances, decoded when they are drawn.

Waveforms and tokens are AlgoPerf's (Dahl et al. 2023, arXiv:2306.07179). The
order differs: every epoch is a permutation of all utterances.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from workloads import data
from workloads.data import pieces
from workloads.data.manifest import DataError
from workloads.data.pieces import Texts
from workloads.data.records import Records
from workloads.data.streams import Row, Stored
from workloads.speech import flac, prepare


@dataclasses.dataclass(frozen=True, eq=False)
class Short:
  """Records of the N utterances with tokens; see streams.Records.

  Utterances without tokens are too long for AlgoPerf and are left out.
  """

  records: Records
  texts: Texts
  numbers: np.ndarray  # [N]: number of the record.
  starts: np.ndarray  # [N]: first token of the transcript.

  def __len__(self) -> int:
    return len(self.numbers)

  def __getitem__(self, numbers: Sequence[int]) -> list[dict[str, Any]]:  # pyrefly: ignore
    found = self.numbers[numbers]
    ends = self.starts[numbers] + self.texts.lengths[found, 0]
    return [
      record | {'tokens': self.texts.tokens[start:end]}
      for record, start, end in zip(
        self.records[found.tolist()], self.starts[numbers], ends, strict=True
      )
    ]

  def where(self, number: int) -> str:
    return self.records.where(int(self.numbers[number]))


class Decoder(NamedTuple):
  """Conversion of a record to a row of a batch, zero after its end."""

  samples: int  # Samples of a waveform, S.
  length: int  # Tokens of a transcript, L.

  def __call__(self, record, rng: np.random.Generator | None) -> Row:
    del rng  # SpecAugment is a part of the model.
    wave, tokens = flac.decoded(record['speech']), record['tokens']
    return {
      'inputs': _padded(wave, self.samples, np.float32),
      'input_paddings': _paddings(wave, self.samples),
      'targets': _padded(tokens, self.length, np.int32),
      'target_paddings': _paddings(tokens, self.length),
    }


def source(
  workload: str, split: str, data_dir: str | None, decoder: Decoder
) -> Stored:
  """Return the utterances of a split, each of at most 20 s.

  Args:
    workload: Name of the workload.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    decoder: Converts records to rows.

  Raises:
    DataError: The data are missing, or have changed since their preparation.
  """
  [place] = data.find(workload, data_dir).values()
  records, texts = (
    prepare.records(place, split),
    pieces.load(place, split, 1),
  )
  lengths = texts.lengths[:, 0].astype(np.int64)
  if len(lengths) != len(records):
    raise DataError(
      f'{place} has {len(records)} utterances in {split}, and tokens of '
      f'{len(lengths)}. Prepare the folder again.'
    )
  numbers = np.flatnonzero(lengths)
  starts = (np.cumsum(lengths) - lengths)[numbers]
  return Stored(Short(records, texts, numbers, starts), decoder)


def _padded(values: np.ndarray, size: int, dtype) -> np.ndarray:
  """Return the values followed by zeros, [size]."""
  padded = np.zeros(size, dtype)
  padded[: len(values)] = values
  return padded


def _paddings(values: np.ndarray, size: int) -> np.ndarray:
  """Return 0 for every value, followed by ones, [size]."""
  paddings = np.ones(size, np.float32)
  paddings[: len(values)] = 0
  return paddings
