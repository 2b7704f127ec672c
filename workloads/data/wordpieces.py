"""Tokenization of texts into word pieces during preparation.

Kudo 2018, "Subword Regularization", arXiv:1804.10959 (the unigram model);
Kudo and Richardson 2018, "SentencePiece", arXiv:1808.06226. The sizes are
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

SAMPLE = 10_000_000  # Bytes of text that the model is trained on.
CHUNK = 2048  # Records per read.
THREADS = 16  # Fixed: another number of threads rounds sums differently.


def train(folder: pathlib.Path, texts: Iterable[str], vocab: int) -> None:
  """Train a SentencePiece model on the first texts of a dataset.

  Token 0 is unknown and padding, 1 the beginning, 2 the end of a text.

  Args:
    folder: Folder of the dataset; receives the model and its pieces' text.
    texts: Training texts; those after the first SAMPLE bytes are not read.
    vocab: Maximum number of pieces; few texts have fewer.
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
      minloglevel=2,  # Log errors only.
    )
  except RuntimeError as error:
    raise DataError(
      f'SentencePiece cannot find word pieces in the texts of {folder}: '
      f'{error}. Prepare {folder} again from complete files.'
    ) from error
  (folder / pieces.MODEL).write_bytes(model.getvalue())
  found = load(folder)
  names = [_text(found, n) for n in range(found.vocab_size())]
  text = json.dumps(names, ensure_ascii=False)
  (folder / pieces.TEXT).write_text(text, encoding='utf-8')


def encode(folder: pathlib.Path, split: str) -> tuple[int, int]:
  """Write the tokens of a split; return the numbers of kept and skipped pairs.

  Pairs with more than pieces.LIMIT tokens in one language are skipped.
  """
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
  """Yield the texts of both languages of all pairs."""
  for pairs in _chunks(Records(folder, split)):
    yield from itertools.chain.from_iterable(pairs)


def load(folder: pathlib.Path) -> Any:
  """Return the SentencePiece model of a dataset."""
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
  """Yield all sentence pairs, CHUNK at a time."""
  for chunk in records.chunks(CHUNK):
    yield [_pair(records, number, record) for number, record in chunk]


def _pair(
  records: Records, number: int, record: dict[str, Any]
) -> tuple[str, str]:
  try:
    german, english = (record[side].decode() for side in pieces.SIDES)
  except (UnicodeDecodeError, LookupError, AttributeError) as error:
    raise DataError(
      f'{records.where(number)} has no text: {type(error).__name__} {error}. '
      'Prepare the dataset again.'
    ) from error
  return german, english


def _text(model: Any, number: int) -> str:
  """Return a piece's text as SentencePiece decodes it; unknown is a word."""
  if model.is_unknown(number):
    return '▁⁇▁'
  return '' if model.is_control(number) else model.id_to_piece(number)


def _library() -> Any:
  try:
    import sentencepiece  # noqa: PLC0415  Only the preparation needs it.
  except ImportError as error:
    raise lacking('text', 'sentencepiece') from error
  return sentencepiece
