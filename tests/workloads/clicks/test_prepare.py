"""Click logs in small: prepared by the command, drawn, damaged."""

import dataclasses
import gzip
import math
import os
import shutil
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import workloads
from tests.support import published_criteo1tb as published
from tests.support.preparing import fixtures
from workloads import batches, data, prepare
from workloads.clicks import parse as lines, prepare as criteo, row_format
from workloads.data import manifest
from workloads.workload import mean_loss

farmhash = pytest.importorskip('farmhash')
DATASET = data.DATASETS['criteo1tb']
SPLITS = ('train', 'validation', 'test')


raw, home, copy = fixtures(
  'criteo1tb',
  published.criteo1tb,
  ('Note: day 1 has 10 lines; the published file has 199,563,535.',),
  dataset=DATASET,
)


def source(home, split='train', **changes):
  """With small blocks, so that there are several."""
  found = workloads.get('criteo1tb').source(split, str(home))
  return dataclasses.replace(found, **{'block': 8, 'window': 3} | changes)


def expected(fields):
  """Inputs and target of a line, in plain Python."""
  label, counts, categories = fields[0], fields[1:14], fields[14:]
  dense = [math.log(max(int(n or 0), 0) + 1) for n in counts]
  names = ['00000000' if c in ('', '-1') else c for c in categories]
  ids = [
    farmhash.fingerprint64(f'{name}{n}') % row_format.VOCABULARIES[n]
    for n, name in enumerate(names)
  ]
  return [*dense, *ids], int(label)


def whole(days, split):
  """Inputs and targets of a split, in order."""
  last = days[-1]
  cut = len(last) * 95_000_000 // 178_274_637
  found = {
    'train': [line for day in days[:-1] for line in day],
    'test': last[:cut],
    'validation': last[cut:],
  }[split]
  inputs, targets = zip(*map(expected, found), strict=True)
  return np.array(inputs, np.float32), np.array(targets, np.float32)


def same(one, other):
  jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize('split', SPLITS)
def test_batches_are_those_that_are_published(home, raw, split):
  inputs, targets = whole(raw[1], split)
  found = source(home, split)
  [batch] = batches.eval_batches(found, len(targets))
  np.testing.assert_array_equal(batch['targets'], targets)
  np.testing.assert_array_equal(batch['inputs'][:, 13:], inputs[:, 13:])
  # Logarithms in float32, of counts that are rounded to it.
  np.testing.assert_allclose(batch['inputs'], inputs, rtol=1e-6)
  key = jax.eval_shape(lambda: jax.random.key(0))
  fake = jax.eval_shape(
    lambda key: workloads.get('criteo1tb').fake_batch(key, len(targets)), key
  )
  assert fake.keys() == batch.keys()
  for name, value in fake.items():
    assert (value.shape, value.dtype) == (batch[name].shape, batch[name].dtype)


def test_sizes_are_those_that_are_published():
  assert (
    sum(row_format.LINES[:-1]) == DATASET.examples['train'] == 4_195_197_692
  )
  assert (
    row_format.tested(row_format.LINES[-1])
    == DATASET.examples['test']
    == 95_000_000
  )
  assert row_format.LINES[-1] - 95_000_000 == DATASET.examples['validation']
  size = sum(DATASET.examples.values()) * row_format.ROW.itemsize
  assert round(size / 1e6) == DATASET.megabytes


def test_the_hash_is_the_published_one():
  """The library's by values of others; ours by the library's."""
  assert farmhash.fingerprint64('test') == 8581389452482819506  # Guava's.
  assert farmhash.fingerprint64('/dWQW6&i7h$1@') == 11452602314494946942
  rng = np.random.default_rng(0)
  names = [f'{n:08x}'.encode() for n in rng.integers(0, 2**32, 200)]
  words = np.frombuffer(b''.join(names), '<u8')
  found = lines.category(np.tile(words, (26, 1)))
  for column, ids in enumerate(found):
    known = [farmhash.fingerprint64(n + b'%d' % column) for n in names]
    assert ids.tolist() == [k % row_format.VOCABULARIES[column] for k in known]


def test_every_line_comes_once_an_epoch_and_in_another_order(home, raw):
  inputs, _ = whole(raw[1], 'train')
  train = source(home)
  size = len(train)
  everything = sorted(train[np.arange(size)]['inputs'].tolist())
  assert size == len(inputs) and size % 8
  orders = [
    train.draw(seed, epoch * size, size)['inputs'].tolist()
    for seed, epoch in ((0, 0), (0, 1), (1, 0))
  ]
  assert all(sorted(order) == everything for order in orders)
  assert orders[0] != orders[1] != orders[2] != orders[0]


def test_small_batches_have_lines_of_several_blocks(home):
  train = source(home, window=2)
  places = {
    tuple(row): n
    for n, row in enumerate(train[np.arange(len(train))]['inputs'].tolist())
  }
  drawn = [places[tuple(r)] for r in train.draw(0, 0, 16)['inputs'].tolist()]
  steps = np.diff(sorted(drawn))
  assert (steps != 1).sum() == 1  # Two blocks, each of consecutive lines,
  assert (np.abs(np.diff(drawn)) > 8).sum() > 4  # and their lines in turn.


def test_a_batch_is_a_function_of_its_place_in_the_stream(home):
  """With one thread or four, in one piece or in several, by a fresh source."""
  first = len(source(home)) - 30
  batch = source(home, threads=1).draw(5, first, 60)
  same(batch, source(home, threads=4).draw(5, first, 60))
  parts = [source(home).draw(5, first + n, 20) for n in (0, 20, 40)]
  same(
    batch, {name: np.concatenate([p[name] for p in parts]) for name in batch}
  )


def test_the_last_evaluation_batch_is_masked(home):
  found = source(home, 'validation', block=2)
  size = len(found) - 1
  _, last = batches.eval_batches(found, size)
  assert last['weights'].tolist() == [1] + [0] * (size - 1)
  same(last['inputs'], found[np.full(size, size)]['inputs'])


@pytest.mark.parametrize('name', ['criteo1tb', 'criteo1tb/resnet'])
def test_the_published_model_takes_a_batch(home, name):
  workload = workloads.get(name)
  batch = batches.train_batch(workload.source('train', str(home)), 0, 0, 16)

  def loss(key):
    model = workload.init(key)
    return mean_loss(workload, *model, batch, key), workload.eval_stats(
      model, batch
    )

  (value, _), stats = jax.eval_shape(loss, jax.random.key(0))
  assert value.shape == () and stats['loss'].shape == (16,)


def test_prepared_again_nothing_changes_and_what_is_left_goes_on(
  home, copy, raw, tmp_path
):
  heard = []
  prepare.prepare(DATASET, str(tmp_path / 'data'), None, heard.append)
  assert heard == [f'{copy} is complete: all files match its manifest.']
  (copy / manifest.NAME).unlink()
  row_format.path(copy, 5).rename(copy / 'day_05.rows.partial')
  with pytest.raises(data.DataError, match='not finished'):
    source(tmp_path / 'data')
  kept = row_format.path(copy, 4).stat().st_mtime_ns
  prepare.prepare(DATASET, str(tmp_path / 'data'), str(raw[0]), heard.append)
  assert any('Parsing 1 of 24 days' in text for text in heard)
  assert row_format.path(copy, 4).stat().st_mtime_ns == kept
  assert manifest.load(copy) == manifest.load(data.folder(DATASET, home))


def test_a_preparation_that_is_killed_leaves_no_process(tmp_path):
  """Its writers would go on beside those of the next."""
  os.mkfifo(tmp_path / 'day_8')  # Reading it waits for who never comes.
  wait = (
    'from workloads.clicks import prepare as criteo; import pathlib, sys\n'
    'criteo._write_all({8: [pathlib.Path(sys.argv[1])]}, '
    'pathlib.Path(sys.argv[2]), print)'
  )
  partial = tmp_path / 'day_08.rows.partial'
  running = subprocess.Popen(
    [sys.executable, '-c', wait, tmp_path / 'day_8', tmp_path],
    stdout=subprocess.PIPE,
  )
  while running.poll() is None and not partial.exists():
    time.sleep(0.02)
  running.kill()
  running.communicate(timeout=600)  # Until nobody can write to it any more.
  assert partial.exists()


def test_what_was_prepared_elsewhere_is_taken_over(home, copy, tmp_path):
  mine = tmp_path / 'mine'
  prepare.take([DATASET], str(mine), str(copy), print)
  known = manifest.load(data.folder(DATASET, home))
  assert manifest.load(data.folder(DATASET, mine)) == known
  shutil.rmtree(mine)
  path = row_format.path(copy, 3)
  path.write_bytes(b'x' + path.read_bytes()[1:])
  with pytest.raises(data.DataError, match=r'day_03\.rows has changed'):
    prepare.take([DATASET], str(mine), str(copy), print)
  assert not data.folder(DATASET, mine).exists()


STORED = {
  'missing': (lambda f: f.unlink(), r'day_06\.rows is missing'),
  'short': (
    lambda f: f.write_bytes(f.read_bytes()[:-1]),
    r'day_06\.rows has \d+ bytes instead',
  ),
  'changed': (
    lambda f: f.write_bytes(b'x' + f.read_bytes()[1:]),
    r'day_06\.rows has changed',
  ),
}


@pytest.mark.parametrize('damage', STORED)
def test_what_is_not_as_it_was_prepared_is_told_by_its_file(
  copy, tmp_path, damage
):
  change, message = STORED[damage]
  change(row_format.path(copy, 6))
  with pytest.raises(data.DataError, match=message):
    source(tmp_path / 'data')


def test_a_file_that_is_cut_while_a_trial_reads_it_is_told(copy, tmp_path):
  train = source(tmp_path / 'data')
  path = row_format.path(copy, 6)
  path.write_bytes(path.read_bytes()[:-200])
  with pytest.raises(data.DataError, match=r'day_06\.rows ends in row \d'):
    train[np.arange(len(train))]


def change(number, value):
  """Of a field of the third line."""

  def changed(found):
    return [
      line[:number] + ([] if value is None else [value]) + line[number + 1 :]
      if n == 2
      else line
      for n, line in enumerate(found)
    ]

  return changed


WRONG = {
  'too few fields': (7, None, 'line 3 has 39 fields instead of 40'),
  'too many fields': (7, '1\t2', 'line 3 has 41 fields'),
  'a line within a line': (7, '1\n2', 'line 3 has 8 fields'),
  'another label': (0, '2', "line 3 has the label '2', which is neither"),
  'no label': (0, '', "line 3 has the label ''"),
  'a fraction': (2, '1.5', r"line 3 has '1\.5' in field 3, a count"),
  'a word': (13, 'seven', "line 3 has 'seven' in field 14, a count"),
  'a huge count': (5, '2147483648', "line 3 has '2147483648' in field 6"),
  'a sign alone': (5, '-', "line 3 has '-' in field 6, a count"),
  'a short category': (
    14,
    '1234567',
    "line 3 has '1234567' in field 15, a category",
  ),
  'a long category': (
    20,
    '123456789',
    "line 3 has '123456789' in field 21, a cat",
  ),
  'no hexadecimal digits': (
    39,
    '1234567g',
    "line 3 has '1234567g' in field 40, a cat",
  ),
  'ends of Windows': (
    39,
    '12345678\r',
    r"line 3 has '12345678\\r' in field 40",
  ),
}


@pytest.mark.parametrize('damage', WRONG)
def test_a_line_that_is_wrong_is_told_by_file_and_number(raw, tmp_path, damage):
  number, value, message = WRONG[damage]
  good, bad = tmp_path / 'day_3_00', tmp_path / 'day_3_01'
  good.write_bytes(published.text(raw[1][3]))
  bad.write_bytes(published.text(change(number, value)(raw[1][4])))
  with pytest.raises(data.DataError, match=f'day_3_01, {message}'):
    criteo.write([good, bad], tmp_path / 'day_03.rows')
  assert not (tmp_path / 'day_03.rows').exists()


def test_lines_across_chunks_are_whole(raw, tmp_path, monkeypatch):
  """However long a chunk is; a file's end is a line's end."""
  path, target = tmp_path / 'day_0', tmp_path / 'day_00.rows'
  text = published.text(raw[1][4])
  for size in (300, 1000, len(text) - 1, len(text)):
    monkeypatch.setattr(criteo, 'CHUNK', size)
    path.write_bytes(text)
    criteo.write([path], target)
    known = lines.parse(text, path, 1).tobytes()
    assert target.read_bytes() == known
    target.unlink()
    for cut in (1, 9, 400):
      path.write_bytes(text[:-cut])
      with pytest.raises(data.DataError, match=r'day_0 ends within line 1\d,'):
        criteo.write([path], target)
  path.write_bytes(b'')
  with pytest.raises(data.DataError, match='day_0 is empty'):
    criteo.write([path], target)
  path.write_bytes(bytes(5000))
  monkeypatch.setattr(criteo, 'CHUNK', 1000)
  with pytest.raises(data.DataError, match='day_0 ends within line 1,'):
    criteo.write([path], target)


def test_a_byte_that_is_changed_is_read_as_it_stands_or_told(raw, tmp_path):
  """What is parsed at once is what one would read line by line."""
  rng = np.random.default_rng(1)
  text = published.text(raw[1][4][:3])
  told = 0
  for _ in range(300):
    damaged = bytearray(text)
    damaged[rng.integers(len(text) - 1)] = rng.choice(list(b'\t\n-0a9 \0\xff'))
    found = bytes(damaged).split(b'\n')[:-1]
    if any(map(lines.fault, found)):
      told += 1
      with pytest.raises(data.DataError, match=r'x, line \d has'):
        lines.parse(bytes(damaged), tmp_path / 'x', 1)
      continue
    parsed = lines.parse(bytes(damaged), tmp_path / 'x', 1)
    inputs, targets = row_format.decoded(parsed)
    known = [expected(one.decode().split('\t')) for one in found]
    np.testing.assert_allclose(inputs, [k[0] for k in known], rtol=1e-6)
    assert targets.tolist() == [k[1] for k in known]
  assert 100 < told < 300


def _cut(folder):
  path = folder / 'day_8.gz'
  path.write_bytes(path.read_bytes()[:-20])


def _spoil(folder):
  lines = gzip.decompress((folder / 'day_8.gz').read_bytes())
  (folder / 'day_8.gz').write_bytes(gzip.compress(b'7' + lines[1:]))


FILES = {
  'a packed file cut short': (_cut, r'day_8\.gz is damaged in line \d'),
  'a wrong line': (_spoil, r"day_8\.gz, line 1 has the label '7'"),
  'no file': (
    lambda folder: (folder / 'day_8.gz').unlink(), r'has no day_8\.gz'
  ),
  'a part lacking': (
    lambda folder: (folder / 'day_3_01').unlink(),
    'day_3_01 is missing, but .*day_3_02 exists',
  ),
}  # fmt: skip


@pytest.mark.parametrize('damage', FILES)
def test_damaged_published_files_are_told_and_days_stay(raw, tmp_path, damage):
  spoil, message = FILES[damage]
  folder = tmp_path / 'raw'
  shutil.copytree(raw[0], folder)
  spoil(folder)
  with pytest.raises(data.DataError, match=message):
    prepare.prepare(DATASET, str(tmp_path), str(folder), print)
  place = data.folder(DATASET, tmp_path)
  assert not (place / manifest.NAME).exists()
  assert not row_format.path(place, 8).exists()


def test_it_is_not_downloaded(tmp_path):
  with pytest.raises(data.DataError, match='CC BY-NC-SA'):
    prepare.prepare(DATASET, str(tmp_path), None, print)
