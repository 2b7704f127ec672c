"""Checks what of the container can be checked without a container engine.

`make docker-check` lints the Dockerfile and holds the compose file against its
schema. Where buildah is installed and this is root, it builds the image, and
races and scores in it, as its user and without a network. The base image is
pulled; where it cannot be had, debootstrap makes Debian with its own Python.

Takes five to fifteen minutes on two cores and 8 GB of the temporary folder, and
removes what it made. `TARGET=gpu` is for the other image, tried on the CPU.
"""

import ast
import configparser
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent
FILE, COMPOSE, LOCK = (
  ROOT / 'docker' / name for name in ('Dockerfile', 'compose.yaml', 'lint.lock')
)
GIGABYTES = {'cpu': 8, 'gpu': 28}  # At most, while it runs.
LOCAL = 'localhost/debian'
# With processes and mounts of its own, which end with it.
ALONE = ('unshare', '--pid', '--fork', '--kill-child', '--mount-proc')
# How pip reaches its packages here: all that the build is told of this machine.
REACH = (
  *('cert', 'default-timeout', 'extra-index-url', 'index-url', 'proxy'),
  'trusted-host',
)
RACE = ('--workloads=digits', '--submissions=nadamw', '--studies=1')
BUSY = 5.0  # Seconds by which a health check beside a race must have ended.


class CheckError(RuntimeError):
  """The container is not as it should be; the message says why."""


def call(*command: str | pathlib.Path, **env: str) -> str:
  """What a command prints.

  Raises:
    CheckError: it fails; with its last lines.
  """
  with subprocess.Popen(
    command,
    cwd=ROOT,
    env=os.environ | env,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    errors='replace',
  ) as process:
    try:
      said, _ = process.communicate()
    except KeyboardInterrupt:
      process.kill()
      process.communicate()  # Until all that it has started has ended.
      raise
  if process.returncode:
    last = '\n'.join(said.splitlines()[-30:])
    raise CheckError(f'{shlex.join(map(str, command))}\n{last}')
  return said


def lint(home: pathlib.Path) -> None:
  """Of the Dockerfile and of the compose file, by tools that are not kept."""
  tools = home / 'lint'
  pip = (sys.executable, '-m', 'pip', 'install', '--quiet')
  call(*pip, '--target', tools, '--require-hashes', '-r', LOCK)
  call(tools / 'bin' / 'hadolint', FILE)
  schema = ('check_jsonschema', '--builtin-schema', 'vendor.compose-spec')
  call(sys.executable, '-m', *schema, COMPOSE, PYTHONPATH=str(tools))


class Buildah:
  """Builds and runs images within a folder, as root and without an engine."""

  def __init__(self, home: pathlib.Path):
    self.home = home
    self.command = (*ALONE, 'buildah', '--storage-driver=vfs')
    self.command += tuple(f'--{x}={home / x}' for x in ('root', 'runroot'))

  def __call__(self, *words: str | pathlib.Path) -> str:
    return call(*self.command, *words)

  def base(self) -> str:
    """The Dockerfile's base image, or one made here; nothing if neither is."""
    [wanted] = re.findall(
      r'^ARG BASE=(\S+)$', FILE.read_text(encoding='utf-8'), re.M
    )
    try:
      self('pull', '--quiet', f'docker.io/library/{wanted}')
    except CheckError:
      return self.debian() if shutil.which('debootstrap') else ''
    return wanted

  def debian(self) -> str:
    container = self('from', 'scratch').strip()
    root = self('mount', container).strip()
    packages = '--include=python3-venv,ca-certificates'
    call(*ALONE, 'debootstrap', '--variant=minbase', packages, 'bookworm', root)
    self('commit', '--quiet', '--rm', container, LOCAL)
    return LOCAL

  def build(self, base: str, target: str) -> str:
    """Name of the image."""
    image = f'timetrial:{target}'
    self(
      *('build', '--isolation=chroot', '--network=host', '--pull-never'),
      *('--format=docker', *pip_volumes(self.home)),
      *(f'--build-arg=BASE={base}', f'--target={target}'),
      *(f'--file={FILE}', f'--tag={image}', ROOT),
    )
    return image

  def config(self, image: str) -> dict:
    """User, Entrypoint, Healthcheck and so on."""
    facts = json.loads(self('inspect', '--type=image', image))
    return facts['Docker']['config']

  def run(self, container: str, *command: str, **folders: pathlib.Path) -> str:
    """Without a network, and with no processes but its own."""
    volumes = [f'--volume={path}:/{name}' for name, path in folders.items()]
    where = ('run', '--isolation=chroot', *volumes, container, '--')
    return call('unshare', '--net', *self.command, *where, *command)


def pip_volumes(home: pathlib.Path) -> list[str]:
  """By which pip in the image reaches packages as it does on this machine."""
  listed = call(sys.executable, '-m', 'pip', 'config', 'list').splitlines()
  settings = {}
  for line in sorted(listed, key=lambda x: x.startswith(':env:')):
    name, _, value = line.partition('=')
    settings[name.rpartition('.')[2]] = ast.literal_eval(value)
  settings = {name: settings[name] for name in REACH if name in settings}
  config = configparser.ConfigParser(interpolation=None)
  config['global'] = settings
  with (home / 'pip.conf').open('w', encoding='utf-8') as file:
    config.write(file)
  volumes = [f'--volume={home / "pip.conf"}:/etc/pip.conf:ro']
  if cert := settings.get('cert'):
    volumes.append(f'--volume={cert}:{cert}:ro')
  return volumes


def check_files(found: set[str]) -> None:
  """In the image is what git knows or would, of what it lets through."""
  known = call('git', 'ls-files', '--cached', '--others', '--exclude-standard')
  parts = {name.partition('/')[0] for name in found} - {'docker'}
  wanted = {x for x in known.splitlines() if x.partition('/')[0] in parts}
  wanted |= {f'docker/{kind}.lock' for kind in GIGABYTES}
  if wanted != found:
    raise CheckError(f'Image and checkout differ: {sorted(wanted ^ found)}.')


def check_health(buildah: Buildah, container: str, test: list[str]) -> None:
  """It tries a trial where nothing runs, and nothing where a race does."""
  kind, *command = test
  began = time.monotonic()
  if kind != 'CMD' or 'nadamw' not in buildah.run(container, *command):
    raise CheckError(f'No preflight by {test}.')
  say(f'idle, it takes {time.monotonic() - began:.0f} s')
  race = 'python -c "import time; time.sleep(99)" runner & exec "$@"'
  began = time.monotonic()
  said = buildah.run(container, 'sh', '-c', race, 'sh', *command)
  if said or time.monotonic() - began > BUSY:
    raise CheckError(f'Beside a race it does not keep still: {said}')


def check_race(
  buildah: Buildah, container: str, home: pathlib.Path, config: dict
) -> None:
  """One trial and its score, in files that belong to the image's user."""
  user, group = map(int, config['User'].split(':'))
  folders = {name: home / name for name in ('results', 'report')}
  for path in folders.values():
    path.mkdir()
    os.chown(path, user, group)
  buildah.run(container, *config['Entrypoint'], 'run', *RACE, **folders)
  score = (*config['Entrypoint'], 'score', 'results', '--out=report')
  verify = (*config['Entrypoint'], 'verify', 'results')
  say(buildah.run(container, *score, **folders))
  say(buildah.run(container, *verify, **folders))
  board = json.loads(
    (folders['report'] / 'leaderboard.json').read_text(encoding='utf-8')
  )
  [row] = board['leaderboard']
  if (row['submission'], row['open_cells']) != ('nadamw', 0):
    raise CheckError(f'Not a finished race of nadamw: {row}')
  for name, path in folders.items():
    if {one.stat().st_uid for one in path.rglob('*')} != {user}:
      raise CheckError(f'Not all in {name} belongs to user {user}.')


def check_image(home: pathlib.Path, target: str) -> None:
  free = shutil.disk_usage(home).free / 1e9
  if free < GIGABYTES[target]:
    raise CheckError(
      f'{home} has {free:.0f} GB free, and the build takes '
      f'{GIGABYTES[target]}. Name a larger folder: TMPDIR=/somewhere.'
    )
  buildah = Buildah(home)
  say('The base image (minutes, if debootstrap makes it) ...')
  if not (base := buildah.base()):
    say('Not built: no base image can be pulled, nor debootstrap makes one.')
    return
  say(f'Building {target} on {base} (minutes) ...')
  began = time.monotonic()
  image = buildah.build(base, target)
  [facts] = json.loads(buildah('images', '--json', image))
  say(f'{facts["size"]} in {time.monotonic() - began:.0f} s')
  config = buildah.config(image)
  container = buildah('from', '--pull-never', image).strip()
  say('Its files ...')
  code = pathlib.Path(buildah('mount', container).strip()) / 'timetrial'
  files = {p for p in code.rglob('*') if not p.is_dir()}
  check_files({path.relative_to(code).as_posix() for path in files})
  say('Its health check ...')
  check_health(buildah, container, config['Healthcheck']['Test'])
  say('A race and its score ...')
  check_race(buildah, container, home, config)


def say(text: str) -> None:
  print(text.rstrip(), flush=True)


def main(target: str = 'cpu') -> int:
  if target not in GIGABYTES:
    print(f'No image {target!r}. There are: cpu, gpu.', file=sys.stderr)
    return 2
  for number in (signal.SIGTERM, signal.SIGHUP):  # They leave nothing, either.
    signal.signal(number, signal.default_int_handler)
  try:
    with tempfile.TemporaryDirectory(prefix='timetrial-docker-') as folder:
      home = pathlib.Path(folder)
      say('Dockerfile and compose.yaml ...')
      lint(home)
      if not shutil.which('buildah') or os.geteuid() != 0:
        say('Not built: that takes buildah (apt-get install buildah) and root.')
      else:
        check_image(home, target)
  except CheckError as error:
    print(f'Failed: {error}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    print('Stopped; nothing is left of it.', file=sys.stderr)
    return 1
  say('What was checked is well.')
  return 0


if __name__ == '__main__':
  sys.exit(main(*sys.argv[1:]))
