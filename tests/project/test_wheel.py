"""A wheel has all that the command `timetrial` needs."""

import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = ('configs', 'runner', 'scoring', 'submissions', 'workloads')
FILES = ('LICENSE', 'README.md', 'pyproject.toml', 'timetrial.py')
BUILD = 'from setuptools import build_meta; build_meta.build_wheel({!r})'
SCRIPT = """import sys
sys.path.insert(0, {site!r})
from timetrial import main
sys.exit(main())
"""


@pytest.fixture(scope='module')
def site(tmp_path_factory):
  """A folder with what pip would install, and with the script `timetrial`."""
  pytest.importorskip('setuptools')
  home = tmp_path_factory.mktemp('wheel')
  for name in PACKAGES:
    ignored = shutil.ignore_patterns('__pycache__', 'cpu-*.toml')
    shutil.copytree(ROOT / name, home / 'source' / name, ignore=ignored)
  for name in FILES:
    shutil.copy(ROOT / name, home / 'source')
  subprocess.run(
    [sys.executable, '-c', BUILD.format(str(home))],
    cwd=home / 'source',
    capture_output=True,
    check=True,
  )
  [wheel] = home.glob('*.whl')
  with zipfile.ZipFile(wheel) as archive:
    archive.extractall(home / 'site')
  text = SCRIPT.format(site=str(home / 'site'))
  (home / 'site' / 'script').write_text(text, encoding='utf-8')
  return home / 'site'


def test_the_wheel_has_the_command_and_all_data(site):
  [facts] = site.glob('timetrial-*.dist-info')
  names = (facts / 'entry_points.txt').read_text(encoding='utf-8')
  assert 'timetrial = timetrial:main' in names
  data = [
    path.relative_to(ROOT)
    for folder, pattern in [
      ('configs', '*/*.toml'),
      ('scoring/report/page', '*.*'),
      ('scoring/site', '*.*'),
    ]
    for path in (ROOT / folder).glob(pattern)
    if not path.name.startswith('cpu-')
  ]
  assert len(data) > 20
  assert [path for path in data if not (site / path).is_file()] == []


def test_the_command_of_the_wheel_plans_from_any_folder(site, tmp_path):
  def call(*words):
    done = subprocess.run(
      [sys.executable, str(site / 'script'), *words],
      cwd=tmp_path,
      capture_output=True,
      text=True,
      check=False,
    )
    assert (done.returncode, done.stderr) == (0, '')
    return done.stdout

  assert str(site / 'configs' / 'hardware') in call('plan', '--help')
  said = call('plan', '--suite=mini', '--submissions=lion')
  assert '27 trials' in said
  call('plan', '--suite=algoperf_v06', '--submissions=lion')
