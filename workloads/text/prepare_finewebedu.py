"""Builder of FineWeb-Edu's 10-billion-token sample, in GPT-2's tokens.

Penedo et al. 2024, "The FineWeb Datasets", arXiv:2406.17557; Radford et al.
2019, "Language Models are Unsupervised Multitask Learners". TFDS has no such
dataset. The builder writes flat files, which are faster to read than records.

The split is AlgoPerf's: a permutation of documents drawn by Hugging Face's
`train_test_split(test_size=0.1, seed=42)`. Documents follow each other in this
order, each with an end-of-text token. The folders `train` and `val` that
AlgoPerf prepares (in Hugging Face's format) work as input, too. The string
'<|endoftext|>' inside a document is encoded as ordinary text.

Tokens are written twice: first in the order of the files, one file at a time,
which lets an interrupted preparation continue with the missing files; then in
the order of the permutation. Memory keeps only lengths and positions of
documents, about 30 bytes each.
"""

import itertools
import json
import math
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from workloads.data import folder, manifest, replacing
from workloads.data.catalogue import DATASETS
from workloads.data.manifest import DataError, lacking
from workloads.data.threads import cores, pool
from workloads.text import sequences

END_OF_TEXT = 50_256  # GPT-2's last token.
HELD_OUT, SEED = 0.1, 42  # Validation share, and seed of the permutation.
SAVED = {'train': 'train', 'validation': 'val'}  # AlgoPerf's folders by split.
END_OF_STREAM = b'\xff\xff\xff\xff\0\0\0\0'  # Last bytes of Arrow files.
CHUNK = 1024  # Documents per read.


class Documents(NamedTuple):
  """Documents of one file, in its order."""

  tokens: np.ndarray  # [T], memory-mapped.
  bounds: (
    np.ndarray
  )  # [N + 1]: document n is tokens[bounds[n] : bounds[n + 1]].


class FineWebEdu:
  """Builder of the dataset; see prepare.Builder."""

  name = 'fineweb_edu'
  dataset = DATASETS[name]

  @classmethod
  def make(cls, data_dir, raw, tell):
    place = folder(cls.dataset, data_dir)
    if cls.holds(place):
      return
    if raw is None:
      raise cls.dataset.refusal(_names())
    with replacing(place) as partial:
      partial.mkdir(parents=True, exist_ok=True)
      for path in partial.glob('tokens-*.bin'):
        path.unlink()  # An interrupted run may have left incomplete files.
      splits = _splits(pathlib.Path(raw), partial, tell)
      for split, parts in splits.items():
        tell(f'Writing the sequences of {split} ...')
        sequences.save(partial, split, parts)
      shutil.rmtree(partial / 'documents', ignore_errors=True)

  @classmethod
  def finish(cls, place, tell):
    found = {split: len(sequences.load(place, split)) for split in SAVED}
    tell('Hashing the files ...')
    return found | {
      'validation': min(found['validation'], sequences.VALIDATION)
    }

  @classmethod
  def holds(cls, place):
    return all(any(place.glob(f'tokens-{split}-*.bin')) for split in SAVED)


def _splits(
  raw: pathlib.Path, partial: pathlib.Path, tell
) -> Mapping[str, Iterator[np.ndarray]]:
  """Return the tokens of the documents of every split, in order."""
  if all((raw / name).is_dir() for name in SAVED.values()):
    return {split: _saved(raw / name) for split, name in SAVED.items()}
  texts, vocabulary = _published(raw, tell)
  home = partial / 'documents'
  home.mkdir(exist_ok=True)
  encoding = _encoding(*vocabulary)
  read = [_documents(path, home, encoding, tell) for path in texts]
  count = sum(len(one.bounds) - 1 for one in read)
  order = np.random.default_rng(SEED).permutation(count)
  held_out = math.ceil(HELD_OUT * count)
  return {
    'train': _ordered(read, order[held_out:]),
    'validation': _ordered(read, order[:held_out]),
  }


def _names() -> str:
  files = [file.name for file in FineWebEdu.dataset.raw]
  return f'{", ".join(files)}, or the folders train and val of AlgoPerf'


def _published(
  raw: pathlib.Path, tell
) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
  """Return the text files, and the two vocabulary files."""
  for file in FineWebEdu.dataset.raw:
    path = raw / file.name
    if not path.is_file():
      raise DataError(
        f'{path} is missing. {raw} must contain {_names()}. Download the '
        'missing files.'
      )
    if file.sha256 and manifest.sha256(path) != file.sha256:
      tell(f'Note: {path} differs from the published file in its SHA-256.')
  paths = [raw / file.name for file in FineWebEdu.dataset.raw]
  return paths[:-2], paths[-2:]


def _encoding(merges: pathlib.Path, vocabulary: pathlib.Path) -> Any:
  try:
    import tiktoken  # noqa: PLC0415  Only the preparation needs it.
    from tiktoken import load  # noqa: PLC0415
    from tiktoken_ext import openai_public  # noqa: PLC0415
  except ImportError as error:
    raise lacking('text', 'tiktoken') from error
  try:
    # tiktoken caches files by path and compares only these hashes.
    ranks = load.data_gym_to_mergeable_bpe_ranks(
      str(merges),
      str(vocabulary),
      manifest.sha256(merges),
      manifest.sha256(vocabulary),
    )
  except (AssertionError, ValueError, LookupError) as error:
    raise DataError(
      f'{merges} and {vocabulary} are not the vocabulary of GPT-2: '
      f'{type(error).__name__} {error}. Download both files again.'
    ) from error
  return tiktoken.Encoding(
    'gpt2',
    pat_str=openai_public.r50k_pat_str,
    mergeable_ranks=ranks,
    special_tokens={},
  )


def _documents(
  path: pathlib.Path, home: pathlib.Path, encoding: Any, tell
) -> Documents:
  """Return the tokens of a text file; encode the file once."""
  # The length in the name detects a replaced file.
  stem = f'{path.stem}-{path.stat().st_size}'
  tokens, lengths = (home / f'{stem}.{end}' for end in ('tokens', 'lengths'))
  if not lengths.exists():
    tell(f'Encoding {path} ...')
    sizes = []
    with tokens.open('wb') as file:
      for part in _encoded(path, encoding):
        file.write(np.append(part, END_OF_TEXT).astype('<u2').tobytes())
        sizes.append(len(part) + 1)
    if not sizes:
      raise DataError(f'{path} has no documents. Download the file again.')
    partial = lengths.with_suffix('.partial')
    np.array(sizes, '<u4').tofile(partial)
    partial.replace(lengths)
  sizes = np.fromfile(lengths, '<u4').astype(np.int64)
  bounds = np.concatenate([[0], np.cumsum(sizes)])
  return Documents(np.asarray(np.memmap(tokens, '<u2', 'r')), bounds)


def _encoded(path: pathlib.Path, encoding: Any) -> Iterator[np.ndarray]:
  """Yield the tokens of every document, without the end-of-text token."""
  for first, texts in _texts(path):
    if None in texts:
      raise DataError(
        f'{path}, row {first + texts.index(None)} has no text. Download the '
        'file again.'
      )
    yield from pool(cores()).map(
      lambda text: encoding.encode_to_numpy(text, disallowed_special=()), texts
    )


def _texts(path: pathlib.Path) -> Iterator[tuple[int, list[str | None]]]:
  """Yield the texts of CHUNK rows, with the number of the first row."""
  import pyarrow as pa  # noqa: PLC0415  Only the preparation needs it.
  from pyarrow import parquet  # noqa: PLC0415

  row = 0
  try:
    with parquet.ParquetFile(path) as file:
      for batch in file.iter_batches(CHUNK, columns=['text']):
        yield row, batch.column('text').to_pylist()
        row += len(batch)
  except (pa.ArrowException, OSError, LookupError, ValueError) as error:
    raise DataError(
      f'{path}, row {row} or one of the next {CHUNK}, cannot be read: '
      f'{type(error).__name__} {error}. Download the file again.'
    ) from error


def _ordered(
  read: Sequence[Documents], order: np.ndarray
) -> Iterator[np.ndarray]:
  """Yield tokens of documents in a given order.

  Documents are numbered through all files.
  """
  counts = [len(one.bounds) - 1 for one in read]
  firsts = np.cumsum([0, *counts])
  for start in range(0, len(order), CHUNK):
    numbers = order[start : start + CHUNK]
    files = np.searchsorted(firsts, numbers, side='right') - 1
    parts = []
    for file, n in zip(files, numbers - firsts[files], strict=True):
      tokens, bounds = read[file]
      parts.append(tokens[bounds[n] : bounds[n + 1]])
    yield np.concatenate(parts)


def _saved(home: pathlib.Path) -> Iterator[np.ndarray]:
  """Return the tokens of a folder saved by Hugging Face's `datasets`."""
  state = home / 'state.json'
  try:
    files = json.loads(state.read_text(encoding='utf-8'))['_data_files']
    names = [str(file['filename']) for file in files]
  except (OSError, ValueError, LookupError, TypeError) as error:
    raise DataError(
      f'{home} is no dataset saved by Hugging Face: {type(error).__name__} '
      f'{error}. Use the folders that AlgoPerf has prepared.'
    ) from error
  return itertools.chain.from_iterable(_arrow(home / name) for name in names)


def _arrow(path: pathlib.Path) -> Iterator[np.ndarray]:
  import pyarrow as pa  # noqa: PLC0415
  from pyarrow import ipc  # noqa: PLC0415

  number = 0
  try:
    with path.open('rb') as file:
      file.seek(-len(END_OF_STREAM), 2)
      if file.read() != END_OF_STREAM:
        raise DataError(
          f'{path} has been cut short: it has no end. Copy the file again.'
        )
    with pa.memory_map(str(path)) as file, ipc.open_stream(file) as stream:
      for batch in stream:
        lists = batch.column('input_ids')
        tokens = lists.flatten()
        if lists.null_count or tokens.null_count:
          raise DataError(
            f'{path}, batch {number} has documents without text. Prepare the '
            'folder again.'
          )
        numbers = tokens.to_numpy()
        if (
          len(numbers)
          and not 0 <= numbers.min() <= numbers.max() <= END_OF_TEXT
        ):
          raise DataError(
            f'{path}, batch {number} has tokens from {numbers.min()} to '
            f"{numbers.max()}; GPT-2's are 0 to {END_OF_TEXT}. Prepare the "
            'folder with the tokenizer of GPT-2.'
          )
        yield numbers
        number += 1
  except DataError:
    raise
  except (pa.ArrowException, OSError, LookupError, ValueError) as error:
    raise DataError(
      f'{path}, batch {number} cannot be read: {type(error).__name__} {error}. '
      'Copy the file again.'
    ) from error
