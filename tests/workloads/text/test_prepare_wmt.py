"""WMT's sentence pairs in small: prepared by the command, packed, damaged."""

import gzip
import itertools
import shutil
import tarfile

import jax
import numpy as np
import pytest
from tensorflow_datasets.translate import wmt as theirs, wmt14, wmt17

import workloads
from tests.support import published_wmt as published
from tests.support.preparing import fixtures, say
from workloads import batches, data, prepare
from workloads.data import manifest, pieces, records
from workloads.data.pieces import Texts
from workloads.text import bleu, packing, prepare_wmt
from workloads.workload import mean_loss

sentencepiece = pytest.importorskip('sentencepiece')
TRAIN, NEWS = data.DATASETS['wmt17_translate'], data.DATASETS['wmt14_translate']
SIDES = ('inputs', 'targets')


raw, home, copy = fixtures(
  'wmt',
  published.wmt,
  (
    'train has 592 pairs; 4 pairs with a sentence',
    'Note: test has 7 examples; the published dataset has 3003.',
  ),
)


@pytest.fixture(scope='module')
def model(home):
  place = data.folder(TRAIN, home) / pieces.MODEL
  return sentencepiece.SentencePieceProcessor(model_file=str(place))


def _expected(home, model, dataset, split):
  """Tokens of all short pairs, in the order of the records."""
  found = records.Records(data.folder(dataset, home), split)
  pairs = [
    [[*model.encode(record[side].decode()), 2] for side in ('de', 'en')]
    for record in found[range(len(found))]
  ]
  return [pair for pair in pairs if max(map(len, pair)) <= 256]


def _sentences(rows, side):
  """Tokens by row, segment and position, checked to be one after another."""
  for tokens, position, segment in zip(
    rows[side], rows[f'{side}_position'], rows[f'{side}_segmentation'],
    strict=True,
  ):  # fmt: skip
    count = segment.max()
    found = [tokens[segment == n].tolist() for n in range(1, count + 1)]
    joined = list(itertools.chain.from_iterable(found))
    assert tokens.tolist() == joined + [0] * (len(tokens) - len(joined))
    places = list(itertools.chain.from_iterable(range(len(f)) for f in found))
    assert position.tolist() == places + [0] * (len(tokens) - len(joined))
    yield found


def test_records_are_those_of_tfds(raw, home, tmp_path):
  """By its own code, which has the files of its archives, and its own keys."""
  for published_as, builder in (
    (wmt17.Wmt17Translate, prepare_wmt.Wmt17),
    (wmt14.Wmt14Translate, prepare_wmt.Wmt14),
  ):
    own = published_as(config='de-en', data_dir=tmp_path)
    mine = builder(data_dir=tmp_path / 'mine')
    assert (own.name, own.info.version) == (mine.name, mine.info.version)
    assert own.info.features.keys() == mine.info.features.keys()
    mine.raw = raw[0]
    for split, examples in mine._split_generators(None).items():
      unpacked = {}
      for name in own.subsets[split]:
        [url] = theirs.DATASET_MAP[name].get_url('de')
        archive = next(f for f in mine.dataset.raw if url.endswith(f.name))
        assert url == mine.dataset.address(archive)
        unpacked[name] = [str(tmp_path / archive.name.partition('.')[0])]
        with tarfile.open(raw[0] / archive.name) as file:
          file.extractall(unpacked[name][0], filter='data')
      wanted = own._generate_examples(own.subsets[split], unpacked)
      assert list(examples) == list(wanted)


def test_training_rows_hold_every_pair_of_an_epoch_once(home, model):
  source = workloads.get('wmt').source('train', str(home))
  wanted = _expected(home, model, TRAIN, 'train')
  assert len(source) == len(wanted) == 592
  count = packing._size(source, 3, 0)
  rows = batches.train_batch(source, 3, 0, count)
  pairs = [
    list(zip(*sides, strict=True))
    for sides in zip(*(_sentences(rows, s) for s in SIDES), strict=True)
  ]
  flat = [list(pair) for row in pairs for pair in row]
  order = np.random.default_rng([3, 0]).permutation(592)
  assert flat == [wanted[n] for n in order]
  assert [len(row) for row in pairs] == _greedy([wanted[n] for n in order])
  fake = workloads.get('wmt').fake_batch(jax.random.key(0), count)
  assert {k: (v.shape, v.dtype) for k, v in rows.items()} == {
    k: (v.shape, v.dtype) for k, v in fake.items()
  }


def _greedy(pairs):
  """Pairs of every row, one at a time."""
  sizes = []
  for start in range(0, len(pairs), 256):
    left = (0, 0)
    for pair in pairs[start : start + 256]:
      need = [len(side) for side in pair]
      if any(n > room for n, room in zip(need, left, strict=True)):
        sizes.append(0)
        left = (256, 256)
      sizes[-1] += 1
      left = [room - n for n, room in zip(need, left, strict=True)]
  return sizes


@pytest.mark.parametrize('count', [1, 255, 256, 257, 1000])
def test_packing_is_that_of_a_loop(count):
  rng = np.random.default_rng(count)
  lengths = rng.integers(1, 257, (count, 2)) // rng.integers(1, 9, (count, 1))
  lengths = np.maximum(lengths, 1)
  pairs = [(range(a), range(b)) for a, b in lengths]
  found = packing.bounds(lengths, 256)
  assert np.diff(found).tolist() == _greedy(pairs)


def test_a_batch_is_a_function_of_its_place_in_the_stream(home):
  """In pieces, of a fresh source, and across the end of an epoch."""
  source = workloads.get('wmt').source('train', str(home))
  first = packing._size(source, 5, 0) - 4
  whole = source.draw(5, first, 10)
  fresh = workloads.get('wmt').source('train', str(home))
  parts = [fresh.draw(5, at, n) for at, n in ((first, 3), (first + 3, 7))]
  for name, rows in whole.items():
    halves = np.concatenate([part[name] for part in parts])
    np.testing.assert_array_equal(rows, halves)
  np.testing.assert_array_equal(
    whole['inputs'][4:], source.draw(5, first + 4, 6)['inputs']
  )
  assert (source.draw(6, first, 10)['inputs'] != whole['inputs']).any()


def test_evaluation_has_one_pair_a_row_in_order(home, model):
  for split in ('validation', 'test'):
    source = workloads.get('wmt').source(split, str(home))
    first, last = batches.eval_batches(source, 4)
    assert last['weights'].tolist() == [1, 1, 1, 0]
    wanted = _expected(home, model, NEWS, split)
    for side, name in enumerate(SIDES):
      found = [*_sentences(first, name), *_sentences(last, name)]
      assert [row for [row] in found[:7]] == [pair[side] for pair in wanted]
      assert first[name].shape == (4, 256) and first[name].dtype == np.int32


def test_pieces_become_text_as_sentencepiece_says_it(home, model):
  place = data.folder(TRAIN, home)
  texts = pieces.text(place, 32_000)
  assert model.vocab_size() < len(texts) == 32_000
  assert [model.unk_id(), model.bos_id(), model.eos_id()] == [0, 1, 2]
  for ids in _expected(home, model, NEWS, 'test')[0], [[5, 0, 1, 9, 2]]:
    for side in ids:
      mine = bleu.text(np.array(side), texts)
      assert mine.split() == model.decode(side).split()
  # An untrained model says what no text has.
  assert bleu.text(np.array([31_999]), texts) == '⁇'


def test_a_published_workload_takes_such_batches(home):
  workload = workloads.get('wmt').with_text(str(home))
  assert workload == workloads.get('wmt')
  train = batches.train_batch(workload.source('train', str(home)), 0, 0, 4)
  held = next(batches.eval_batches(workload.source('test', str(home)), 4))
  key = jax.random.key(0)
  model = jax.eval_shape(workload.init, key)
  loss, _ = jax.eval_shape(
    lambda m: mean_loss(workload, m.params, m.state, train, key), model
  )
  assert loss.shape == ()
  stats = jax.eval_shape(workload.eval_stats, model, held)
  assert stats['hypothesis'].shape == (4, 255)
  stats = {'loss': np.ones(4), 'right': np.ones(4), 'tokens': np.ones(4)}
  stats |= {'hypothesis': held['targets'], 'reference': held['targets']}
  assert workload.summarize(stats)['bleu'] == pytest.approx(100)


def test_padding_is_what_no_pair_fills(home):
  workload = workloads.get('wmt')
  batch = workload.source('validation', str(home))[np.arange(3)]
  filled = sum((batch[f'{side}_segmentation'] > 0).sum() for side in SIDES)
  assert workload.padding(batch) == pytest.approx(1 - filled / (6 * 256))
  assert workloads.get('mnist').padding({}) == 0
  rows = workload.source('train', str(home)).draw(0, 0, 8)
  assert workload.padding(rows) < workload.padding(batch) / 2


def test_the_same_pieces_are_found_again(home, copy):
  place = data.folder(TRAIN, copy)
  known = manifest.load(place)
  for name in (manifest.NAME, pieces.MODEL, 'tokens-train.bin'):
    (place / name).unlink()
  with pytest.raises(data.DataError, match='not finished'):
    workloads.get('wmt').source('train', str(copy))
  prepare.prepare(TRAIN, str(copy), None, say)
  assert manifest.load(place) == known


def test_prepared_again_nothing_changes(home):
  before = {p: p.stat().st_mtime_ns for p in home.rglob('*') if p.is_file()}
  for dataset in (TRAIN, NEWS):
    prepare.prepare(dataset, str(home), None, say)
  assert before == {
    p: p.stat().st_mtime_ns for p in home.rglob('*') if p.is_file()
  }


def test_what_tfds_has_prepared_elsewhere_is_taken_over(home, tmp_path):
  """The second one's tokens are the first one's, which must be there."""
  for dataset in (TRAIN, NEWS):
    origin = data.folder(dataset, tmp_path / 'theirs')
    shutil.copytree(data.folder(dataset, home), origin)
    for path in [*origin.glob('*.bin'), *origin.glob('pieces.*')]:
      path.unlink()
    (origin / manifest.NAME).unlink()
  origins = [data.folder(d, tmp_path / 'theirs') for d in (NEWS, TRAIN)]
  with pytest.raises(data.DataError, match='Prepare or import that first'):
    prepare.take([TRAIN, NEWS], str(tmp_path / 'a'), str(origins[0]), say)
  for origin in reversed(origins):
    prepare.take([TRAIN, NEWS], str(tmp_path / 'b'), str(origin), say)
  for dataset in (TRAIN, NEWS):
    taken, known = (
      manifest.load(data.folder(dataset, place))
      for place in (tmp_path / 'b', home)
    )
    assert taken == known


def test_tokens_of_other_pieces_are_told(copy):
  place = data.folder(NEWS, copy)
  (place / pieces.MODEL).write_bytes(b'another')
  manifest.write(place, manifest.load(place).examples)
  with pytest.raises(data.DataError, match='different SentencePiece models'):
    workloads.get('wmt').source('test', str(copy))


def test_tokens_that_are_too_few_are_told(copy):
  place = data.folder(NEWS, copy)
  path = place / 'tokens-test.bin'
  path.write_bytes(path.read_bytes()[:-2])
  with pytest.raises(data.DataError, match=r'tokens-test\.bin has'):
    workloads.get('wmt').source('test', str(copy))
  manifest.write(place, manifest.load(place).examples)
  with pytest.raises(data.DataError, match=r'lengths-test\.bin requires'):
    workloads.get('wmt').source('test', str(copy))


def _archive(folder, **files):
  """Writes news again, with some files changed."""
  with tarfile.open(folder / 'dev.tgz') as archive:
    old = {m.name: archive.extractfile(m).read() for m in archive}
  changed = {f'dev/newstest2013.{end}': body for end, body in files.items()}
  new = {n: b for n, b in (old | changed).items() if b is not None}
  published.write(folder / 'dev.tgz', new)


def _cut(folder):
  path = folder / 'dev.tgz'
  whole = gzip.decompress(path.read_bytes())
  start = whole.index(b'dev/newstest2013.en') + 512
  path.write_bytes(gzip.compress(whole[: start + 20]))


DAMAGES = {
  'no archive': (lambda f: (f / 'dev.tgz').unlink(), 'dev.tgz is missing'),
  'no file': (lambda f: _archive(f, de=None), 'no file dev/newstest2013.de'),
  'a side too short': (
    lambda f: _archive(f, en=b'One.\n'),
    'dev/newstest2013.en ends after 1 sentences',
  ),
  'no text': (
    lambda f: _archive(f, en=b'One.\nTw\xffo.\n'),
    'dev/newstest2013.en, line 1: UnicodeDecodeError',
  ),
  'half an archive': (_cut, 'dev.tgz, dev/newstest2013.en, line 0: ReadError'),
  'half a download': (
    lambda f: (f / 'dev.tgz').write_bytes((f / 'dev.tgz').read_bytes()[:200]),
    'dev.tgz, dev/newstest2013.de, line 0: ',
  ),
  'no archive at all': (
    lambda f: (f / 'dev.tgz').write_bytes(b'<html>'),
    'dev.tgz, dev/newstest2013.de, line 0: ReadError',
  ),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_archives_are_told_and_leave_nothing(raw, tmp_path, damage):
  change, message = DAMAGES[damage]
  shutil.copyfile(raw[0] / 'dev.tgz', tmp_path / 'dev.tgz')
  change(tmp_path)
  home = tmp_path / 'data'
  with pytest.raises(data.DataError, match=message):
    prepare.prepare(NEWS, str(home), str(tmp_path), say)
  assert not data.folder(NEWS, home).exists()


def test_places_of_tokens_in_a_long_file():
  """Beyond what 16 or 32 bits number, in effect: sums are in 64."""
  lengths = np.full((70_000, 2), 60_000, '<u2')
  packed = packing.packed(Texts(np.zeros(0, '<u2'), lengths), 256)
  assert packed.starts[-1].tolist() == [139_998 * 60_000, 139_999 * 60_000]


def test_a_record_without_text_is_told_by_its_file(
  home, raw, tmp_path, monkeypatch
):
  """TFDS stores what it is given."""
  shutil.copytree(data.folder(TRAIN, home), data.folder(TRAIN, tmp_path))
  bad = [('Gut.', 'Good.'), ('Gut.', b'\xff')]
  monkeypatch.setattr(prepare_wmt, '_pairs', lambda corpus, archive: bad)
  with pytest.raises(
    data.DataError,
    match=r'validation.array_record-00000-of-00001, record \d has no text',
  ):
    prepare.prepare(NEWS, str(tmp_path), str(raw[0]), say)
