"""The files that make the container fit each other and the code.

Whether they make one that works, `make docker-check` tells in minutes.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from runner.machine import speeds as speeds_

ROOT = pathlib.Path(__file__).parents[2]
DOCKER = ROOT / 'docker'
PACKAGES = ('configs', 'runner', 'scoring', 'submissions', 'workloads')


def _stages() -> dict[str, list[tuple[str, str]]]:
  """Instructions of the Dockerfile by stage, those of its bases included."""
  text = re.sub(r'^#.*\n', '', (DOCKER / 'Dockerfile').read_text(), flags=re.M)
  found, name = {}, ''
  for line in text.replace('\\\n', ' ').splitlines():
    word, _, rest = line.partition(' ')
    if word == 'FROM':
      base, name = rest.split(' AS ')
      found[name] = list(found.get(base, []))
    elif name and word:
      found[name].append((word, rest.strip()))
  return found


STAGES = _stages()


def _last(target: str, word: str) -> str:
  return [rest for name, rest in STAGES[target] if name == word][-1]


def test_what_is_copied_is_there():
  copied = [
    rest for stage in STAGES.values() for w, rest in stage if w == 'COPY'
  ]
  sources = [rest.split()[0] for rest in copied if '--from' not in rest]
  assert 'docker/gpu.lock' in sources
  assert [name for name in sources if not (ROOT / name).exists()] == []


def test_what_one_gets_by_default_is_the_cpu_image():
  assert list(STAGES)[-1] == 'cpu'


@pytest.mark.parametrize('target', ['cpu', 'gpu'])
def test_an_image_races_as_somebody_harmless_and_keeps_nothing(target):
  words = [word for word, _ in STAGES[target]]
  entry = json.loads(_last(target, 'ENTRYPOINT'))
  assert entry == ['python', '-m', 'timetrial']
  assert int(_last(target, 'USER').split(':')[0]) > 0
  assert words[-1] == 'USER'  # What comes before runs as root.
  assert 'VOLUME' not in words
  assert all(
    '--require-hashes' in rest
    for word, rest in STAGES[target]
    if word == 'RUN' and 'pip install' in rest
  )


def _health(proc: pathlib.Path) -> list[str]:
  """The check of the image's health, where /proc is another folder."""
  _, _, command = _last('cpu', 'HEALTHCHECK').partition(' CMD ')
  return [word.replace('/proc', str(proc)) for word in json.loads(command)]


def test_health_is_a_preflight_and_nothing_beside_a_race(tmp_path):
  """It neither disturbs what is timed, nor takes itself for that."""
  command = _health(tmp_path)
  grep = ['grep', *re.findall(r"grep (\S+) '(.*?)'", command[-1])[0]]
  called = tmp_path / 'called'
  python = tmp_path / 'python'
  python.write_text(f'#!/bin/sh\necho "$@" >> {called}\n')
  python.chmod(0o755)

  def look(processes: list[list[str]]) -> int:
    for number, words in enumerate(processes, 1):
      (tmp_path / str(number)).mkdir(exist_ok=True)
      line = '\0'.join([*words, ''])
      (tmp_path / str(number) / 'cmdline').write_text(line)
    path = f'{tmp_path}:{os.environ["PATH"]}'
    return subprocess.run(command, env={'PATH': path}, check=False).returncode

  idle = [['sleep', 'infinity'], command, grep]
  assert look(idle) == 0
  tried = called.read_text().split()
  assert tried[:3] == ['-m', 'runner', 'preflight']
  called.unlink()
  for name in ('timetrial', 'runner'):
    assert look([*idle, ['python', '-m', name, 'run', '--out=x']]) == 0
    assert not called.exists()

  plan = [sys.executable, '-m', 'runner', 'plan', *tried[3:]]
  subprocess.run(plan, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def _ignored(path: str) -> bool:
  """By .dockerignore, where the last pattern that fits decides."""
  file, verdict = pathlib.PurePosixPath(f'/{path}'), False
  for line in (ROOT / '.dockerignore').read_text().splitlines():
    if not line or line.startswith('#'):
      continue
    pattern = line.removeprefix('!')
    anywhere = pattern.removeprefix('**/')
    pattern = f'/{pattern}' if anywhere == pattern else anywhere
    if any(one.match(pattern) for one in (file, *file.parents)):
      verdict = not line.startswith('!')
  return verdict


def test_the_image_gets_the_code():
  paths = [
    path.relative_to(ROOT).as_posix()
    for name in PACKAGES
    for path in (ROOT / name).rglob('*')
    if path.suffix in {'.py', '.toml', '.html', '.css', '.js'}
    and not path.name.startswith('cpu-')
  ]
  paths += ['docker/cpu.lock', 'docker/gpu.lock', 'LICENSE', 'timetrial.py']
  assert len(paths) > 200
  assert [path for path in paths if _ignored(path)] == []


def test_the_image_gets_nothing_that_was_made_here():
  lines = (ROOT / '.gitignore').read_text().splitlines()
  made = [line for line in lines if line and not line.startswith('#')]
  paths = [line.strip('/').replace('*', 'x') for line in made]
  paths += ['.git/HEAD', 'data/mnist/x', 'runner/__pycache__/x', 'tests/x.py']
  paths += ['docker/lint.lock', 'docker/check.py']
  assert [path for path in paths if not _ignored(path)] == []


def _locked(path: pathlib.Path) -> dict[str, set[str]]:
  """Versions by package; several where they differ by Python's."""
  found: dict[str, set[str]] = {}
  for name, rest in re.findall(
    r'^([\w.-]+)==(.*?) *\\$', path.read_text(), re.M
  ):
    found.setdefault(name, set()).add(rest)
  return found


def _names(asked: list[str]) -> set[str]:
  """Of packages, as locks spell them."""
  return {re.match(r'[\w-]+', one)[0].replace('_', '-') for one in asked}


def test_images_have_the_versions_that_tests_run_with():
  """One who adds a dependency and locks it for himself only is told so."""
  every, cpu, gpu = (
    _locked(path)
    for path in (
      ROOT / 'requirements.lock', DOCKER / 'cpu.lock', DOCKER / 'gpu.lock'
    )
  )  # fmt: skip
  assert cpu.items() <= every.items()
  assert cpu.items() <= gpu.items()
  assert gpu['jax-cuda13-plugin'] == gpu['jax']
  project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
  extras = project['optional-dependencies']
  assert _names(project['dependencies'] + extras['data']) <= set(cpu)
  assert not _names(extras['dev']) & set(cpu)


def test_compose_builds_these_images_and_mounts_what_they_write():
  file = DOCKER / 'compose.yaml'
  services = yaml.safe_load(file.read_text())['services']
  speeds = speeds_.FOLDER.relative_to(ROOT)
  for name, service in services.items():
    build = service['build']
    context = DOCKER / build['context']
    assert context.samefile(ROOT)
    assert (context / build['dockerfile']).samefile(DOCKER / 'Dockerfile')
    assert build['target'] == name
    assert name in STAGES
    assert service['network_mode'] == 'none'
    mounts = {one['target']: one['source'] for one in service['volumes']}
    assert mounts.pop(f'/timetrial/{speeds}') == f'../{speeds}'
    assert mounts == {'/results': '../results', '/data': '../data'}
