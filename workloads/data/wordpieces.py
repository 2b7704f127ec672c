"""Texts cut into pieces of words, when their dataset is prepared.

Kudo 2018, "Subword Regularization", arXiv:1804.10959 (the unigram model);
Kudo and Richardson 2018, "SentencePiece", arXiv:1808.06226. Sizes as
AlgoPerf's (Dahl et al. 2023, arXiv:2306.07179).
"""

import io
import itertools
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from workloads.data import pieces
from workloads.data.manifest import DataError, lacking
from workloads.data.records import Records
from workloads.data.threads import cores

SAMPLE = 10_000_000  # Bytes of text that the pieces are found in.
CHUNK = 2048  # Records that are read at once.
THREADS = 16  # That share sums while training: others would round otherwise.


def train(folder: pathlib.Path, texts: Iterable[str], vocab: int) -> None:
  """Finds the pieces of the first texts of a dataset, in their order.

  Numbers of tokens: 0 is unknown and padding, 1 a beginning, 2 the end.

  Args:
    folder: Of the dataset; gets the model and the text of its pieces.
    texts: Of which those are read that begin within the first SAMPLE bytes.
    vocab: Pieces; fewer where the texts do not have as many.
  """
  library, model = _library(), io.BytesIO()
  try:
    library.SentencePieceTrainer.train(
      sentence_iterator=_sample(texts),
      model_writer=model,
      model_type='unigram',
      vocab_size=vocab,
      hard_vocab_limit=False,
      character_coverage=1.0,
      num_threads=THREADS,
      minloglevel=2,  # Errors.
    )
  except RuntimeError as error:
    raise DataError(
      f'No pieces of words can be found in the texts of {folder}: {error}.'
    ) from error
  (folder / pieces.MODEL).write_bytes(model.getvalue())
  found = load(folder)
  names = [_text(found, n) for n in range(found.vocab_size())]
  text = json.dumps(names, ensure_ascii=False)
  (folder / pieces.TEXT).write_text(text, encoding='utf-8')


def encode(folder: pathlib.Path, split: str) -> tuple[int, int]:
  """Writes the tokens of a split; how many pairs were kept, and left out."""
  model, records = load(folder), Records(folder, split)
  end = model.eos_id()

  def short() -> Iterator[list[list[int]]]:
    for pairs in _chunks(records):
      sides = [text for pair in pairs for text in pair]
      ids = iter(model.encode(sides, num_threads=cores()))
      for german, english in zip(ids, ids, strict=True):
        pair = [[*german, end], [*english, end]]
        if max(map(len, pair)) <= pieces.LIMIT:
          yield pair

  kept = pieces.save(folder, split, short())
  return kept, len(records) - kept


def sentences(folder: pathlib.Path, split: str) -> Iterator[str]:
  """Both sides of all pairs."""
  for pairs in _chunks(Records(folder, split)):
    yield from itertools.chain.from_iterable(pairs)


def load(folder: pathlib.Path) -> Any:
  """The model of a dataset, as SentencePiece has it."""
  return _library().SentencePieceProcessor(
    model_proto=(folder / pieces.MODEL).read_bytes()
  )


def _sample(texts: Iterable[str]) -> Iterator[str]:
  size = 0
  for text in texts:
    if size >= SAMPLE:
      return
    yield text
    size += len(text.encode()) + 1


def _chunks(records: Records) -> Iterator[list[tuple[str, str]]]:
  """All pairs of sentences."""
  for chunk in records.chunks(CHUNK):
    yield [_pair(records, number, record) for number, record in chunk]


def _pair(
  records: Records, number: int, record: dict[str, Any]
) -> tuple[str, str]:
  try:
    german, english = (record[side].decode() for side in pieces.SIDES)
  except (UnicodeDecodeError, LookupError, AttributeError) as error:
    raise DataError(
      f'{records.where(number)} has no text: {type(error).__name__} {error}.'
    ) from error
  return german, english


def _text(model: Any, number: int) -> str:
  """As SentencePiece itself says it; unknown is a word of its own."""
  if model.is_unknown(number):
    return '▁⁇▁'
  return '' if model.is_control(number) else model.id_to_piece(number)


def _library() -> Any:
  try:
    import sentencepiece  # noqa: PLC0415  Training does without.
  except ImportError as error:
    raise lacking('text', 'sentencepiece') from error
  return sentencepiece
