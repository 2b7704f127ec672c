"""Links in tar archives lead to a file there, or are told by their name.

A dangling one ended `prepare` in a KeyError, and two that lead to each other in
a RecursionError.
"""

import io
import tarfile

import pytest

from workloads.data import archives
from workloads.data.manifest import DataError
from workloads.images import prepare_small
from workloads.mri import prepare
from workloads.text import prepare_wmt

LINKS = {  # Names, and to which others they lead.
  'dangling': {'a': 'gone'},
  'to itself': {'a': 'a'},
  'in a circle': {'a': 'b', 'b': 'c', 'c': 'a'},
}
KINDS = (tarfile.SYMTYPE, tarfile.LNKTYPE)


def archive(path, links, kind, top='', files=()):
  with tarfile.open(path, 'w:gz') as made:
    for name, content in files:
      member = tarfile.TarInfo(top + name)
      member.size = len(content)
      made.addfile(member, io.BytesIO(content))
    for name, other in links.items():
      member = tarfile.TarInfo(top + name)
      member.type = kind
      # Symbolic links lead on from where they lie, others from the top.
      member.linkname = other if kind == tarfile.SYMTYPE else top + other
      made.addfile(member)
  return path


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('links', LINKS)
def test_a_link_to_nothing_is_told_by_its_name(tmp_path, links, kind):
  path = archive(tmp_path / 'x.tar.gz', LINKS[links], kind)
  with pytest.raises(DataError, match=r'x\.tar\.gz is damaged: a is a link to'):
    list(archives.files(path))


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('links', LINKS)
def test_wherever_an_archive_is_read(tmp_path, links, kind):
  top = f'{prepare_small.CIFAR_FOLDER}/'
  path = archive(tmp_path / 'x.tar.gz', LINKS[links], kind, top)
  with pytest.raises(DataError, match='is a link to'):
    list(prepare_small._cifar(path, 'a'))
  with pytest.raises(DataError, match=r'x\.tar\.gz'):
    list(prepare_wmt._lines(path, f'{top}a'))
  assert list(prepare._files(path)) == []  # Links are no volumes.


@pytest.mark.parametrize('kind', KINDS)
def test_a_link_to_a_file_has_its_content(tmp_path, kind):
  files = [('real', b'content')]
  path = archive(tmp_path / 'x.tar.gz', {'a': 'real'}, kind, files=files)
  assert list(archives.files(path)) == [('real', b'content'), ('a', b'content')]
