import numpy as np
import pytest

from workloads import batches, generated
from workloads.batches import Arrays
from workloads.graphs import synthetic as graphs
from workloads.speech import synthetic as speech
from workloads.text import synthetic_pairs as pairs, synthetic_text as text


@pytest.fixture
def fresh(monkeypatch):
  """No data have been generated or read."""
  monkeypatch.setattr(generated, '_made', {})
  monkeypatch.setattr(generated, '_kept', [])


def maker(calls):
  """A function that generates data, which notes its calls."""

  @generated.kept
  def made(split, size=3):
    calls.append(split)
    rng = np.random.default_rng(len(split))
    return Arrays(
      {
        'inputs': rng.random((7, size), np.float32),
        'targets': rng.integers(0, 9, (7, 4), np.int32)[:, 1:],  # Not whole.
      }
    )

  return made


def test_another_process_reads_what_one_has_generated(fresh, tmp_path):
  calls = []
  before = maker(calls)('train')
  sha256 = generated.write(tmp_path)
  generated.read(tmp_path, sha256)
  later = maker(calls)
  after = later('train')
  assert calls == ['train']
  assert later('train') is after
  assert before.rows.keys() == after.rows.keys()
  for name, rows in before.rows.items():
    assert rows.dtype == after.rows[name].dtype
    np.testing.assert_array_equal(rows, after.rows[name], strict=True)
  one, other = (batches.train_batch(x, 1, 5, 4) for x in (before, after))
  for name in one:
    np.testing.assert_array_equal(one[name], other[name], strict=True)
  assert not after.rows['inputs'].flags.writeable


def test_arguments_make_other_data(fresh, tmp_path):
  calls = []
  maker(calls)('train')
  generated.read(tmp_path, generated.write(tmp_path))
  assert maker(calls)('train', 4).rows['inputs'].shape == (7, 4)
  assert maker(calls)('train', size=5).rows['inputs'].shape == (7, 5)
  assert len(calls) == 3


@pytest.mark.parametrize('how', ['gone', 'empty', 'cut', 'changed'])
def test_damaged_files_are_not_believed(fresh, tmp_path, capsys, how):
  calls = []
  before = maker(calls)('train')
  sha256 = generated.write(tmp_path)
  paths = (tmp_path / generated.FOLDER).iterdir()
  [path] = [p for p in paths if b'<f4' in p.read_bytes()]
  content = path.read_bytes()
  if how == 'gone':
    path.unlink()
  else:
    cut = {'empty': b'', 'cut': content[:-1], 'changed': content[:-1] + b'!'}
    path.write_bytes(cut[how])
  generated.read(tmp_path, sha256)
  after = maker(calls)('train')
  assert calls == ['train', 'train']
  np.testing.assert_array_equal(before.rows['inputs'], after.rows['inputs'])
  said = capsys.readouterr().out
  assert str(path) in said
  assert 'generated again' in said
  assert generated.write(tmp_path) == sha256
  assert path.read_bytes() == content  # Mended for later processes.


def test_a_damaged_index_is_not_believed(fresh, tmp_path, capsys):
  calls = []
  maker(calls)('train')
  sha256 = generated.write(tmp_path)
  (tmp_path / generated.FOLDER / sha256).write_text('{}', encoding='utf-8')
  generated.read(tmp_path, sha256)
  maker(calls)('train')
  assert calls == ['train', 'train']
  assert 'its hash is not its name' in capsys.readouterr().out


def test_no_hash_reads_nothing(fresh, tmp_path):
  calls = []
  maker(calls)('train')
  generated.read(tmp_path, generated.write(tmp_path))
  generated.read('', '')
  maker(calls)('train')
  assert len(calls) == 2


@pytest.mark.parametrize(
  ('make', 'words'),
  [
    (graphs.source, ('test',)),
    (pairs.source, ('validation', 20)),
    (text.source, ('validation', 96)),
    (speech._utterances, ('validation', 0)),
  ],
)
def test_batches_of_workloads_are_the_same(fresh, tmp_path, make, words):
  before = generated.kept(make.__wrapped__)(*words)
  generated.read(tmp_path, generated.write(tmp_path))
  generated._made.clear()
  after = generated.kept(make.__wrapped__)(*words)
  assert not generated._made
  one, other = (batches.train_batch(x, 3, 77, 50) for x in (before, after))
  assert one.keys() == other.keys()
  for name, rows in one.items():
    np.testing.assert_array_equal(rows, other[name], strict=True)
