"""The folder of the site: what the list of boards says, errors, old files."""

import pathlib
import re
import subprocess
import sys

import pytest

from runner.protocol import user_files
from scoring.load import results as read
from scoring.rank import analysis, board
from scoring.report import markdown, sentences
from scoring.site import boards, build
from tests.support import made_results as made

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope='module')
def text(tmp_path_factory):
  """The report.md of a race, and what its page would say."""
  results = read.read(made.race(tmp_path_factory.mktemp('race') / 'results'))
  scored = board.make(results)
  explained = analysis.make(results, scored, draws=50)
  return (
    markdown.render(results, scored, explained),
    sentences.facts(results, explained.details.values()),
    sentences.summary(scored, explained.spread),
  )


@pytest.fixture
def project(tmp_path, text):
  """A folder with one board and the documents that a site needs."""
  root = tmp_path / 'project'
  folder = root / boards.FOLDER / 'mine'
  folder.mkdir(parents=True)
  (folder / 'index.html').write_text('<!doctype html>')
  (folder / 'report.md').write_text(text[0], encoding='utf-8')
  (folder / 'results.log').write_text('not for readers')
  (root / 'README.md').write_text('# Mine\n\n[words](docs/glossary.md)')
  (root / 'docs' / 'glossary.md').write_text('# Glossary')
  return root


def test_a_board_is_what_its_report_says(project, text):
  [found] = boards.read(project)
  _, facts, headline = text
  assert found.headline == headline
  assert found.label == 'mini 0.1, self-tuning ruleset'
  assert {found.ruleset, found.machine, found.dates, found.counts} <= set(facts)
  assert found.ruleset and found.machine and found.dates and found.counts
  assert found.files == ('index.html', 'report.md')


def test_the_list_has_the_newest_board_first():
  found = boards.read(ROOT)
  days = [one.dates[-10:] for one in found]
  assert days == sorted(days, reverse=True)
  assert all(one.suite and one.ruleset and one.machine for one in found)


def test_a_board_without_a_machine_and_dates_is_listed(project):
  path = project / boards.FOLDER / 'mine' / 'report.md'
  path.write_text('# TimeTrial: mini 0.1\n\n2 submissions, 3 workloads\n\nHm.')
  [found] = boards.read(project)
  assert (found.machine, found.dates, found.ruleset) == ('', '', '')
  assert 'Hm.' in build.files(project)['index.html']


def test_the_site_has_the_files_of_boards_and_no_others(project, tmp_path):
  out = tmp_path / 'site'
  count = build.build(project, out)
  assert count == sum(path.is_file() for path in out.rglob('*'))
  mine = out / boards.FOLDER / 'mine'
  assert sorted(path.name for path in mine.iterdir()) == [
    'index.html', 'report.html', 'report.md',
  ]  # fmt: skip


@pytest.mark.parametrize(
  ('name', 'content', 'said'),
  [
    ('docs/leaderboard/mine/index.html', None, 'has no file index.html'),
    ('docs/leaderboard/mine/report.md', b'Hello.', 'must begin with a heading'),
    ('docs/leaderboard/mine/report.md', b'\xff', 'is not UTF-8'),
  ],
)
def test_errors_name_the_file_and_what_to_do(project, name, content, said):
  if content is None:
    (project / name).unlink()
  else:
    (project / name).write_bytes(content)
  with pytest.raises(ValueError, match=re.escape(said)):
    build.files(project)


def called(*words):
  return subprocess.run(
    [sys.executable, '-m', 'scoring.site', *words],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )


def test_the_command_makes_the_site_or_says_what_is_wrong(project, tmp_path):
  out = tmp_path / 'site'
  done = called(f'--repository={project}', f'--out={out}')
  assert (done.returncode, done.stderr) == (0, '')
  assert str(out / 'index.html') in done.stdout
  for words in [(f'--repository={tmp_path}',), ('site',), ('--outt=site',)]:
    done = called(*words, f'--out={tmp_path / "other"}')
    assert done.returncode == 2
    assert done.stderr.startswith('Error: ')
    assert 'Traceback' not in done.stderr
  assert not (tmp_path / 'other').exists()
  assert '--repository' in called('--help').stdout


def test_colours_are_those_of_the_report():
  report = user_files.read(ROOT / 'scoring/report/page/page.css')
  site = user_files.read(ROOT / 'scoring/site/style.css')
  [light, dark] = [
    [
      dict(re.findall(r'(--[\w-]+): (#\w+);', block))
      for block in re.findall(r':root \{([^}]*--paper[^}]*)\}', text)
    ]
    for text in (report, site)
  ]
  assert len(light) == len(dark) == 2
  for ours, theirs in zip(dark, light, strict=True):
    assert ours and ours.items() <= theirs.items()
