"""Builder of the 10-billion-token sample of FineWeb-Edu, in tokens of GPT-2.

Penedo et al. 2024, "The FineWeb Datasets", arXiv:2406.17557; Radford et al.
2019, "Language Models are Unsupervised Multitask Learners". TFDS does not have
it, and a record a sequence would be slower to read than flat files.

Documents are split as AlgoPerf splits them, by a permutation that Hugging
Face's `train_test_split(test_size=0.1, seed=42)` draws, and follow one another
in its order, an end of text behind each. Where AlgoPerf has prepared them
already, as folders `train` and `val` of Hugging Face's datasets, their tokens
are taken over. Text that says '<|endoftext|>' is text here.

Tokens are written twice: in the order of the text, a file at a time, so that a
preparation that was interrupted goes on with the files that are not there yet;
then in that of the permutation. Of documents only lengths and places are kept
in memory, some 30 bytes each.
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

END_OF_TEXT = 50_256  # The last of GPT-2's tokens.
HELD_OUT, SEED = 0.1, 42  # Of documents that validate, and of the permutation.
SAVED = {'train': 'train', 'validation': 'val'}  # AlgoPerf's folders, by split.
END_OF_STREAM = b'\xff\xff\xff\xff\0\0\0\0'  # Of Arrow's files.
CHUNK = 1024  # Documents that are read at once.


class Documents(NamedTuple):
  """Of one file, in its order."""

  tokens: np.ndarray  # [T], mapped.
  bounds: np.ndarray  # [N + 1]: document n has the tokens from bounds[n] on.


class FineWebEdu:
  """As prepare.Builder."""

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
        path.unlink()  # Not all of them may be there.
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
  """Tokens of the documents of every split, in order."""
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
  """Files of text, and the two of the vocabulary."""
  for file in FineWebEdu.dataset.raw:
    path = raw / file.name
    if not path.is_file():
      raise DataError(f'{path} is missing. {raw} must have {_names()}.')
    if file.sha256 and manifest.sha256(path) != file.sha256:
      tell(f'Note: {path} is not as it was published: its SHA-256 is another.')
  paths = [raw / file.name for file in FineWebEdu.dataset.raw]
  return paths[:-2], paths[-2:]


def _encoding(merges: pathlib.Path, vocabulary: pathlib.Path) -> Any:
  try:
    import tiktoken  # noqa: PLC0415  Training does without.
    from tiktoken import load  # noqa: PLC0415
    from tiktoken_ext import openai_public  # noqa: PLC0415
  except ImportError as error:
    raise lacking('text', 'tiktoken') from error
  try:
    # It caches files by their paths, and looks only at these hashes.
    ranks = load.data_gym_to_mergeable_bpe_ranks(
      str(merges),
      str(vocabulary),
      manifest.sha256(merges),
      manifest.sha256(vocabulary),
    )
  except (AssertionError, ValueError, LookupError) as error:
    raise DataError(
      f'{merges} and {vocabulary} are not those of GPT-2: '
      f'{type(error).__name__} {error}.'
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
  """The tokens of a file of text, written once."""
  # A file that was replaced since has another length.
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
      raise DataError(f'{path} has no documents.')
    partial = lengths.with_suffix('.partial')
    np.array(sizes, '<u4').tofile(partial)
    partial.replace(lengths)
  sizes = np.fromfile(lengths, '<u4').astype(np.int64)
  bounds = np.concatenate([[0], np.cumsum(sizes)])
  return Documents(np.asarray(np.memmap(tokens, '<u2', 'r')), bounds)


def _encoded(path: pathlib.Path, encoding: Any) -> Iterator[np.ndarray]:
  """Tokens of every document, without its end."""
  for first, texts in _texts(path):
    if None in texts:
      raise DataError(f'{path}, row {first + texts.index(None)} has no text.')
    yield from pool(cores()).map(
      lambda text: encoding.encode_to_numpy(text, disallowed_special=()), texts
    )


def _texts(path: pathlib.Path) -> Iterator[tuple[int, list[str | None]]]:
  """Number of the first row, and the texts of some rows."""
  import pyarrow as pa  # noqa: PLC0415  Training does without.
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
      f'{type(error).__name__} {error}.'
    ) from error


def _ordered(
  read: Sequence[Documents], order: np.ndarray
) -> Iterator[np.ndarray]:
  """Tokens of documents in any order; numbers go on from file to file."""
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
  """Tokens of a folder that Hugging Face's datasets have written."""
  state = home / 'state.json'
  try:
    files = json.loads(state.read_text(encoding='utf-8'))['_data_files']
    names = [str(file['filename']) for file in files]
  except (OSError, ValueError, LookupError, TypeError) as error:
    raise DataError(
      f'{home} is no dataset saved by Hugging Face: {type(error).__name__} '
      f'{error}.'
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
        raise DataError(f'{path} has been cut short: it has no end.')
    with pa.memory_map(str(path)) as file, ipc.open_stream(file) as stream:
      for batch in stream:
        lists = batch.column('input_ids')
        tokens = lists.flatten()
        if lists.null_count or tokens.null_count:
          raise DataError(f'{path}, batch {number} has documents without text.')
        numbers = tokens.to_numpy()
        if (
          len(numbers)
          and not 0 <= numbers.min() <= numbers.max() <= END_OF_TEXT
        ):
          raise DataError(
            f'{path}, batch {number} has tokens from {numbers.min()} to '
            f"{numbers.max()}; GPT-2's are 0 to {END_OF_TEXT}."
          )
        yield numbers
        number += 1
  except DataError:
    raise
  except (pa.ArrowException, OSError, LookupError, ValueError) as error:
    raise DataError(
      f'{path}, batch {number} cannot be read: {type(error).__name__} {error}.'
    ) from error
