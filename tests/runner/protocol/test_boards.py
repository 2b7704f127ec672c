"""Results of a board: a folder, a folder inside, or an archive."""

import tarfile

import pytest

from runner.protocol import boards, layout
from runner.protocol.results_folder import ResultsError
from tests.support import made_results as made

KEYS = [('x', 'criteo1tb/mini', 0, 1)]


def packed(place, inside=''):
  made.write_plan(place / 'raw', KEYS)
  with tarfile.open(place / boards.ARCHIVE, 'w:xz') as archive:
    archive.add(place / 'raw', arcname=inside or '.')
  return place


@pytest.mark.parametrize('inside', ['', 'results'])
def test_an_archive_is_unpacked_meanwhile(tmp_path, inside):
  with boards.opened(packed(tmp_path, inside)) as folder:
    assert (folder / layout.PLAN).is_file()
  assert not folder.exists()
  assert [t.submission for t in boards.plan(tmp_path).trials] == ['x']


@pytest.mark.parametrize('inside', ['', boards.INSIDE])
def test_a_folder_is_read_where_it_is(tmp_path, inside):
  made.write_plan(tmp_path / inside, KEYS)
  with boards.opened(tmp_path) as folder:
    assert folder == tmp_path / inside
  assert folder.exists()


def test_where_there_is_no_board_it_says_what_would_be_one(tmp_path):
  with pytest.raises(ResultsError, match='no results to compare with'):
    boards.plan(tmp_path / 'nowhere')
  (tmp_path / boards.ARCHIVE).write_bytes(b'no archive')
  with pytest.raises(ResultsError, match='cannot be unpacked'):
    boards.plan(tmp_path)


def test_an_archive_cannot_write_elsewhere(tmp_path):
  made.write_plan(tmp_path / 'raw', KEYS)
  with tarfile.open(tmp_path / boards.ARCHIVE, 'w:xz') as archive:
    archive.add(tmp_path / 'raw', arcname='../elsewhere')
  with pytest.raises(ResultsError, match='cannot be unpacked'):
    boards.plan(tmp_path)
