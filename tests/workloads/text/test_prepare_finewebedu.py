"""FineWeb-Edu in small: prepared by the command, cut, read, damaged."""

import math
import re
import shutil

import jax
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import workloads
from runner.trial.evaluate import evaluate
from tests.support import published_finewebedu as published
from tests.support.preparing import fixtures, say
from workloads import batches, data, prepare
from workloads.data import manifest
from workloads.text import prepare_finewebedu, reader, sequences
from workloads.workload import Model, mean_loss

tiktoken = pytest.importorskip('tiktoken')
DATASET = data.DATASETS['fineweb_edu']
NAME = 'finewebedu_lm'


raw, home, copy = fixtures(
  NAME,
  published.fineweb,
  (
    'vocab.bpe differs from the published',
    'examples; the published dataset has 8749870.',
  ),
)


def _words(document):
  """As GPT-2's pattern cuts the words of these documents."""
  return re.findall(r' ?[^\W\d_]+| ?\d+| ?[^\s\w]+|\s+(?!\S)|\s+', document)


def _tokens(document):
  """Byte pairs joined one after another, the most frequent first."""
  letters = published.letters()
  numbers = {name: n for n, name in enumerate(letters.values())}
  found = []
  for word in _words(document):
    parts = [letters[byte] for byte in word.encode()]
    for n, (first, second) in enumerate(published.MERGES):
      numbers[first + second] = 256 + n
      at = 0
      while at < len(parts) - 1:
        if parts[at : at + 2] == [first, second]:
          parts[at : at + 2] = [first + second]
        at += 1
    found += [numbers[part] for part in parts]
  return [*found, published.END]


def _split(documents):
  order = np.random.default_rng(42).permutation(len(documents))
  cut = math.ceil(0.1 * len(documents))
  return {
    'train': [documents[n] for n in order[cut:]],
    'validation': [documents[n] for n in order[:cut]],
  }


def _pieces(documents):
  flat = np.concatenate(documents)
  return flat[: len(flat) // 1025 * 1025].reshape(-1, 1025)


@pytest.mark.parametrize('split', ['train', 'validation'])
def test_sequences_are_the_documents_in_their_order(raw, home, split):
  documents = [_tokens(document) for document in raw[1]]
  wanted = _pieces(_split(documents)[split])
  source = workloads.get(NAME).source(split, str(home))
  rows = source[np.arange(len(source))]
  np.testing.assert_array_equal(rows['inputs'], wanted[:, :-1])
  np.testing.assert_array_equal(rows['targets'], wanted[:, 1:])


def test_batches_are_those_that_are_published(home):
  workload = workloads.get(NAME)
  key = jax.random.key(0)
  fake = workload.fake_batch(key, 4)
  like = {name: (leaf.shape, leaf.dtype) for name, leaf in fake.items()}
  train = batches.train_batch(workload.source('train', str(home)), 0, 0, 4)
  held = workload.source('validation', str(home))
  *_, last = batches.eval_batches(held, 4)
  assert last['weights'].sum() == (len(held) - 1) % 4 + 1
  for batch in (train, last):
    assert like == {n: (leaf.shape, leaf.dtype) for n, leaf in batch.items()}
  model = jax.eval_shape(workload.init, key)
  loss, _ = jax.eval_shape(
    lambda m: mean_loss(workload, m.params, m.state, train, key), model
  )
  stats = jax.eval_shape(workload.eval_stats, model, last)
  assert loss.shape == () and stats['loss'].shape == (4,)


def test_there_is_no_test_split_and_it_has_no_metrics(home):
  workload = workloads.get(NAME)
  source = workload.source('test', str(home))
  assert len(source) == 0
  assert evaluate(workload, Model({}), source, 4) == {}


def test_a_batch_is_a_function_of_its_place_in_the_stream(home):
  source = workloads.get(NAME).source('train', str(home))
  count = len(source)
  whole = source.draw(5, 0, count + 6)
  fresh = workloads.get(NAME).source('train', str(home))
  for name, rows in whole.items():
    later = fresh.draw(5, count - 3, 9)[name]
    np.testing.assert_array_equal(rows[count - 3 :], later)
  everything = source[np.arange(count)]['inputs']
  np.testing.assert_array_equal(
    np.unique(whole['inputs'][:count], axis=0), np.unique(everything, axis=0)
  )


def test_what_algoperf_has_prepared_is_the_same(raw, home, tmp_path):
  """Tokens of documents, split and in order, in Hugging Face's folders."""
  parts = _split([_tokens(document) for document in raw[1]])
  published.saved(
    tmp_path / 'theirs',
    {'train': parts['train'], 'val': parts['validation']},
  )
  place = prepare.prepare(
    DATASET, str(tmp_path / 'data'), str(tmp_path / 'theirs'), say
  )
  assert manifest.load(place) == manifest.load(data.folder(DATASET, home))


def test_sequences_go_on_in_the_next_file(tmp_path, monkeypatch):
  monkeypatch.setattr(sequences, 'SHARD', 3)
  tokens = np.random.default_rng(0).integers(0, 50_257, 1025 * 7 + 30)
  parts = np.split(tokens, [1, 2000, 2000, 1025 * 6 + 2])
  sequences.save(tmp_path, 'train', parts)
  found = sequences.load(tmp_path, 'train')
  assert [len(shard) for shard in found.shards] == [3, 3, 1]
  numbers = np.array([6, 0, 3, 2, 5])
  np.testing.assert_array_equal(
    found.take(numbers), tokens[: 1025 * 7].reshape(7, 1025)[numbers]
  )
  sequences.save(tmp_path, 'other', [tokens[: 1025 * 3 + 1]])
  assert len(sequences.load(tmp_path, 'other').shards) == 1
  (tmp_path / 'tokens-train-00001.bin').unlink()
  with pytest.raises(data.DataError, match=r'tokens-train-00002\.bin has 1025'):
    sequences.load(tmp_path, 'train')


def test_a_preparation_that_was_interrupted_goes_on(
  raw, home, tmp_path, monkeypatch
):
  """With the files that were not encoded; and once more while it writes."""
  left = iter([None] * 5)
  encoded = prepare_finewebedu._encoded

  def stops(path, encoding):
    next(left)
    return encoded(path, encoding)

  monkeypatch.setattr(prepare_finewebedu, '_encoded', stops)
  with pytest.raises(data.DataError, match='StopIteration'):
    prepare.prepare(DATASET, str(tmp_path), str(raw[0]), say)
  assert not data.folder(DATASET, tmp_path).exists()

  def cut(read, order):
    yield np.zeros(3000, int)
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(prepare_finewebedu, '_encoded', encoded)
    patch.setattr(prepare_finewebedu, '_ordered', cut)
    with pytest.raises(KeyboardInterrupt):
      prepare.prepare(DATASET, str(tmp_path), str(raw[0]), say)
  place = prepare.prepare(DATASET, str(tmp_path), str(raw[0]), say)
  assert manifest.load(place) == manifest.load(data.folder(DATASET, home))
  assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_prepared_again_nothing_changes_and_import_takes_it(home, tmp_path):
  before = {p: p.stat().st_mtime_ns for p in home.rglob('*') if p.is_file()}
  prepare.prepare(DATASET, str(home), None, say)
  assert before == {
    p: p.stat().st_mtime_ns for p in home.rglob('*') if p.is_file()
  }
  origin = data.folder(DATASET, home)
  place = prepare.take([DATASET], str(tmp_path), str(origin), say)
  assert manifest.load(place) == manifest.load(origin)


def test_files_that_changed_are_told(copy):
  path = data.folder(DATASET, copy) / 'tokens-train-00000.bin'
  path.write_bytes(b'xx' + path.read_bytes()[2:])
  with pytest.raises(data.DataError, match=r'00000\.bin has changed'):
    workloads.get(NAME).source('train', str(copy))
  path.write_bytes(path.read_bytes()[:-2])
  with pytest.raises(data.DataError, match=r'00000\.bin has'):
    workloads.get(NAME).source('train', str(copy))


def test_without_files_it_is_said_which_and_where_from(tmp_path):
  with pytest.raises(data.DataError, match=r'datasets/HuggingFaceFW/.*vocab'):
    prepare.prepare(DATASET, str(tmp_path), None, say)


def _no_text(folder):
  published.write(folder / '003_00000.parquet', ['a'] * 6 + [None, 'b'])


def _no_column(folder):
  table = pa.table({'words': ['a']})
  parquet.write_table(table, folder / '003_00000.parquet')


def _cut(folder, name):
  path = folder / name
  path.write_bytes(path.read_bytes()[:-9])


def _broken(folder):
  path = folder / '003_00000.parquet'
  content = bytearray(path.read_bytes())
  content[4:600] = bytes(596)
  path.write_bytes(content)


DAMAGES = {
  'no file': (
    lambda f: (f / '004_00000.parquet').unlink(),
    '004_00000.parquet is missing',
  ),
  'a file cut short': (
    lambda f: _cut(f, '004_00000.parquet'),
    '004_00000.parquet, row 0 or one of the next 1024, cannot be read',
  ),
  'a broken file': (_broken, '003_00000.parquet, row 0 or one of the next'),
  'a row without text': (_no_text, '003_00000.parquet, row 6 has no text'),
  'no column of text': (_no_column, '003_00000.parquet, row 0'),
  'another vocabulary': (
    lambda f: (f / 'encoder.json').write_text('{"a": 0}'),
    'encoder.json are not the vocabulary of GPT-2: AssertionError',
  ),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_text_is_told_and_leaves_nothing(raw, tmp_path, damage):
  change, message = DAMAGES[damage]
  folder = tmp_path / 'raw'
  shutil.copytree(raw[0], folder)
  change(folder)
  with pytest.raises(data.DataError, match=message):
    prepare.prepare(DATASET, str(tmp_path / 'data'), str(folder), say)
  assert not data.folder(DATASET, tmp_path / 'data').exists()


ARROWS = {
  'no file': (lambda path: path.unlink(), 'No such file'),
  'a file cut short': (
    lambda path: path.write_bytes(path.read_bytes()[:-200]),
    'has been cut short',
  ),
  'a broken file': (
    lambda path: path.write_bytes(
      b'x' * 200 + prepare_finewebedu.END_OF_STREAM
    ),
    'batch 0 cannot be read',
  ),
  'tokens of another vocabulary': (
    lambda path: published.arrow(path, [[1], [2], [3], [4, 50_257]]),
    'batch 1 has tokens from 4 to 50257',
  ),
  'a document without text': (
    lambda path: published.arrow(path, [[1], None]),
    'batch 0 has documents without text',
  ),
}


@pytest.mark.parametrize('damage', ARROWS)
def test_damaged_tokens_are_told_by_file_and_batch(tmp_path, damage):
  change, message = ARROWS[damage]
  parts = {name: [[1, 2, 3]] * 1000 for name in ('train', 'val')}
  published.saved(tmp_path / 'raw', parts)
  change(tmp_path / 'raw' / 'val' / 'data-00001-of-00002.arrow')
  with pytest.raises(
    data.DataError, match=f'val/data-00001-of-00002.arrow.*{message}'
  ):
    prepare.prepare(DATASET, str(tmp_path / 'd'), str(tmp_path / 'raw'), say)
  assert not data.folder(DATASET, tmp_path / 'd').exists()


def test_a_source_of_part_of_the_sequences(home):
  found = sequences.load(data.folder(DATASET, home), 'train')
  source = reader.Text(found, 5)
  drawn = source.draw(0, 0, 5)['inputs']
  assert sorted(row.sum() for row in drawn) == sorted(
    row[:-1].sum() for row in found.take(np.arange(5))
  )
