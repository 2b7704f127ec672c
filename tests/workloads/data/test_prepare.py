"""Published datasets in small: prepared by the command, read, damaged."""

import functools
import http.server
import shutil
import struct
import threading

import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python import array_record_module

import workloads
from runner.protocol import layout as results, storage
from tests.conftest import QUICK
from tests.support import published, races
from tests.support.preparing import command, fixtures, say
from workloads import batches, data, prepare
from workloads.data import catalogue, manifest, records, tfrecord
from workloads.images import prepare_small as pixels, small_images

SPLITS = {  # Examples, as AlgoPerf cuts them.
  'mnist': {'train': 50, 'validation': 10, 'test': 20},
  'cifar': {'train': 45, 'validation': 5, 'test': 20},
}
SHAPES = {'mnist': (28, 28, 1), 'cifar': (32, 32, 3)}


def _write(folder):
  """Published files of both, and what is in them."""
  pixels, _ = published.cifar10(folder)
  return {'mnist': published.mnist(folder), 'cifar': pixels}


raw, home, copy = fixtures(
  'mnist,cifar',
  _write,
  ('Note: train has 60 examples; the published dataset has 60000.',),
)


@pytest.mark.parametrize('name', SPLITS)
def test_batches_are_those_that_are_published(home, raw, name):
  """All pixels and labels, scaled; shapes and types; nothing lost."""
  workload = workloads.get(name)
  for split, count in SPLITS[name].items():
    source = workload.source(split, str(home))
    assert len(source) == count
    [batch] = batches.eval_batches(source, count)
    assert batch['inputs'].shape == (count, *SHAPES[name])
    assert batch['inputs'].dtype == np.float32
    assert batch['targets'].dtype == np.int32
  parts = [
    workload.source(split, str(home))[np.arange(count)]
    for split, count in SPLITS[name].items()
    if split != 'test'
  ]
  mean, std = {'mnist': (0.1307, 0.3081), 'cifar': cifar_scale()}[name]
  found = sorted(
    (int(target), np.round((image * std + mean) * 255).astype(int).tolist())
    for part in parts
    for image, target in zip(part['inputs'], part['targets'], strict=True)
  )
  pixels, labels = raw[1][name]['train']
  pixels = pixels.reshape(len(labels), *SHAPES[name])
  assert found == sorted(
    (int(label), image.tolist())
    for image, label in zip(pixels, labels, strict=True)
  )


def cifar_scale():
  return np.array([0.49139968, 0.48215827, 0.44653124]), np.array(
    [0.24703233, 0.24348505, 0.26158768]
  )


def test_raw_pixels_are_scaled_as_the_published_code_does(home):
  source = workloads.get('mnist', ['raw_pixels']).source('train', str(home))
  own = workloads.get('mnist').source('train', str(home))
  numbers = np.arange(8)
  pixels = own[numbers]['inputs'] * 0.3081 + 0.1307
  np.testing.assert_allclose(
    source[numbers]['inputs'], (255 * pixels - 0.1307) / 0.3081, rtol=1e-4
  )


def test_a_batch_is_a_function_of_its_place_in_the_stream(home):
  """In one piece or in two, and another for another seed or epoch."""
  source = workloads.get('cifar').source('train', str(home))
  whole = batches.train_batch(source, 5, 40, 20)
  parts = [batches.train_batch(source, 5, first, 10) for first in (40, 50)]
  for name, rows in whole.items():
    halves = np.concatenate([part[name] for part in parts])
    np.testing.assert_array_equal(rows, halves)
  other = batches.train_batch(source, 6, 40, 20)
  assert (other['inputs'] != whole['inputs']).any()


def test_every_example_is_drawn_once_an_epoch(home):
  source = workloads.get('mnist').source('train', str(home))
  drawn = batches.train_batch(source, 3, 50, 50)['inputs']
  everything = source[np.arange(50)]['inputs']
  assert sorted(map(np.sum, drawn)) == sorted(map(np.sum, everything))


def test_moved_and_mirrored_images_pixel_by_pixel():
  """Against loops; every place is tried, and about half are mirrored."""
  rng = np.random.default_rng(0)
  before = rng.integers(1, 256, (60, 6, 6, 2)).astype(np.uint8)
  after = small_images.shift_and_flip(2)(
    before, small_images.numbers(1, 4070, 60)
  )
  seen = set()
  for old, new in zip(before, after, strict=True):
    fits = [
      (down, across, flip)
      for down in range(-2, 3)
      for across in range(-2, 3)
      for flip in (False, True)
      if np.array_equal(new, _moved(old, down, across, flip))
    ]
    assert len(fits) == 1
    seen.add(fits[0])
  assert len({place[:2] for place in seen}) > 15
  assert len({flip for *_, flip in seen}) == 2


def _moved(image, down, across, flip):
  out = np.zeros_like(image)
  for i in range(6):
    for j in range(6):
      if 0 <= i + down < 6 and 0 <= j + across < 6:
        out[i, j] = image[i + down, j + across]
  return out[:, ::-1] if flip else out


def test_tfds_reads_what_was_prepared(home):
  """As its own builder's: name, version, features and order of examples."""
  for name, shape in (('mnist/3.0.1', (28, 28, 1)), ('cifar10/3.0.2', None)):
    builder = tfds.builder_from_directory(home / name)
    assert f'{builder.name}/{builder.version}' == name
    assert builder.info.features['label'].num_classes == 10
    if shape:
      assert builder.info.features['image'].shape == shape


def test_prepared_again_nothing_changes(home, raw):
  before = {p: p.stat().st_mtime_ns for p in home.rglob('*') if p.is_file()}
  done = command('prepare', raw=raw[0], data_dir=home, workload='mnist')
  assert done.returncode == 0 and 'is complete: all files' in done.stdout
  assert before == {
    p: p.stat().st_mtime_ns for p in home.rglob('*') if p.is_file()
  }


def test_a_preparation_that_was_interrupted_goes_on(home, tmp_path):
  """TFDS was done, and the arrays and the manifest were not."""
  place = tmp_path / 'mnist' / '3.0.1'
  shutil.copytree(home / 'mnist' / '3.0.1', place)
  for name in (manifest.NAME, 'arrays-test.npz'):
    (place / name).unlink()
  with pytest.raises(data.DataError, match='not finished'):
    workloads.get('mnist').source('train', str(tmp_path))
  prepare.prepare(data.DATASETS['mnist'], str(tmp_path), None, say)
  assert manifest.load(place) == manifest.load(home / 'mnist' / '3.0.1')


def test_what_tfds_has_prepared_elsewhere_is_taken_over(home, tmp_path):
  origin = tmp_path / 'theirs' / '3.0.2'
  shutil.copytree(home / 'cifar10' / '3.0.2', origin)
  for name in (manifest.NAME, 'arrays-train.npz', 'arrays-test.npz'):
    (origin / name).unlink()
  mine = tmp_path / 'mine'
  done = command('import', workload='cifar', source=origin, data_dir=mine)
  assert done.returncode == 0, done.stderr
  place = mine / 'cifar10' / '3.0.2'
  assert manifest.load(place) == manifest.load(home / 'cifar10' / '3.0.2')
  done = command('import', workload='mnist', source=origin, data_dir=mine)
  assert done.returncode == 2
  assert 'is cifar10 3.0.2; needed is mnist 3.0.1' in done.stderr


@pytest.fixture
def by_default(home, tmp_path):
  """As TFDS stores by default: the same records in tfrecord files."""
  place = home / 'mnist' / '3.0.1'
  origin = tmp_path / 'theirs' / '3.0.1'
  origin.mkdir(parents=True)
  for name in ('dataset_info.json', 'features.json'):
    text = (place / name).read_text()
    (origin / name).write_text(text.replace('array_record', 'tfrecord'))
  for path in place.glob('*.array_record-*'):
    reader = array_record_module.ArrayRecordReader(str(path))
    parts = []
    for n in range(reader.num_records()):
      record = reader.read([n])[0]
      parts += [struct.pack('<QI', len(record), 0), record, bytes(4)]
    name = path.name.replace('array_record', 'tfrecord')
    (origin / name).write_bytes(b''.join(parts))
  return origin


def test_what_tfds_stores_by_default_is_written_again(
  home, by_default, tmp_path
):
  mine = tmp_path / 'mine'
  prepare.take([data.DATASETS['mnist']], str(mine), str(by_default), say)
  for split, count in SPLITS['mnist'].items():
    found, known = (
      workloads.get('mnist').source(split, str(place))[np.arange(count)]
      for place in (mine, home)
    )
    np.testing.assert_array_equal(found['inputs'], known['inputs'])
    np.testing.assert_array_equal(found['targets'], known['targets'])


def test_a_tfrecord_file_cut_anywhere_is_told_by_its_record(by_default):
  [path] = by_default.glob('*-test.tfrecord-*')
  content = path.read_bytes()
  whole = [len(r) for r in tfrecord.records(path)]
  assert len(whole) == 20
  first = 12 + whole[0] + 4
  for size in [*range(1, 40), first - 1, first + 1, len(content) - 1]:
    path.write_bytes(content[:size])
    number = 0 if size < first else 1 if size < 2 * first else 19
    with pytest.raises(data.DataError, match=f'ends within record {number},'):
      list(tfrecord.records(path))


def test_status_says_what_is_there_and_where_the_rest_comes_from(
  home, tmp_path
):
  done = command('status', data_dir=home, workload='mnist,cifar')
  assert done.returncode == 0
  assert 'mnist 3.0.1 for mnist: ready' in done.stdout
  assert 'train: 60 of 60,000 examples' in done.stdout
  done = command('status', data_dir=tmp_path, workload='cifar')
  assert done.returncode == 1
  assert 'missing, about 320 MB' in done.stdout
  assert 'https://www.cs.toronto.edu/~kriz/' in done.stdout


def test_without_its_data_a_workload_says_how_to_get_them(tmp_path):
  for place in (None, str(tmp_path)):
    with pytest.raises(data.DataError, match='data prepare --workload=mnist'):
      workloads.get('mnist').source('train', place)


DAMAGES = {
  'a missing shard': (
    lambda f: f.unlink(),
    r'mnist-train\.array_record-00000-of-00001 is missing',
  ),
  'a short shard': (
    lambda f: f.write_bytes(f.read_bytes()[:-1]),
    r'mnist-train\.array_record-00000-of-00001 has \d+ bytes instead',
  ),
  'a changed byte': (
    lambda f: f.write_bytes(b'x' + f.read_bytes()[1:]),
    r'mnist-train\.array_record-00000-of-00001 has changed',
  ),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_what_is_not_as_it_was_prepared_is_told_by_its_file(copy, damage):
  change, message = DAMAGES[damage]
  change(copy / 'mnist' / '3.0.1' / 'mnist-train.array_record-00000-of-00001')
  with pytest.raises(data.DataError, match=message):
    workloads.get('mnist').source('test', str(copy))
  done = command('status', data_dir=copy, workload='mnist')
  assert done.returncode == 1 and 'not ready' in done.stdout


@pytest.mark.parametrize('content', ['', '[]', '{"examples": {}}', '{'])
def test_a_damaged_manifest_is_told(copy, content):
  path = copy / 'mnist' / '3.0.1' / manifest.NAME
  path.write_text(content)
  with pytest.raises(data.DataError, match='is damaged'):
    workloads.get('mnist').source('test', str(copy))


def _shorten_images(folder):
  path = folder / 'train-images-idx3-ubyte.gz'
  path.write_bytes(published.idx(np.zeros((60, 28, 28)))[:-9])


def _lose_labels(folder):
  published.mnist(folder)
  path = folder / 'train-labels-idx1-ubyte.gz'
  path.write_bytes(published.idx(np.zeros(59)))


def _cut_images(folder):
  import gzip

  path = folder / 'train-images-idx3-ubyte.gz'
  whole = gzip.decompress(path.read_bytes())
  path.write_bytes(gzip.compress(whole[: 16 + 784 * 7 + 3]))


def _cut_batch(folder):
  _, files = published.cifar10(folder)
  files['data_batch_3.bin'] = files['data_batch_3.bin'][:-100]
  published.write_cifar10(folder, files)


def _lose_batch(folder):
  _, files = published.cifar10(folder)
  del files['data_batch_4.bin']
  published.write_cifar10(folder, files)


RAW_DAMAGES = {
  'an image file cut short': (
    'mnist', _shorten_images, 'train-images-idx3-ubyte.gz is damaged'
  ),
  'labels that are too few': ('mnist', _lose_labels, '60 images, and'),
  'images that are too few': (
    'mnist', _cut_images, 'ends in record 7; its header promises 60'
  ),
  'no file': (
    'mnist',
    lambda folder: (folder / 't10k-labels-idx1-ubyte.gz').unlink(),
    't10k-labels-idx1-ubyte.gz is missing',
  ),
  'a record cut short': (
    'cifar10', _cut_batch, r'data_batch_3.bin: record 9 has 2973 of 3073 bytes'
  ),
  'a file lacking in the archive': (
    'cifar10', _lose_batch, 'data_batch_4.bin'
  ),
}  # fmt: skip


@pytest.mark.parametrize('damage', RAW_DAMAGES)
def test_damaged_published_files_are_told_and_leave_nothing(
  raw, tmp_path, damage
):
  name, change, message = RAW_DAMAGES[damage]
  folder = tmp_path / 'raw'
  shutil.copytree(raw[0], folder)
  change(folder)
  dataset, home = data.DATASETS[name], tmp_path / 'data'
  with pytest.raises(data.DataError, match=message):
    prepare.prepare(dataset, str(home), str(folder), say)
  assert not data.folder(dataset, home).exists()
  again = prepare.prepare(dataset, str(home), str(raw[0]), say)
  assert (again / manifest.NAME).exists()


class Quiet(http.server.SimpleHTTPRequestHandler):
  def log_message(self, *_):
    pass


@pytest.mark.parametrize('published', [True, False])
def test_downloads_are_those_that_were_published(
  raw, tmp_path, monkeypatch, published
):
  """By their SHA-256; another file is refused, and nothing is left."""
  serve = functools.partial(Quiet, directory=raw[0])
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), serve)
  threading.Thread(target=server.serve_forever, daemon=True).start()
  files = tuple(
    catalogue.File(
      file.name,
      (raw[0] / file.name).stat().st_size,
      manifest.sha256(raw[0] / file.name) if published else file.sha256,
    )
    for file in data.DATASETS['mnist'].raw
  )
  url = f'http://127.0.0.1:{server.server_port}/'
  here = data.DATASETS['mnist']._replace(raw=files, url=url)
  monkeypatch.setattr(pixels.Mnist, 'dataset', here)
  try:
    if published:
      place = prepare.prepare(here, str(tmp_path), None, say)
      assert manifest.load(place).examples == {'train': 60, 'test': 20}
    else:
      with pytest.raises(data.DataError, match=r'[Cc]hecksum'):
        prepare.prepare(here, str(tmp_path), None, say)
      assert not data.folder(here, tmp_path).exists()
  finally:
    server.shutdown()
    server.server_close()


def test_an_image_that_cannot_be_decoded_is_told_by_file_and_record(
  raw, tmp_path, monkeypatch
):
  """TFDS stores what it is given."""
  cut = iter([None, None, 40])
  whole = pixels._png
  monkeypatch.setattr(
    pixels, '_png', lambda image: whole(image)[: next(cut, None)]
  )
  with pytest.raises(
    data.DataError,
    match=r'mnist-train.array_record-00000-of-00001, record \d+ has an image',
  ):
    prepare.prepare(data.DATASETS['mnist'], str(tmp_path), str(raw[0]), say)


def test_records_tell_their_file(home):
  found = records.Records(home / 'mnist' / '3.0.1', 'train')
  assert found.where(3) == 'mnist-train.array_record-00000-of-00001, record 3'
  assert len(found) == 60 and len(found[[0, 5]]) == 2
  with pytest.raises(data.DataError, match='cannot be read'):
    records.Records(home / 'nothing', 'train')


def test_a_race_on_published_data_from_the_command_line(
  home, tmp_path, monkeypatch
):
  """What it trained on is in its records; without data nothing is begun.

  The models are of published size; of the steps, two with small batches.
  """
  monkeypatch.setenv('XLA_FLAGS', QUICK)
  names = ('mnist', 'cifar')
  mine = races.mine(tmp_path, 'mine', steps=2, batch=8)
  out = tmp_path / 'out'
  flags = dict(
    suite='algoperf_v06', workloads=','.join(names), submissions=mine, studies=1
  )
  done = races.run(tmp_path, 'run', **flags, out=out)
  assert done.returncode == 2 and not out.exists()
  assert 'data prepare --workload=mnist' in done.stderr
  flags |= dict(out=out, data_dir=home, preflight='false')
  done = races.run(tmp_path, 'run', **flags)
  assert done.returncode == 0, done.stderr
  for name in names:
    folder = results.folder(out, 'mine', name, 0, 1)
    assert results.status(folder).outcome == 'ended'
    place = data.folder(data.DATASETS[data.NEEDS[name][0]], home)
    [facts] = storage.read_json(folder / 'meta_data_0.json')['data'].values()
    parts = SPLITS[name]
    assert facts['examples']['train'] == parts['train'] + parts['validation']
    assert facts['manifest'] == manifest.load(place).digest
