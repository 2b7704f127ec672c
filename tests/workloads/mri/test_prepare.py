"""Scans of knees in small: prepared by the command, drawn, damaged."""

import dataclasses
import io
import shutil

import h5py
import jax
import numpy as np
import pytest

import workloads
from tests.support import published_fastmri as published
from tests.support.preparing import command, fixtures, say
from workloads import batches, data, prepare
from workloads.data import manifest
from workloads.mri import prepare as fastmri, volumes
from workloads.workload import mean_loss

DATASET = data.DATASETS['fastmri']
SPLITS = {  # Slices, and in which order their volumes come.
  'train': (5, ('file1000003', 'file1000007', 'file1000011')),
  'validation': (1, ('file1000000',)),
  'test': (3, ('file1000026', 'file1000031')),
}
CLOSE = {'rtol': 1e-5, 'atol': 1e-5}  # Of float32, in standard deviations.


raw, home, copy = fixtures(
  'fastmri',
  published.write,
  ('Note: train has 5 examples; the published dataset has 34742.',),
  dataset=DATASET,
)


def source(home, split='train', **changes):
  found = workloads.get('fastmri').source(split, str(home))
  return dataclasses.replace(found, **changes)


def whole(made, split):
  """k-space, target and brightest value of every slice, in order."""
  names = SPLITS[split][1]
  part = made['train' if split == 'train' else 'val']
  return [
    (kspace, target, part[name][2])
    for name in names
    for kspace, target in zip(*part[name][:2], strict=True)
  ]


def expected(kspace, target, brightest, seed):
  """By the published formulas, in double precision."""
  width = kspace.shape[1]
  low = width * 8 // 100
  first = (width - low + 1) // 2
  share = (width / 4 - low) / (width - low)
  numbers = np.random.default_rng(seed).random(width)
  columns = [
    first <= n < first + low or numbers[n] < share for n in range(width)
  ]
  image = published.reconstructed(np.array(columns) * kspace)
  mean = image.sum() / 320**2
  std = np.sqrt(((image - mean) ** 2).sum() / 320**2)
  return {
    'inputs': np.clip((image - mean) / std, -6, 6),
    'targets': np.clip((target - mean) / std, -6, 6),
    'mean': mean,
    'std': std,
    'volume_max': brightest,
  }


def same(one, other):
  jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize('split', SPLITS)
def test_batches_are_those_that_are_published(home, raw, split):
  """To evaluate, all slices have the columns of one seed, by their width."""
  found, count = source(home, split), SPLITS[split][0]
  [batch] = batches.eval_batches(found, count)
  for n, slice in enumerate(whole(raw[1], split)):
    for name, value in expected(*slice, seed=0).items():
      np.testing.assert_allclose(batch[name][n], value, **CLOSE)
      if name in ('mean', 'std', 'volume_max'):  # In a unit of its own.
        np.testing.assert_allclose(batch[name][n], value, rtol=1e-5)
  fake = jax.eval_shape(
    lambda key: workloads.get('fastmri').fake_batch(key, count),
    jax.eval_shape(lambda: jax.random.key(0)),
  )
  assert fake.keys() == batch.keys()
  for name, value in fake.items():
    assert (value.shape, value.dtype) == (batch[name].shape, batch[name].dtype)


def test_some_pixels_are_clipped(home):
  """Or the tests of values would not see it."""
  targets = source(home)[np.arange(5)]['targets']
  assert targets.max() == 6


def test_every_slice_comes_once_an_epoch_with_the_same_columns(home, raw):
  """Its own ones, by its number; others for another seed."""
  train = source(home)
  wanted = [
    expected(*slice, seed=[4, n, 2])
    for n, slice in enumerate(whole(raw[1], 'train'))
  ]
  orders = []
  for epoch in range(3):
    rows = train.draw(4, 5 * epoch, 5)
    own = [
      int(np.argmin([abs(mean / w['mean'] - 1) for w in wanted]))
      for mean in rows['mean']
    ]
    assert sorted(own) == list(range(5))
    orders.append(own)
    for n, number in enumerate(own):
      for name, value in wanted[number].items():
        np.testing.assert_allclose(rows[name][n], value, **CLOSE)
  assert len(set(map(tuple, orders))) > 1
  other = train.draw(5, 0, 5)
  assert not set(other['mean'].tolist()) & set(rows['mean'].tolist())


def test_a_batch_is_a_function_of_its_place_in_the_stream(home):
  """With one thread or five, in one piece or in several, by a fresh source."""
  batch = source(home, threads=1).draw(5, 2, 6)  # From one epoch to the next.
  same(batch, source(home, threads=5).draw(5, 2, 6))
  parts = [source(home).draw(5, 2 + n, 2) for n in (0, 2, 4)]
  same(
    batch, {name: np.concatenate([p[name] for p in parts]) for name in batch}
  )


def test_the_last_evaluation_batch_is_masked(home):
  found = source(home, 'test')
  _, last = batches.eval_batches(found, 2)
  assert last['weights'].tolist() == [1, 0]
  same(last['inputs'], found[np.full(2, 2)]['inputs'])


@pytest.mark.parametrize('name', ['fastmri', 'fastmri/model_size'])
def test_the_published_model_takes_a_batch(home, name):
  workload = workloads.get(name)
  batch = batches.train_batch(workload.source('train', str(home)), 0, 0, 2)

  def loss(key):
    model = workload.init(key)
    return mean_loss(workload, *model, batch, key), workload.eval_stats(
      model, batch
    )

  (value, _), stats = jax.eval_shape(loss, jax.random.key(0))
  assert value.shape == () and stats['ssim'].shape == (2,)


def test_published_counts():
  assert sum(DATASET.examples.values()) == 34_742 + 7_135
  assert sum(volumes.PARTS.values()) == 1_172
  size = sum(DATASET.examples.values()) * volumes.row(370).itemsize
  assert abs(size / 1e6 / DATASET.megabytes - 1) < 0.02


def test_of_all_published_volumes_a_hundred_validate(tmp_path):
  for n in range(199):
    volumes.path(tmp_path, 'val', f'file{n:03}').touch()
  first, rest = (volumes._paths(tmp_path, s) for s in ('validation', 'test'))
  names = [path.name for path in first + rest]
  assert names == [f'val-file{n:03}.npy' for n in range(199)]
  assert len(first) == 100


def test_archives_and_folders_are_prepared_alike(home, raw, tmp_path):
  """Whatever is packed how, and in whatever order volumes come in it."""
  folder = tmp_path / 'raw'
  folder.mkdir()
  for part, mode, name in (
    ('train', 'w:gz', 'knee_singlecoil_train.tar.gz'),
    ('val', 'w', 'singlecoil_val'),
  ):
    files = {
      f'{name}.h5': published.hdf5(*volume)
      for name, volume in reversed(raw[1][part].items())
    }
    if part == 'val':
      published.unpacked(folder / name, files)
    else:
      (folder / name).write_bytes(published.archive(files, mode))
  place = prepare.prepare(DATASET, str(tmp_path), str(folder), say)
  assert manifest.load(place) == manifest.load(data.folder(DATASET, home))


def test_prepared_again_nothing_changes_and_what_is_left_goes_on(
  home, raw, tmp_path
):
  """What failed has left whole volumes; what does not belong there goes."""
  heard = []
  prepare.prepare(DATASET, str(home), None, heard.append)
  place = data.folder(DATASET, home)
  assert heard == [f'{place} is complete: all files match its manifest.']
  folder = tmp_path / 'raw'
  shutil.copytree(raw[0], folder)
  archive = folder / 'knee_singlecoil_val.tar.xz'
  content = archive.read_bytes()
  archive.write_bytes(content[: len(content) * 2 // 3])
  place = data.folder(DATASET, tmp_path)
  with pytest.raises(data.DataError, match=r'val\.tar\.xz is damaged: ReadErr'):
    prepare.prepare(DATASET, str(tmp_path), str(folder), say)
  assert not place.exists()
  partial = place.with_name('1.0.0.partial')
  kept = {path: path.stat().st_mtime_ns for path in partial.iterdir()}
  assert 3 < len(kept) < 6
  (partial / 'val-file1000031.npy.partial').write_bytes(b'cut')
  (partial / 'val-another.npy').write_bytes(b'of another folder')
  archive.write_bytes(content)
  prepare.prepare(DATASET, str(tmp_path), str(folder), say)
  assert not partial.exists()
  for path, time in kept.items():
    assert (place / path.name).stat().st_mtime_ns == time
  assert manifest.load(place) == manifest.load(data.folder(DATASET, home))


def test_a_long_preparation_tells_how_far_it_is(raw, tmp_path, monkeypatch):
  monkeypatch.setattr(fastmri, 'PROGRESS', -1)
  heard = []
  prepare.prepare(DATASET, str(tmp_path), str(raw[0]), heard.append)
  assert '  2 of about 973 volumes' in heard
  assert '  3 of about 199 volumes' in heard


def test_what_needs_a_sign_up_is_not_downloaded(tmp_path):
  done = command('prepare', workload='fastmri', data_dir=tmp_path)
  assert done.returncode == 2
  assert 'cannot be downloaded (after signing up). Get these' in done.stderr
  assert 'files from https://fastmri.med' in done.stderr
  assert '--raw=FOLDER: knee_singlecoil_train.tar.xz, knee_s' in done.stderr


def test_only_what_is_prepared_is_imported(home, copy, raw, tmp_path):
  """Volumes as they are published are not: the message says how to."""
  mine = tmp_path / 'mine'
  prepare.take([DATASET], str(mine), str(copy), say)
  taken = data.folder(DATASET, mine)
  assert manifest.load(taken) == manifest.load(copy)
  folder = raw[0] / 'knee_singlecoil_train'
  done = command('import', workload='fastmri', source=folder, data_dir=mine)
  assert done.returncode == 2
  assert 'For published files use: data prepare --raw=' in done.stderr


KSPACE = np.random.default_rng(0).standard_normal((2, 640, 640), np.float32)
KSPACE = KSPACE.view(np.complex64)
TARGET = np.ones((2, 320, 320), np.float32)


def changed(array, value):
  """The second slice in one place."""
  array = array.copy()
  array[1, 300, 111] = value
  return array


ONE_EMPTY = KSPACE * np.array([1, 0], np.complex64)[:, None, None]
DAMAGES = {  # Measurements, targets and brightest value.
  'no measurements': (
    (None, TARGET, 1.0),
    'knee.h5 has no kspace, but ismrmrd_header, reconstruction_esc',
  ),
  'no targets': (
    (KSPACE, None, 1.0),
    'knee.h5 has no reconstruction_esc, but ismrmrd_header, kspace',
  ),
  'several coils': (
    (KSPACE[:, None], TARGET, 1.0),
    r'has kspace \(2, 1, 640, 320\) of complex64.* Needed are \(N, 640, 320 or',
  ),
  'few rows': (
    (KSPACE[:, :-1], TARGET, 1.0), r'has kspace \(2, 639, 320\) of complex64'
  ),
  'few columns': (
    (KSPACE[:, :, 1:], TARGET, 1.0), r'has kspace \(2, 640, 319\) of complex64'
  ),
  'a number': ((1j, TARGET, 1.0), r'has kspace \(\) of complex128'),
  'no slices': (
    (KSPACE[:0], TARGET[:0], 1.0), r'has kspace \(0, 640, 320\) of complex64'
  ),
  'double precision': (
    (KSPACE.astype(complex), TARGET, 1.0),
    r'has kspace \(2, 640, 320\) of complex128',
  ),
  'narrow targets': (
    (KSPACE, TARGET[:, :, :-1], 1.0),
    r'reconstruction_esc \(2, 320, 319\) of float32',
  ),
  'fewer targets': (
    (KSPACE, TARGET[:1], 1.0),
    r'kspace \(2, .* reconstruction_esc \(1, .*, with the same N',
  ),
  'a measurement that is none': (
    (changed(KSPACE, np.nan), TARGET, 1.0),
    'knee.h5, slice 1 has numbers that are not finite',
  ),
  'a target without bounds': (
    (KSPACE, changed(TARGET, np.inf), 1.0),
    'knee.h5, slice 1 has numbers that are not finite',
  ),
  'nothing measured': (
    (ONE_EMPTY, TARGET, 1.0), 'knee.h5, slice 1 has no measurements'
  ),
  'no brightest value': (
    (KSPACE, TARGET, np.nan), 'knee.h5 has nan as its largest value'
  ),
}  # fmt: skip


@pytest.mark.parametrize('damage', DAMAGES)
def test_a_damaged_volume_is_told_by_its_slice(damage):
  arrays, message = DAMAGES[damage]
  with pytest.raises(data.DataError, match=message):
    fastmri.slices(published.hdf5(*arrays), 'knee.h5', say)


def test_what_is_no_whole_file_is_told():
  content = published.hdf5(KSPACE, TARGET, 1.0)
  for part in (b'', b'%PDF-1.7', content[:1_000_000], content[:-1]):
    with pytest.raises(data.DataError, match=r'knee\.h5 cannot be read: OSErr'):
      fastmri.slices(part, 'knee.h5', say)


def test_a_slice_whose_bytes_have_changed_is_told_where_the_file_knows():
  """By a sum that HDF5 keeps of every chunk, if it was asked to."""
  file = io.BytesIO()
  with h5py.File(file, 'w') as made:
    made['reconstruction_esc'] = TARGET
    kspace = made.create_dataset(
      'kspace', data=KSPACE, chunks=(1, 640, 320), fletcher32=True
    )
    place = kspace.id.get_chunk_info(1).byte_offset
  content = bytearray(file.getvalue())
  content[place + 1_000] ^= 1
  with pytest.raises(data.DataError, match=r'5, slice 1 cannot be read: OSErr'):
    fastmri.slices(bytes(content), 'knee.h5', say)


def test_a_volume_that_does_not_say_its_brightest_value_has_zero():
  """As AlgoPerf has it; and a word is said."""
  heard = []
  found = fastmri.slices(published.hdf5(KSPACE, TARGET), 'a.h5', heard.append)
  assert found['volume_max'].tolist() == [0, 0]
  assert heard == ['Note: a.h5 has no largest value (max); 0 is used instead.']


PLACES = {
  'no part': (
    lambda f: (f / 'knee_singlecoil_val.tar.xz').unlink(),
    r'has no knee_singlecoil_val\.tar\.xz\. The folder must contain train and',
  ),
  'an empty folder': (
    lambda f: [p.unlink() for p in f.glob('*/*.h5')],
    r'knee_singlecoil_train has no volumes \(\*\.h5\)',
  ),
  'one volume to validate and to test': (
    lambda f: (f / 'knee_singlecoil_val.tar.xz').write_bytes(
      published.archive({'file1.h5': published.hdf5(KSPACE, TARGET, 1.0)})
    ),
    r'has no volumes of validation\. Prepare the folder again, from',
  ),
  'a damaged volume in a folder': (
    lambda f: (f / 'knee_singlecoil_train/file1000007.h5').write_bytes(b'no'),
    r'knee_singlecoil_train/file1000007\.h5 cannot be read: OSError',
  ),
  'a damaged volume in an archive': (
    lambda f: (f / 'knee_singlecoil_val.tar.xz').write_bytes(
      published.archive({'singlecoil_val/file1000000.h5': b'no'})
    ),
    r'val\.tar\.xz, singlecoil_val/file1000000\.h5 cannot be read: OSError',
  ),
  'another file': (
    lambda f: (f / 'knee_singlecoil_val.tar.xz').write_bytes(b'<html>'),
    r'knee_singlecoil_val\.tar\.xz is damaged: ReadError',
  ),
}


@pytest.mark.parametrize('damage', PLACES)
def test_damaged_published_files_are_told_and_leave_nothing(
  raw, tmp_path, damage
):
  change, message = PLACES[damage]
  shutil.copytree(raw[0], tmp_path / 'raw')
  change(tmp_path / 'raw')
  with pytest.raises(data.DataError, match=message):
    prepare.prepare(DATASET, str(tmp_path), str(tmp_path / 'raw'), say)
  assert not data.folder(DATASET, tmp_path).exists()
  with pytest.raises(data.DataError, match='data prepare --workload=fastmri'):
    source(tmp_path)


def test_a_changed_byte_is_told_before_training(copy, tmp_path):
  path = volumes.path(copy, 'train', 'file1000003')
  content = bytearray(path.read_bytes())
  content[1_000_000] ^= 1
  path.write_bytes(content)
  with pytest.raises(data.DataError, match=r'train-file1000003\.npy has chang'):
    source(tmp_path / 'data')


@pytest.mark.parametrize(
  'content', [b'', b'text', np.lib.format.MAGIC_PREFIX + b'\1\0']
)
def test_a_file_of_another_kind_is_told(copy, content):
  volumes.path(copy, 'train', 'file1000003').write_bytes(content)
  with pytest.raises(data.DataError, match=r'file1000003\.npy is damaged'):
    volumes.Slices(copy, 'train')
  np.save(volumes.path(copy, 'train', 'file1000003'), np.zeros((3, 4)))
  with pytest.raises(data.DataError, match=r'file1000003\.npy is damaged'):
    volumes.Slices(copy, 'train')
  with pytest.raises(data.DataError, match='no volumes of train'):
    volumes.Slices(copy.parent, 'train')


def test_slices_that_are_damaged_later_are_told_and_not_skipped(
  home, copy, tmp_path
):
  """An image without contrast would be NaN; a file may end too soon."""
  train = source(tmp_path / 'data')
  path = volumes.path(copy, 'train', 'file1000003')
  rows = np.load(path)
  rows['measured'][1] = 0
  volumes.save(path, rows)
  with pytest.raises(
    data.DataError,
    match=r'train-file1000003\.npy, slice 1 cannot be decoded: ValueError the '
    'standard deviation of an image is 0.0',
  ):
    train.draw(0, 0, 5)
  path.write_bytes(path.read_bytes()[:-1])
  with pytest.raises(data.DataError, match='slice 1 cannot be read'):
    train[np.arange(5)]
