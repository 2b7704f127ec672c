"""What people keep is replaced in one step, and stays as it was elsewhere.

`--into` wrote a README in place: on a full disk its end was lost, and CRLF
became LF.
"""

import dataclasses
import datetime
import errno
import os
import pathlib
import stat

import pytest

from runner.machine import speeds as speeds_
from runner.protocol import storage, user_files
from runner.protocol.plan import Machine, Speed
from runner.protocol.suites import suite as rules, suite_files
from runner.tools import set_targets as targets
from scoring.load import results as read
from scoring.rank import analysis, board
from scoring.report import markdown, write as report
from tests.support import made_results

NAME = 'criteo1tb/mini'
ENDS = ('\n', '\r\n')
README = (
  f'# Ours\n\nEnd — before.\n{markdown.BEGIN}\nold\n{markdown.END}\nLast.\n'
)
REPORT = f'x\n{markdown.BEGIN}\n| 1 – 2 |\nnew\n{markdown.END}\ny\n'


def suite_text():
  return (suite_files.CONFIGS / 'suites' / 'mini.toml').read_text()


def renew(path):
  markdown.renew(path, REPORT)


def set_targets(path):
  found = suite_files.Target(
    target=0.25,
    submission='adamw',
    point={'a': 1.5},
    values=[0.25],
    tuned={'adamw': 0.25},
  )
  targets.write(path, {NAME: found}, 'timetrial set-targets')


def calibrate(path):
  suite = rules.load('mini')
  speeds = {'digits': Speed(1.0, 0.5)}
  only = dataclasses.replace(
    suite, workloads={'digits': (suite.workloads | suite.unscored)['digits']}
  )
  facts = {'name': path.stem, 'cpu': 'x'}
  machine = Machine(name=path.stem, facts=facts)
  speeds_.save(path.parent, machine, only, speeds)


WRITERS = {
  'a README': ('README.md', renew, README),
  'a suite': ('mine.toml', set_targets, suite_text()),
  'a machine': ('here.toml', calibrate, '# Ours.\n[machine]\nname = "here"\n'),
}


@pytest.fixture(params=WRITERS)
def written(request, tmp_path):
  """A file, what replaces it, and its text."""
  name, write, text = WRITERS[request.param]
  return tmp_path / name, write, text


@pytest.mark.parametrize('end', ENDS)
def test_lines_end_as_they_ended(written, end):
  path, write, text = written
  path.write_bytes(text.replace('\n', end).encode())
  before = path.read_bytes()
  write(path)
  after = path.read_bytes()
  assert after != before
  assert after.count(b'\n') == after.count(end.encode())
  assert list(path.parent.iterdir()) == [path]


def test_what_is_not_replaced_stays_byte_by_byte(tmp_path):
  """Mixed line ends, an old Mac's, none at the end, and signs of any kind."""
  before, after = 'a\r\nb\nc\rd\x0b \u2028é\n', 'z\r\ny\nx\r w'
  path = tmp_path / 'README.md'
  path.write_bytes(f'{before}{markdown.BEGIN}\n{markdown.END}{after}'.encode())
  markdown.renew(path, REPORT)
  text = path.read_bytes().decode()
  assert text.startswith(before + markdown.BEGIN)
  assert text.endswith(markdown.END + after)
  assert 'new' in text


def full(*_):
  raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize('when', ['flush', 'replace'])
def test_on_a_full_disk_the_old_file_stays_whole(written, monkeypatch, when):
  path, write, text = written
  path.write_text(text)
  if when == 'flush':
    monkeypatch.setattr(os, 'fsync', full)
  else:
    monkeypatch.setattr(pathlib.Path, 'replace', full)
  with pytest.raises((storage.StorageError, ValueError), match='No space left'):
    write(path)
  assert path.read_text() == text
  assert list(path.parent.iterdir()) == [path]


def test_permissions_and_links_stay(written, tmp_path):
  path, write, text = written
  real = tmp_path / 'elsewhere' / 'real'
  real.parent.mkdir()
  real.write_text(text)
  real.chmod(0o640)
  path.symlink_to(real)
  write(path)
  assert path.is_symlink() and path.resolve() == real
  assert real.read_text() != text
  assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_of_new_files(tmp_path):
  usual = tmp_path / 'usual'
  usual.touch()
  user_files.replace(tmp_path / 'new', b'x')
  assert (tmp_path / 'new').stat().st_mode == usual.stat().st_mode


def test_what_is_no_file_is_not_replaced(tmp_path):
  """A device would be gone after it."""
  os.mkfifo(tmp_path / 'pipe')
  (tmp_path / 'folder').mkdir()
  for name in ('pipe', 'folder'):
    with pytest.raises(storage.StorageError, match='not a regular file'):
      user_files.replace(tmp_path / name, b'x')
  with pytest.raises(storage.StorageError, match='not a regular file'):
    user_files.replace(pathlib.Path('/dev/null'), b'x')


def test_somebody_elses_partial_file_stays(written):
  path, write, text = written
  path.write_text(text)
  other = path.with_name(f'{path.name}.partial')
  other.write_text('mine')
  write(path)
  assert other.read_text() == 'mine'


def test_a_file_in_another_encoding_is_refused_and_left(tmp_path):
  path = tmp_path / 'README.md'
  content = README.encode('cp1252')
  path.write_bytes(content)
  with pytest.raises(ValueError, match=r'README\.md is not UTF-8'):
    markdown.renew(path, REPORT)
  assert path.read_bytes() == content


def test_a_report_on_a_full_disk_leaves_the_one_before(tmp_path, monkeypatch):
  results = read.read(made_results.race(tmp_path / 'results'))
  found = board.make(results)
  explained = analysis.make(results, found, draws=2)
  out = tmp_path / 'report'
  report.write(results, found, explained, out)
  before = {p: p.read_bytes() for p in out.rglob('*') if p.is_file()}
  monkeypatch.setattr(os, 'fsync', full)
  with pytest.raises(report.ReportError, match='No space left'):
    report.write(
      dataclasses.replace(results, remarks=['x']), found, explained, out
    )
  after = {p: p.read_bytes() for p in out.rglob('*') if p.is_file()}
  assert after == before


def test_a_suites_dates_and_comments_stay(tmp_path):
  path = tmp_path / 'mine.toml'
  path.write_text('# Mine, as on paper.\n' + suite_text())
  set_targets(path)
  text = path.read_text()
  assert text.startswith('# Mine, as on paper.\n')
  assert f'date = {datetime.datetime.now(datetime.UTC).date()}' in text
