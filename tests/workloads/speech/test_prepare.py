"""LibriSpeech in small: prepared by the command, read, damaged."""

import dataclasses
import gzip
import json
import pathlib
import shutil
import struct
import sys

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python import array_record_module

import workloads
from tests.support import published_librispeech as published
from tests.support.preparing import command, fixtures, say
from workloads import batches, data, prepare
from workloads.data import manifest, pieces, records
from workloads.speech import flac, prepare as librispeech, wer

sentencepiece = pytest.importorskip('sentencepiece')
BOTH = ('librispeech_conformer', 'librispeech_deepspeech')
DATASET = data.DATASETS['librispeech']
SPLITS = {  # Archives, as AlgoPerf joins them.
  'train': ('train-clean-100', 'train-clean-360', 'train-other-500'),
  'validation': ('dev-clean', 'dev-other'),
  'test': ('test-clean',),
}
LEFT_OUT = ('103-1240-0002', '103-1241-0001', '2277-149896-0000')
COUNTS = {'train': 25, 'validation': 8, 'test': 5}


raw, home, copy = fixtures(
  BOTH[0],
  published.librispeech,
  (
    'train has 25 utterances; 2 with more than',
    'Note: test has 5 examples; the published dataset has 2472.',
  ),
)


@pytest.fixture(scope='module')
def place(home):
  return data.folder(DATASET, home)


def source(home, split, name=BOTH[0]):
  return workloads.get(name).source(split, str(home))


def wanted(raw, split):
  """Transcripts and waveforms of a split's utterances that are short."""
  spoken = {}
  for subset in SPLITS[split]:
    spoken |= raw[1][subset]
  return {text: wave for n, (wave, text) in spoken.items() if n not in LEFT_OUT}


def heard(batch, texts):
  """Transcripts and waveforms of a batch, without padding."""
  made = []
  for n in range(len(batch['inputs'])):
    size = int((1 - batch['input_paddings'][n]).sum())
    assert not batch['inputs'][n, size:].any()
    assert not batch['input_paddings'][n, :size].any()
    length = int((1 - batch['target_paddings'][n]).sum())
    assert not batch['targets'][n, length:].any()
    assert not batch['target_paddings'][n, :length].any()
    assert batch['targets'][n, length - 1] == 2
    assert batch['targets'][n, : length - 1].min() > 2
    words = wer.text(batch['targets'][n], texts)
    made.append((words, batch['inputs'][n, :size].astype(np.int64)))
  return made


@pytest.mark.parametrize('split', SPLITS)
def test_every_short_utterance_is_there_with_its_words(home, raw, split):
  """At most 320,000 samples and 256 characters; none twice, none lost."""
  found = source(home, split)
  assert len(found) == COUNTS[split]
  texts = workloads.get(BOTH[0]).with_text(str(home)).pieces
  spoken = wanted(raw, split)
  assert len(spoken) == COUNTS[split]
  read = []
  for batch in batches.eval_batches(found, 9):
    read += heard(batch, texts)[: int(batch['weights'].sum())]
  assert sorted(text for text, _ in read) == sorted(spoken)
  for text, wave in read:
    np.testing.assert_array_equal(wave, spoken[text])


@pytest.mark.parametrize('name', BOTH)
def test_batches_have_the_published_shapes_and_types(home, name):
  workload = workloads.get(name)
  found = workload.source('validation', str(home))
  first, last = batches.eval_batches(found, 6)
  fake = jax.eval_shape(
    lambda key: workload.fake_batch(key, 6), jax.random.key(0)
  )
  for batch in (first, last, batches.train_batch(found, 0, 5, 6)):
    assert {k: (v.shape, v.dtype) for k, v in batch.items()} == {
      k: (v.shape, v.dtype) for k, v in fake.items()
    }
  assert first['inputs'].shape == (6, 320_000)
  assert first['targets'].shape == (6, 256)
  assert last['weights'].tolist() == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize('name', BOTH)
def test_a_published_workload_takes_such_batches(home, name):
  workload = workloads.get(name).with_text(str(home))
  assert workload == workloads.get(name)
  batch = batches.train_batch(workload.source('train', str(home)), 0, 0, 2)
  model = jax.eval_shape(workload.init, jax.random.key(0))
  losses, tokens = jax.eval_shape(
    lambda m, b: workload.losses(
      workload.forward(m, b, jax.random.key(1), 0.1)[0], b, 0.0
    ),
    model,
    batch,
  )
  assert losses.shape == tokens.shape == (2,)
  stats = jax.eval_shape(workload.eval_stats, model, batch)
  assert stats['hypothesis'].shape == (2, 500)


@pytest.mark.parametrize('name', BOTH)
def test_errors_are_counted_in_real_words(home, raw, name):
  """One of a transcript's words is left out, another is misheard."""
  workload = workloads.get(name).with_text(str(home))
  model = _model(home)
  text = next(t for t in wanted(raw, 'test') if len(t.split()) > 3)
  words = text.split()
  ids = model.encode(' '.join([*words[:-2], 'WIZARDSFOX']))
  rows = {'hypothesis': ids, 'reference': [*model.encode(text), 2]}
  stats = {
    key: np.array([row + [0] * (256 - len(row))]) for key, row in rows.items()
  }
  stats |= {'ctc_loss': np.array([6.0]), 'tokens': np.array([3.0])}
  metrics = workload.summarize(stats)
  assert metrics == {'wer': 2 / len(words), 'ctc_loss': 2.0}
  with pytest.raises(data.DataError, match=r'workload.with_text\(data_dir\)'):
    workloads.get(name).summarize(stats)


def _model(home):
  path = data.folder(DATASET, home) / pieces.MODEL
  return sentencepiece.SentencePieceProcessor(model_file=str(path))


def test_pieces_are_those_of_the_first_archive_and_become_text(home, raw):
  """Trained anew by SentencePiece itself, in the order of names."""
  model, texts = (
    _model(home),
    workloads.get(BOTH[0]).with_text(str(home)).pieces,
  )
  assert model.vocab_size() < len(texts) == 1024
  # An untrained network says what no transcript has.
  assert wer.text([1023], texts) == '⁇'
  assert [model.unk_id(), model.bos_id(), model.eos_id()] == [0, 1, 2]
  said = raw[1]['train-clean-100']
  read = librispeech._spoken(data.folder(DATASET, home))
  assert read == [said[name][1] for name in sorted(said)]
  file = pathlib.Path(home) / 'said.txt'
  file.write_text(''.join(f'{said[name][1]}\n' for name in sorted(said)))
  sentencepiece.SentencePieceTrainer.train(
    input=str(file), model_prefix=str(home / 'again'), vocab_size=1024,
    hard_vocab_limit=False, character_coverage=1.0, model_type='unigram',
    minloglevel=2,
  )  # fmt: skip
  again = sentencepiece.SentencePieceProcessor(
    model_file=str(home / 'again.model')
  )
  for subset in raw[1].values():
    for _, text in subset.values():
      ids = model.encode(text)
      assert ids == again.encode(text)
      assert wer.text([*ids, 2, 5], texts) == text
      assert model.decode(ids) == text


def test_text_is_what_sentencepiece_decodes_whatever_is_heard(home):
  """Greedy decoding says any pieces: ends in the middle, spaces alone."""
  model = _model(home)
  texts = workloads.get(BOTH[0]).with_text(str(home)).pieces
  rng = np.random.default_rng(0)
  ends, space = model.eos_id(), model.piece_to_id('▁')
  assert not model.is_unknown(space)
  for _ in range(200):
    ids = rng.integers(1, model.vocab_size(), rng.integers(1, 8))
    ids[rng.random(len(ids)) < 0.3] = ends
    ids[rng.random(len(ids)) < 0.2] = space
    heard = [*ids, 0, 0]
    assert wer.text(heard, texts, whole=True) == model.decode(ids.tolist())


def test_padding_is_the_share_of_samples_that_nobody_speaks(home, raw):
  batch = next(batches.eval_batches(source(home, 'test'), 5))
  spoken = sum(len(wave) for wave in wanted(raw, 'test').values())
  for name in BOTH:
    share = workloads.get(name).padding(batch)
    assert share == pytest.approx(1 - spoken / (5 * 320_000), rel=1e-5)


def test_batches_depend_on_their_place_alone(home):
  """Not on threads, nor on what was drawn before; across an epoch's end."""
  found = source(home, 'train')
  whole = found.draw(7, 20, 9)
  for threads in (1, 5):
    again = dataclasses.replace(source(home, 'train'), threads=threads)
    parts = [again.draw(7, first, n) for first, n in ((20, 2), (22, 7))]
    for key, rows in whole.items():
      joined = np.concatenate([part[key] for part in parts])
      np.testing.assert_array_equal(rows, joined)
  assert (found.draw(8, 20, 9)['targets'] != whole['targets']).any()


def test_every_utterance_is_drawn_once_an_epoch(home, raw):
  found = source(home, 'train')
  texts = workloads.get(BOTH[0]).with_text(str(home)).pieces
  orders = []
  for epoch in range(2):
    drawn = found.draw(1, 25 * epoch, 25)
    orders.append([wer.text(row, texts) for row in drawn['targets']])
    assert sorted(orders[-1]) == sorted(wanted(raw, 'train'))
  assert orders[0] != orders[1]


def test_published_files_are_those_that_tfds_knows():
  """By address, bytes and SHA-256; of the seven, one is read by nobody."""
  known = tfds.core.tfds_path('datasets/librispeech/checksums.tsv').read_text()
  rows = {tuple(line.split('\t')) for line in known.splitlines()}
  mine = {
    (DATASET.address(file), str(file.bytes), file.sha256, file.name)
    for file in DATASET.raw
  }
  [other] = rows - mine
  assert len(mine) == 6 and mine < rows and other[-1] == 'test-other.tar.gz'


def test_training_needs_no_sentencepiece(home, monkeypatch):
  monkeypatch.setitem(sys.modules, 'sentencepiece', None)
  workload = workloads.get(BOTH[0]).with_text(str(home))
  assert workload.pieces and workload.source('test', str(home)).draw(0, 0, 1)


def test_prepared_again_nothing_changes_and_status_knows(home, raw, place):
  known = manifest.load(place)
  assert {pieces.MODEL, pieces.TEXT, 'tokens-train.bin'} <= set(known.files)
  done = command('prepare', raw=raw[0], data_dir=home, workload=BOTH[1])
  assert done.stdout.count('is complete: all files') == 1
  done = command('status', workload=BOTH[0], data_dir=home)
  assert done.returncode == 0
  assert 'librispeech lazy_decode 2.1.2 for librispeech_conformer: ready' in (
    done.stdout
  )
  facts = data.facts(BOTH[1], str(home))
  assert facts['librispeech lazy_decode 2.1.2']['examples'] == COUNTS


def test_an_interrupted_preparation_goes_on_to_the_same_bytes(copy, place):
  """Records are there, tokens are not or only in part."""
  mine = data.folder(DATASET, copy)
  for name in (manifest.NAME, pieces.MODEL, 'tokens-test.bin'):
    (mine / name).unlink()
  (mine / 'tokens-train.bin').write_bytes(b'1')
  with pytest.raises(data.DataError, match='not finished'):
    source(copy, 'train')
  prepare.prepare(DATASET, str(copy), None, say)
  assert manifest.load(mine) == manifest.load(place)


def test_prepared_anew_everything_is_the_same(raw, home, place, tmp_path):
  """Their order, pieces and tokens; TFDS's own files differ in some bytes."""
  prepare.prepare(DATASET, str(tmp_path), str(raw[0]), say)
  mine, theirs = (
    manifest.load(folder).files
    for folder in (data.folder(DATASET, tmp_path), place)
  )
  assert mine.keys() == theirs.keys()
  ours = [n for n in mine if n.startswith(('pieces', 'tokens', 'lengths'))]
  assert len(ours) == 8
  assert [mine[name] for name in ours] == [theirs[name] for name in ours]
  one, two = (
    source(folder, 'train').draw(0, 0, 25) for folder in (home, tmp_path)
  )
  for key, rows in one.items():
    np.testing.assert_array_equal(rows, two[key])


AUDIO = {  # As TFDS writes it.
  'pythonClassName': 'tensorflow_datasets.core.features.audio_feature.Audio',
  'audio': {
    'shape': {'dimensions': ['-1']},
    'dtype': 'int16',
    'fileFormat': 'flac',
    'sampleRate': '16000',
    'encoding': 'none',
    'lazyDecode': True,
  },
}


@pytest.fixture
def theirs(place, tmp_path):
  """As TFDS itself prepares it, which takes TensorFlow."""
  origin = tmp_path / 'theirs' / '2.1.2'
  shutil.copytree(place, origin)
  for path in [*origin.glob('*.bin'), *origin.glob('pieces.*')]:
    path.unlink()
  (origin / manifest.NAME).unlink()
  path = origin / 'features.json'
  features = json.loads(path.read_text())
  features['featuresDict']['features']['speech'] = AUDIO
  path.write_text(json.dumps(features))
  return origin


def test_what_tfds_has_prepared_is_taken_over(theirs, place, tmp_path):
  mine = tmp_path / 'mine'
  done = command('import', workload=BOTH[1], source=theirs, data_dir=mine)
  assert done.returncode == 0, done.stderr
  assert manifest.load(data.folder(DATASET, mine)) == manifest.load(place)


def test_what_tfds_stores_by_default_is_taken_over(theirs, home, tmp_path):
  """As tfrecord, of which every record has its length before it."""
  for path in sorted(theirs.glob('*.array_record-*')):
    reader = array_record_module.ArrayRecordReader(str(path))
    content = b''.join(
      struct.pack('<Q', len(record)) + bytes(4) + record + bytes(4)
      for record in reader.read_all()
    )
    name = path.name.replace('array_record', 'tfrecord')
    (theirs / name).write_bytes(content)
    reader.close()
    path.unlink()
  info = theirs / 'dataset_info.json'
  facts = json.loads(info.read_text()) | {'fileFormat': 'tfrecord'}
  info.write_text(json.dumps(facts))
  prepare.take([DATASET], str(tmp_path / 'mine'), str(theirs), say)
  one, two = (
    source(folder, 'test')[np.arange(5)] for folder in (home, tmp_path / 'mine')
  )
  for key, rows in one.items():
    np.testing.assert_array_equal(rows, two[key])


def test_decoded_audio_of_tfds_is_refused(theirs, tmp_path):
  """300 GB of numbers, in its configuration `default`."""
  info = theirs / 'dataset_info.json'
  facts = json.loads(info.read_text())
  info.write_text(
    json.dumps(facts | {'configName': 'default', 'version': '2.1.1'})
  )
  with pytest.raises(
    data.DataError,
    match=r'default 2\.1\.1; needed is librispeech lazy_decode .* --raw=FOLDER',
  ):
    prepare.take([DATASET], str(tmp_path / 'mine'), str(theirs), say)
  assert not (tmp_path / 'mine').exists()


def test_damaged_audio_that_tfds_has_prepared_is_told(
  theirs, tmp_path, monkeypatch
):
  """Before anything trains; TFDS has not looked at it."""
  read = records.Records.__getitem__

  def damaged(self, numbers):
    return [
      row | {'speech': row['speech'][:-9]} if number == 3 else row
      for number, row in zip(numbers, read(self, numbers), strict=True)
    ]

  monkeypatch.setattr(records.Records, '__getitem__', damaged)
  with pytest.raises(
    data.DataError,
    match=r'train_clean100\S*, record 3 \(103-\S+\) cannot be decoded: ',
  ):
    prepare.take([DATASET], str(tmp_path / 'mine'), str(theirs), say)
  with pytest.raises(data.DataError, match='not finished'):
    prepare.take([DATASET], str(tmp_path / 'mine'), str(theirs), say)


def _change(folder, subset, change):
  """Writes an archive again, with its files changed."""
  path = folder / f'{subset}.tar.gz'
  files = published.read(path)
  change(files)
  published.write(path, files)


HOME = 'LibriSpeech/dev-clean/2277/149896/2277-149896'
HISS = np.random.default_rng(0).integers(-99, 99, (900, 2)).astype(np.int16)


def _files(changes):
  """A change of a chapter: contents by how a name ends; None takes it out."""

  def change(files):
    for end, content in changes.items():
      assert f'{HOME}{end}' in files
      files[f'{HOME}{end}'] = content
      if content is None:
        del files[f'{HOME}{end}']

  return lambda folder: _change(folder, 'dev-clean', change)


def _byte(folder):
  """Of what is packed, the checksum of which is behind all files."""
  path = folder / 'dev-other.tar.gz'
  whole = bytearray(gzip.decompress(path.read_bytes()))
  packed = bytearray(gzip.compress(bytes(whole)))
  packed[-6] ^= 1
  path.write_bytes(packed)


def _half(folder):
  path = folder / 'train-other-500.tar.gz'
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
  'audio cut short': (
    _files({'-0001.flac': published.flac(HISS[:, 0])[:-20]}),
    r'dev-clean.tar.gz, 2277-149896-0001.flac cannot be decoded: .*lost sync',
  ),
  'no audio in a file': (
    _files({'-0001.flac': b''}),
    r'2277-149896-0001.flac cannot be decoded: Format not recognised',
  ),
  'audio of no length': (
    _files({'-0001.flac': published.flac(HISS[:0, 0])}),
    r'2277-149896-0001.flac cannot be decoded: ',
  ),
  'audio of two channels': (
    _files({'-0001.flac': published.flac(HISS)}),
    r"0001.flac cannot be decoded: it is \('FLAC', 'PCM_16', 16000, 2\) and",
  ),
  'audio at another rate': (
    _files({'-0001.flac': published.flac(HISS[:, 0], 8000)}),
    r"0001.flac cannot be decoded: it is \('FLAC', 'PCM_16', 8000, 1\) and",
  ),
  'no transcripts': (
    _files({'.trans.txt': None}),
    r'dev-clean.tar.gz: 2277-149896-0000 has no transcript, and 2 others',
  ),
  'no transcript': (
    _files({'.trans.txt': b'2277-149896-0000 ONE\n2277-149896-0002 TWO\n'}),
    r'dev-clean.tar.gz: 2277-149896-0001 has no transcript, and 0 others',
  ),
  'no audio': (
    _files({'-0002.flac': None}),
    r'dev-clean.tar.gz: 2277-149896-0002 has no audio, and 0 others',
  ),
  'an empty transcript': (
    _files({'.trans.txt': b'2277-149896-0000 ONE\n2277-149896-0001\n'}),
    r"2277-149896.trans.txt, line 2 has no transcript: b'2277-149896-0001'",
  ),
  'a transcript that is no text': (
    _files({'.trans.txt': b'2277-149896-0000 ONE\n2277-149896-0001 T\xff\n'}),
    r'2277-149896.trans.txt, line 2: .*invalid start byte',
  ),
  'no archive': (
    lambda f: (f / 'dev-other.tar.gz').unlink(),
    r'dev-other.tar.gz is missing. .* must contain .*train-clean-360.tar.gz',
  ),
  'half an archive': (_half, r'train-other-500.tar.gz is damaged'),
  'a changed byte': (_byte, r'dev-other.tar.gz is damaged: CRC check failed'),
  'another archive': (
    lambda f: shutil.copyfile(f / 'dev-clean.tar.gz', f / 'dev-other.tar.gz'),
    r'dev-other.tar.gz has \S+/dev-clean/\S+, which is not of dev-other',
  ),
  'an empty archive': (
    lambda f: published.write(f / 'dev-other.tar.gz', {'x/README.TXT': b'Hm.'}),
    r'dev-other.tar.gz has no utterances of dev-other',
  ),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_archives_are_told_and_leave_nothing(raw, tmp_path, damage):
  change, message = DAMAGES[damage]
  shutil.copytree(raw[0], tmp_path / 'raw')
  change(tmp_path / 'raw')
  with pytest.raises(data.DataError, match=message):
    prepare.prepare(DATASET, str(tmp_path), str(tmp_path / 'raw'), say)
  assert not data.folder(DATASET, tmp_path).exists()


def test_letters_that_no_piece_has_are_told(raw, tmp_path):
  """Their token would be that of CTC's blank."""
  shutil.copytree(raw[0], tmp_path / 'raw')
  name = f'{HOME}.trans.txt'

  def change(files):
    files[name] = files[name].replace(b'0001 ', '0001 Æ'.encode())

  _change(tmp_path / 'raw', 'dev-clean', change)
  with pytest.raises(
    data.DataError,
    match=r"record \d \(2277-149896-0001\) says 'Æ.*train_clean100 does not",
  ):
    prepare.prepare(DATASET, str(tmp_path), str(tmp_path / 'raw'), say)


def test_a_changed_byte_is_found_before_training(copy):
  path = next(data.folder(DATASET, copy).glob('*train_clean100*'))
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)
  with pytest.raises(data.DataError, match=r'train_clean100\S* has changed'):
    source(copy, 'validation')


def test_an_utterance_that_is_damaged_later_is_told_and_not_skipped(home):
  """Any byte of its sound: nobody hashes 60 GB at every start."""
  found = source(home, 'train')

  class Damaged(records.Records):
    def __getitem__(self, numbers):
      rows = super().__getitem__(numbers)
      return [
        row | {'speech': _flipped(row['speech'])} if number == 26 else row
        for number, row in zip(numbers, rows, strict=True)
      ]

  place = data.folder(DATASET, home)
  damaged = Damaged(place, 'train_clean100+train_clean360+train_other500')
  short = dataclasses.replace(found.records, records=damaged)
  with pytest.raises(
    data.DataError,
    match=r'train_other500.array_record-00000-of-00001, record 5 cannot be dec',
  ):
    dataclasses.replace(found, records=short).draw(0, 0, 25)


def _flipped(content):
  changed = bytearray(content)
  changed[len(content) // 2] ^= 16
  return bytes(changed)


def test_a_flipped_bit_of_sound_is_never_decoded():
  """But for bits of metadata that say nothing of the sound."""
  wave = np.random.default_rng(1).normal(0, 900, 9000).astype(np.int16)
  content = published.flac(wave)
  np.testing.assert_array_equal(flac.decoded(content), wave)
  for place in np.random.default_rng(2).integers(100, len(content), 200):
    changed = bytearray(content)
    changed[place] ^= 1 << int(place % 8)
    with pytest.raises(ValueError, match='decoder'):
      flac.decoded(bytes(changed))


@pytest.mark.parametrize('end', ['tokens', 'lengths'])
def test_tokens_that_do_not_belong_to_the_records_are_told(copy, end):
  place = data.folder(DATASET, copy)
  path = place / f'{end}-train.bin'
  if end == 'tokens':
    path.write_bytes(path.read_bytes()[:-2])
  else:  # Of another split, with as few tokens as that has.
    for name in ('tokens', 'lengths'):
      shutil.copyfile(place / f'{name}-test.bin', place / f'{name}-train.bin')
  manifest.write(place, manifest.load(place).examples)
  with pytest.raises(
    data.DataError, match=r'requires|27 utterances in train, and tokens of 5'
  ):
    source(copy, 'train')
