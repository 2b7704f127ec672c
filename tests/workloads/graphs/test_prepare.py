"""ogbg-molpcba in small: prepared by the command, put into pools, damaged."""

import dataclasses
import functools
import itertools
import shutil
import struct
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python import array_record_module
from etils import epath
from sklearn.metrics import average_precision_score

import workloads
from tests.support import published_ogbg as published
from tests.support.preparing import command, fixtures, say
from workloads import batches, data, prepare
from workloads.data import manifest, records
from workloads.graphs import (
  atoms,
  graphs,
  ogbg,
  prepare as pcba,
  reader as compounds,
)
from workloads.graphs.graphs import Size

COUNTS = {'train': 150, 'validation': 20, 'test': 9}
DATASET = data.DATASETS['ogbg_molpcba']
PLACE = 'ogbg_molpcba/0.1.3'


raw, home, copy = fixtures(
  'ogbg',
  lambda folder: published.write(folder, COUNTS),
  (
    'pcba.zip differs from the published',
    'Note: train has 150 examples; the published dataset has 350343.',
  ),
)


@pytest.fixture(scope='module')
def theirs(raw, tmp_path_factory):
  """What TFDS's own builder makes of the same archive."""
  folder = tmp_path_factory.mktemp('theirs')
  with zipfile.ZipFile(raw[0] / 'pcba.zip') as archive:
    archive.extractall(folder / 'unpacked')
  unpacked = epath.Path(folder / 'unpacked')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(
      tfds.download.DownloadManager,
      'download_and_extract',
      lambda manager, url: unpacked,
    )
    builder = tfds.builder(
      'ogbg_molpcba', data_dir=folder, file_format='array_record'
    )
    builder.download_and_prepare()
  return folder / PLACE


@functools.cache
def source(home, split):
  return workloads.get('ogbg').source(split, str(home))


def seen(batch, row):
  """A molecule as published.py makes them, of a row of a batch."""
  n_node, n_edge = int(batch['n_node'][row]), int(batch['n_edge'][row])
  nodes, edges = batch['nodes'][row], batch['edges'][row]
  assert not nodes[n_node:].any() and not edges[n_edge:].any()
  ends = [batch[name][row] for name in ('senders', 'receivers')]
  assert not any(rows[n_edge:].any() for rows in ends)
  there, back = (np.stack(pair, 1) for pair in (ends, ends[::-1]))
  # Every bond goes both ways, with the same features.
  np.testing.assert_array_equal(there[:n_edge:2], back[1:n_edge:2])
  np.testing.assert_array_equal(edges[:n_edge:2], edges[1:n_edge:2])
  known = batch['labelled'][row] == 1
  assert not batch['targets'][row][~known].any()
  return published.Molecule(
    nodes[:n_node].tolist(),
    edges[:n_edge:2].tolist(),
    [tuple(pair) for pair in there[:n_edge:2].tolist()],
    np.where(known, batch['targets'][row], np.nan).tolist(),
  )


def text(molecules):
  """In an order of their own; NaN is not equal to itself, but its text is."""
  return sorted(
    str(jax.tree.map(float, published.Molecule(*m))) for m in molecules
  )


@pytest.mark.parametrize('split', COUNTS)
def test_every_molecule_is_there_with_its_bonds_and_labels(home, raw, split):
  batch = source(home, split)[np.arange(COUNTS[split])]
  rows = [seen(batch, row) for row in range(COUNTS[split])]
  assert text(rows) == text(raw[1][split])


def test_batches_are_those_that_a_workload_promises(home):
  """Shapes and types; the last batch of an evaluation is masked."""
  fake = jax.eval_shape(
    lambda key: workloads.get('ogbg').fake_batch(key, 8),
    jax.eval_shape(lambda: jax.random.key(0)),
  )
  made = list(batches.eval_batches(source(home, 'validation'), 8))
  for batch in [batches.train_batch(source(home, 'train'), 0, 0, 8), *made]:
    assert {n: (x.shape, x.dtype) for n, x in batch.items()} == {
      n: (x.shape, x.dtype) for n, x in fake.items()
    }
  assert [batch['weights'].sum() for batch in made] == [8, 8, 4]
  assert (made[2]['nodes'][4:] == made[2]['nodes'][3]).all()


def test_the_published_model_takes_such_batches(home):
  workload = workloads.get('ogbg')
  batch = batches.train_batch(source(home, 'train'), 0, 0, 512)
  key = jax.eval_shape(lambda: jax.random.key(0))
  for seen in (
    lambda k, b: workload.losses(
      workload.forward(workload.init(k), b, k, 0.1)[0], b, 0.1
    ),
    lambda k, b: workload.eval_stats(workload.init(k), b)['loss'],
  ):
    shapes = jax.eval_shape(seen, key, batch)
    assert {leaf.shape for leaf in jax.tree.leaves(shapes)} == {(512,)}


def in_shards(sizes, shard, room):
  """Numbers of molecules, by AlgoPerf's rule, one by one."""
  shards, left = [[]], None
  for number, (nodes, edges) in enumerate(sizes):
    if left is None or nodes > left[0] or edges > left[1] or left[2] == 0:
      shards.append([])
      left = [*room, shard]
    shards[-1].append(number)
    left = [left[0] - nodes, left[1] - edges, left[2] - 1]
  return shards[1:]


@pytest.mark.parametrize(
  ('shard', 'room'),
  [
    (64, Size(1664, 3584)),
    (10, Size(336, 768)),
    (10, Size(160, 9999)),  # Nodes fill it up,
    (10, Size(9999, 130)),  # or edges.
    (1, Size(60, 140)),
  ],
)
def test_shards_are_filled_as_published(shard, room):
  rng = np.random.default_rng(2)
  n_node = rng.integers(1, 60, 400)
  n_edge = 2 * rng.integers(0, 65, 400)
  sizes = list(zip(n_node.tolist(), n_edge.tolist(), strict=True))
  wanted = in_shards(sizes, shard, room)
  found = compounds.bounds(n_node, n_edge, shard, room).tolist()
  assert [list(range(*pair)) for pair in itertools.pairwise(found)] == wanted


@pytest.mark.parametrize(
  ('count', 'usual'),
  [(64, Size(26, 56)), (128, Size(20, 44)), (10, Size(26, 56))],
)
def test_no_molecule_of_an_epoch_is_lost_or_doubled(home, count, usual):
  """Two epochs, in orders that differ; and all that is drawn fits."""
  found = dataclasses.replace(source(home, 'train'), usual=usual)
  room = graphs.room(count, usual, found.largest)
  drawn, first = [], 0
  while len(drawn) < 300:
    batch = found.draw(3, first, count)
    assert graphs.fitting(batch, room).all()
    rows = np.flatnonzero(batch['n_node'])
    assert not batch['labelled'][batch['n_node'] == 0].any()
    drawn += [seen(batch, row) for row in rows]
    first += count
  once = text(seen(found[np.arange(150)], row) for row in range(150))
  assert text(drawn[:150]) == text(drawn[150:300]) == once
  assert drawn[:150] != drawn[150:300]


def test_a_training_batch_depends_on_its_place_alone(home):
  """In one piece or in a host's shares, and in a process that resumes."""
  first = 11 * 512
  whole = batches.train_batch(source(home, 'train'), 5, first, 512)
  parts = [
    batches.train_batch(source(home, 'train'), 5, first + n, size)
    for n, size in ((0, 256), (256, 64), (320, 192))
  ]
  fresh = workloads.get('ogbg').source('train', str(home))
  again = batches.train_batch(fresh, 5, first, 512)
  for name, rows in whole.items():
    joined = np.concatenate([part[name] for part in parts])
    np.testing.assert_array_equal(rows, joined)
    np.testing.assert_array_equal(rows, again[name])
  other = batches.train_batch(fresh, 6, first, 512)
  assert (other['nodes'] != whole['nodes']).any()


@pytest.mark.parametrize('usual', [26, 13])  # Of 13 half do not fit.
def test_padding_is_what_a_pool_leaves_empty(home, usual):
  batch = batches.train_batch(source(home, 'train'), 0, 0, 64)
  room, rows, nodes = 64 * usual, 0, 0
  for n_node, n_edge in zip(
    batch['n_node'].tolist(), batch['n_edge'].tolist(), strict=True
  ):
    nodes += n_node
    if nodes > room:
      break
    rows += n_node + n_edge
  workload = dataclasses.replace(workloads.get('ogbg'), pool_nodes=usual)
  share = 1 - rows / (room + 64 * 56)
  np.testing.assert_allclose(workload.padding(batch), share)
  assert 0 < share < 0.5


@functools.partial(jax.jit, static_argnums=(1, 2))
def sums(batch, count, room):
  """Of the nodes and edges of every graph, by pools."""

  def network(pool):
    nodes = graphs.total(pool.nodes, pool.graph_of_node, len(pool.fits))
    edges = graphs.total(pool.edges, pool.graph_of_edge, len(pool.fits))
    return jnp.concatenate([nodes, edges], axis=1)

  return graphs.in_turn(batch, count, room, network)


@pytest.mark.parametrize(
  ('count', 'room'),
  [(3, Size(60, 140)), (8, Size(100, 999)), (20, Size(999, 9999))],
)
def test_in_evaluation_pools_are_filled_until_no_graph_is_left(
  home, count, room
):
  batch = source(home, 'validation')[np.arange(20)]
  outputs, there = sums(batch, count, room)
  assert there.all()
  wanted = [batch[name].sum(axis=1) for name in ('nodes', 'edges')]
  np.testing.assert_array_equal(outputs, np.concatenate(wanted, axis=1))


def test_average_precision_does_not_look_at_missing_labels(home, raw):
  """Against scikit-learn's, on the labels of the published file."""
  workload = ogbg.Ogbg(latent=4, width=4, steps=1)
  batch = batches.weighted(source(home, 'validation')[np.arange(20)], 20)
  stats = jax.jit(
    lambda key, batch: workload.eval_stats(workload.init(key), batch)
  )(jax.random.key(0), batch)
  stats = jax.tree.map(np.asarray, stats)
  metrics, logits = workload.summarize(stats), stats['logits']
  by_atoms = {str(m.atoms): m.labels for m in raw[1]['validation']}
  labels = np.array([
    by_atoms[str(np.array(seen(batch, n).atoms).astype(int).tolist())]
    for n in range(20)
  ])  # fmt: skip
  assert 0.3 < np.isnan(labels).mean() < 0.5
  precisions = []
  for task in range(128):
    known = ~np.isnan(labels[:, task])
    if set(labels[known, task]) == {0, 1}:
      precisions.append(
        average_precision_score(labels[known, task], logits[known, task])
      )
  assert len(precisions) > 50
  np.testing.assert_allclose(
    metrics['mean_average_precision'], np.mean(precisions), rtol=1e-6
  )


def test_what_is_written_is_what_tfds_would_write(home, theirs):
  """The same records in the same order, but for whose features they are."""
  for split, count in COUNTS.items():
    ours, own = (
      records.Records(place, split)[range(count)]
      for place in (home / PLACE, theirs)
    )
    for one, other in zip(ours, own, strict=True):
      assert one.keys() == other.keys()
      for name in one:
        np.testing.assert_array_equal(one[name], other[name])
        assert one[name].dtype == other[name].dtype


@pytest.fixture
def by_default(theirs, tmp_path):
  """As TFDS stores by default: the same records in tfrecord files."""
  origin = tmp_path / 'default' / PLACE
  origin.mkdir(parents=True)
  for path in theirs.iterdir():
    name = path.name.replace('array_record', 'tfrecord')
    if path.suffix == '.json':
      content = path.read_text().replace('array_record', 'tfrecord')
      (origin / name).write_text(content)
    else:
      reader = array_record_module.ArrayRecordReader(str(path))
      with (origin / name).open('wb') as file:
        for record in reader.read(range(reader.num_records())):
          file.write(struct.pack('<QI', len(record), 0) + record + bytes(4))
  return origin


def test_what_tfds_has_prepared_is_taken_over(
  home, theirs, by_default, tmp_path
):
  origins = {'stored by number': theirs, 'stored by default': by_default}
  for name, origin in origins.items():
    mine = tmp_path / name
    done = command('import', workload='ogbg', source=origin, data_dir=mine)
    assert done.returncode == 0, done.stderr
    for split in COUNTS:
      pairs = zip(
        atoms.load(mine / PLACE, split),
        atoms.load(home / PLACE, split),
        strict=True,
      )
      for one, other in pairs:
        np.testing.assert_array_equal(one, other)


def test_prepared_again_nothing_changes_and_status_knows(home, raw):
  done = command('prepare', workload='ogbg', raw=raw[0], data_dir=home)
  assert 'is complete: all files' in done.stdout
  done = command('status', workload='ogbg', data_dir=home)
  assert done.returncode == 0
  assert 'ogbg_molpcba 0.1.3 for ogbg: ready' in done.stdout
  facts = data.facts('ogbg', str(home))
  assert facts['ogbg_molpcba 0.1.3']['examples'] == COUNTS


def test_a_preparation_that_was_interrupted_goes_on(home, tmp_path):
  """TFDS was done, and the arrays and the manifest were not."""
  place = tmp_path / PLACE
  shutil.copytree(home / PLACE, place)
  (place / manifest.NAME).unlink()
  (place / 'molecules-test.npz').unlink()
  with pytest.raises(data.DataError, match='not finished'):
    workloads.get('ogbg').source('train', str(tmp_path))
  prepare.prepare(DATASET, str(tmp_path), None, say)
  assert manifest.load(place).examples == COUNTS
  for one, other in zip(
    atoms.load(place, 'test'), atoms.load(home / PLACE, 'test'), strict=True
  ):
    np.testing.assert_array_equal(one, other)


def line(name, number, change):
  """Changes the fields of a line, from 1; None takes it out."""

  def changed(texts):
    lines = texts[name].decode().splitlines()
    fields = change(lines[number - 1].split(','))
    lines[number - 1 : number] = [] if fields is None else [','.join(fields)]
    texts[name] = ''.join(f'{line}\n' for line in lines).encode()

  return changed


def put(field, value):
  return lambda fields: [*fields[:field], value, *fields[field + 1 :]]


def lost(name):
  return lambda texts: texts.pop(name)


NODES = 'pcba/raw/node-feat.csv.gz'
EDGES = 'pcba/raw/edge.csv.gz'
BONDS = 'pcba/raw/edge-feat.csv.gz'
LABELS = 'pcba/raw/graph-label.csv.gz'
N_NODE = 'pcba/raw/num-node-list.csv.gz'
N_EDGE = 'pcba/raw/num-edge-list.csv.gz'
VALID = 'pcba/split/scaffold/valid.csv.gz'
TRAIN = 'pcba/split/scaffold/train.csv.gz'

RAW_DAMAGES = {
  'a count that is too high': (
    line(N_NODE, 3, lambda fields: [str(int(fields[0]) + 1)]),
    r'node-feat.csv.gz has ([\d,]+) lines; \S+num-node-list.csv.gz requires',
  ),
  'a bond that is too few': (
    line(BONDS, 9, lambda fields: None),
    'edge-feat.csv.gz has .* lines; .*num-edge-list.csv.gz requires',
  ),
  'ends that are too few': (
    line(EDGES, 9, lambda fields: None),
    'edge.csv.gz has .* lines; .*num-edge-list.csv.gz requires',
  ),
  'labels that are too few': (
    line(LABELS, 7, lambda fields: None),
    'graph-label.csv.gz has 178 lines; .*num-node-list.csv.gz requires 179',
  ),
  'counts of bonds that are too few': (
    line(N_EDGE, 7, lambda fields: None),
    'num-edge-list.csv.gz has 178 lines; .*num-node-list.csv.gz',
  ),
  'a bond to nowhere': (
    line(EDGES, 5, put(1, '61')),
    r'edge.csv.gz, line 5 has a bond between atoms \[\d+, 61\] of molecule 0, '
    r'which has \d+',
  ),
  'a bond from before the first atom': (
    line(EDGES, 5, put(0, '-1')),
    "edge.csv.gz, line 5 has '-1' in field 1, which takes a whole number from "
    '0 to 65535',
  ),
  'a molecule without atoms': (
    line(N_NODE, 4, put(0, '0')),
    "num-node-list.csv.gz, line 4 has '0' in field 1, which takes a whole",
  ),
  'a feature that is none': (
    line(NODES, 60, put(8, '256')),
    "node-feat.csv.gz, line 60 has '256' in field 9, which takes a whole",
  ),
  'half a feature': (
    line(NODES, 60, put(0, '0.5')),
    "node-feat.csv.gz, line 60 has '0.5' in field 1, which takes a whole",
  ),
  'a feature that is missing': (
    line(BONDS, 2, put(1, '')),
    "edge-feat.csv.gz, line 2 has '' in field 2, which takes a whole number",
  ),
  'a line cut short': (
    line(NODES, 31, lambda fields: fields[:4]),
    'node-feat.csv.gz, line 31 has 4 fields instead of 9',
  ),
  'an empty line': (
    line(N_NODE, 2, lambda fields: ['']),
    "num-node-list.csv.gz, line 2 has '' in field 1, which takes a whole",
  ),
  'a label cut short': (
    line(LABELS, 8, lambda fields: fields[:100]),
    'graph-label.csv.gz, line 8 has 100 fields instead of 128',
  ),
  'a label that is neither': (
    line(LABELS, 8, put(127, '2.0')),
    r"graph-label.csv.gz, line 8 has '2.0' in field 128, which takes a whole "
    'number from 0 to 1, or nothing',
  ),
  'a number that is too long': (
    line(N_EDGE, 3, put(0, '1' * 5000)),
    "num-edge-list.csv.gz, line 3 has '1{40}' in field 1, which takes a whole",
  ),
  'a word': (
    line(VALID, 20, put(0, 'x')), "valid.csv.gz, line 20 has 'x' in field 1"
  ),
  'a molecule that is not there': (
    line(VALID, 4, put(0, '179')),
    "valid.csv.gz, line 4 has '179' in field 1, which takes a whole number "
    'from 0 to 178',
  ),
  'a molecule in no split': (
    line(TRAIN, 1, lambda fields: None), r'molecule \d+ is in 0 lines'
  ),
  'no file of the archive': (lost(LABELS), 'has no file pcba/raw/graph-label'),
  'no split': (lost(VALID), 'has no file pcba/split/scaffold/valid.csv.gz'),
}  # fmt: skip


def refused(raw, tmp_path, message):
  home = tmp_path / 'data'
  with pytest.raises(data.DataError, match=message):
    prepare.prepare(DATASET, str(home), str(raw), say)
  assert not data.folder(DATASET, home).exists()


@pytest.mark.parametrize('damage', RAW_DAMAGES)
def test_damaged_files_are_told_by_their_line(raw, tmp_path, damage):
  change, message = RAW_DAMAGES[damage]
  texts = published.unpacked(raw[0] / 'pcba.zip')
  change(texts)
  published.archive(tmp_path / 'pcba.zip', texts)
  refused(tmp_path, tmp_path, message)


def test_a_molecule_in_two_splits_is_told(raw, tmp_path):
  texts = published.unpacked(raw[0] / 'pcba.zip')
  number = texts[TRAIN].split()[0]
  texts[VALID] += number + b'\n'
  published.archive(tmp_path / 'pcba.zip', texts)
  refused(tmp_path, tmp_path, f'molecule {number.decode()} is in 2 lines')


def test_an_archive_cut_anywhere_is_told(raw, tmp_path):
  content = (raw[0] / 'pcba.zip').read_bytes()
  for size in (0, 10, len(content) // 2, len(content) - 1):
    (tmp_path / 'pcba.zip').write_bytes(content[:size])
    refused(tmp_path, tmp_path, r'pcba.zip, \S+ is damaged in line 1 or after')
  (tmp_path / 'pcba.zip').unlink()
  refused(tmp_path, tmp_path, 'pcba.zip is missing')


def test_a_packed_file_cut_short_or_changed_is_told(raw, tmp_path):
  with zipfile.ZipFile(raw[0] / 'pcba.zip') as found:
    packed = {name: found.read(name) for name in found.namelist()}
  packed[NODES] = packed[NODES][:-20]
  with zipfile.ZipFile(tmp_path / 'pcba.zip', 'w') as out:
    for name, content in packed.items():
      out.writestr(name, content)
  refused(tmp_path, tmp_path, r'node-feat.csv.gz is damaged in line \d+ or')
  content = bytearray((raw[0] / 'pcba.zip').read_bytes())
  content[content.index(packed[EDGES]) + 100] ^= 8
  (tmp_path / 'pcba.zip').write_bytes(content)
  refused(tmp_path, tmp_path, r'pcba/raw/edge.csv.gz is damaged in line \d+ or')


@pytest.mark.parametrize(
  'name',
  ['molecules-train.npz', 'ogbg_molpcba-train.array_record-00000-of-00001'],
)
def test_a_changed_byte_is_told_by_its_file(copy, name):
  path = copy / PLACE / name
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)
  with pytest.raises(data.DataError, match=f'{name} has changed'):
    workloads.get('ogbg').source('train', str(copy))


def test_arrays_that_are_too_many_to_be_hashed_are_checked_as_they_are_read(
  copy, monkeypatch
):
  """The published ones are 0.5 GB: only their lengths are looked at first."""
  monkeypatch.setattr(data, 'THOROUGH', 0)
  path = copy / PLACE / 'molecules-train.npz'
  whole = path.read_bytes()
  for place in range(100, len(whole), len(whole) // 7):
    content = bytearray(whole)
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=r'molecules-train.npz cannot be'):
      workloads.get('ogbg').source('train', str(copy))


def test_a_molecule_without_room_is_told_before_training(home):
  largest = source(home, 'train').molecules.n_atom.max()
  small = dataclasses.replace(workloads.get('ogbg'), max_nodes=int(largest) - 1)
  with pytest.raises(
    data.DataError,
    match=rf'molecules-train.npz: molecule \d+ has {largest} atoms and \d+ '
    rf'bonds; ogbg takes up to {largest - 1} and 384',
  ):
    small.source('train', str(home))


RECORDS = {
  'a count': ('num_nodes', lambda x: x + 1, r'it says \[\d+\] atoms, and has'),
  'a bond less': ('edge_feat', lambda x: x[1:], r'it says \[\d+\] bonds, and'),
  'a bond to nowhere': ('edge_index', lambda x: x + 60, 'a bond ends at'),
  'a bond from nowhere': ('edge_index', lambda x: x - 60, 'a bond ends at'),
  'a label': ('labels', lambda x: x + 1, r'labels are \[1. 2.\], not 0 and 1'),
  'half a feature': ('node_feat', lambda x: x + 0.5, 'atoms are not codes'),
  'no feature': ('node_feat', lambda x: x * np.nan, 'atoms are not codes'),
  'a large feature': ('edge_feat', lambda x: x + 256, 'bonds are not codes'),
}


@pytest.mark.parametrize('name', RECORDS)
def test_a_record_that_is_no_molecule_is_told(raw, tmp_path, monkeypatch, name):
  """TFDS stores what it is given."""
  field, change, message = RECORDS[name]
  made = pcba.OgbgMolpcba._generate_examples

  def damaged(self, molecules, numbers):
    for number, record in made(self, molecules, numbers):
      if number == numbers[2]:
        record[field] = change(record[field])
      yield number, record

  monkeypatch.setattr(pcba.OgbgMolpcba, '_generate_examples', damaged)
  with pytest.raises(
    data.DataError,
    match=r'ogbg_molpcba-train.array_record-00000-of-00001, record \d+ is no '
    rf'molecule: .*{message}',
  ):
    prepare.prepare(DATASET, str(tmp_path), str(raw[0]), say)
