"""Submissions try what a trial may not do."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from runner.launch import (
  attempt,
  child_process,
  environment,
  isolation,
  landlock,
  outcomes,
)
from runner.machine import hardware
from runner.protocol import layout, storage
from tests.support import suites

GREEDY = '''"""Takes more memory than there is."""
import jax.numpy as jnp
import numpy as np
def build(task):
  {take}
SELF = {{}}
'''
CALLER = '''"""Tells how far it has come."""
import socket
def build(task):
  try:
    socket.create_connection(('127.0.0.1', {port}), timeout=5).close()
  except OSError as error:
    raise ValueError(f'Nobody there: {{error}}') from error
  raise ValueError('Somebody answers.')
SELF = {{}}
'''


@pytest.mark.parametrize('take', ['np.ones(2**31)', 'jnp.ones(2**31)'])
def test_who_takes_more_memory_than_is_allowed_is_out_of_memory(tmp_path, take):
  status, folder = suites.trial(
    tmp_path,
    GREEDY.format(take=take),
    options=attempt.TrialOptions(memory_gib=4.0),
  )
  assert (status.outcome, status.retryable) == ('oom', False), status.reason
  meta = storage.read_json(folder / 'meta_data_0.json')
  assert meta['memory_limit_gib'] == 4.0


@pytest.mark.parametrize('network', [False, True])
def test_a_trial_has_the_network_only_if_it_is_asked_for(tmp_path, network):
  if not network and (refusal := isolation.refused()):
    pytest.skip(refusal)
  with socket.create_server(('127.0.0.1', 0)) as server:
    source = CALLER.format(port=server.getsockname()[1])
    options = attempt.TrialOptions(network=network)
    status, folder = suites.trial(tmp_path, source, options=options)
  expected = 'Somebody answers' if network else 'Connection refused'
  assert expected in status.reason
  said = storage.read_json(folder / 'meta_data_0.json')['network']
  assert said == ('as inherited: it was asked for' if network else 'none')


def test_without_unshare_trials_run_and_it_is_said_once(capsys, monkeypatch):
  monkeypatch.setattr(isolation, 'UNSHARE', ('no_such_program',))
  isolation._without.cache_clear()
  for _ in range(2):
    found = isolation.network(wanted=False)
    assert found.command == ()
    assert found.said == ('as inherited: unshare (util-linux) is not installed')
  assert capsys.readouterr().err.count('Trials can use the network') == 1
  isolation._without.cache_clear()


def test_limits_hold_and_leave_no_core_dumps():
  probe = (
    'import pathlib, resource; from runner.launch import isolation\n'
    'def score(): return int(open("/proc/self/oom_score_adj").read())\n'
    'before = score(); isolation.limit(1.5); r = resource\n'
    'print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_DATA),\n'
    '      score() - min(before, 500), isolation.here())\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', probe], capture_output=True, text=True, check=True
  )
  most = int(1.5 * isolation.GIB)
  assert done.stdout.startswith(f'(0, 0) ({most}, {most}) 500 ')
  assert "'memory_limit_gib': 1.5" in done.stdout


@pytest.mark.parametrize(
  ('code', 'printed', 'outcome'),
  [
    (-signal.SIGABRT, 'what():  std::bad_alloc\nAborted', 'oom'),
    (-signal.SIGABRT, 'LLVM ERROR: out of memory\n#0 0x1', 'oom'),
    (1, 'RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes', 'oom'),
    (-signal.SIGABRT, 'assertion failed', 'crashed'),
    (3, 'Goodbye.', 'crashed'),
    # Its last batch size was too large, so it took a smaller one.
    (-signal.SIGKILL, 'out of memory, halving', 'preempted'),
  ],
)
def test_the_dying_words_tell_whether_it_was_memory(code, printed, outcome):
  left = child_process.Exit(code, 0.0, '')
  assert outcomes.death(left, False, printed)[0] == outcome


needs_landlock = pytest.mark.skipif(
  landlock.version() < landlock.SCOPED_SINCE, reason=landlock.missing()
)
TRIES = '''"""Tells what it could do of all that it tries."""
import ctypes, os, pathlib, platform, resource, signal, socket, subprocess
import tempfile
import numpy as np
OUT = pathlib.Path({out!r})
OTHER = pathlib.Path({other!r})
OWN = pathlib.Path(__file__).parent
TEMPORARY = pathlib.Path(tempfile.gettempdir())
def linked():
  (TEMPORARY / 'l').symlink_to(OTHER)
  return TEMPORARY / 'l' / 'attempts.jsonl'
def spilled(path):
  with path.open('a') as file:
    file.write('crashed')
def child(*words):
  subprocess.run(words, check=True)
def system_call(number, *words):
  libc = ctypes.CDLL(None, use_errno=True)
  if platform.machine() != 'x86_64' or libc.syscall(number, *words) < 0:
    raise OSError(ctypes.get_errno())
def called():
  with socket.socket(socket.AF_UNIX) as one:
    one.connect({socket!r})
FORBIDDEN = dict(
  append=lambda: spilled(OTHER / 'attempts.jsonl'),
  append_by_child=lambda: child('sh', '-c', f'echo>>{{OTHER}}/attempts.jsonl'),
  cut=lambda: os.truncate(OTHER / 'attempts.jsonl', 0),
  new_file=lambda: (OTHER / 'new').touch(),
  delete=lambda: (OTHER / 'attempts.jsonl').unlink(),
  rename=lambda: (OTHER / 'attempts.jsonl').rename(OWN / 'x'),
  link=lambda: os.link(OTHER / 'attempts.jsonl', OWN / 'x'),
  replace=lambda: OTHER.rename(OTHER.with_name('y')),
  compiled=lambda: (OUT / '.compiled' / {machine!r} / 'other' / 'x-seconds'
                    ).write_text('1e6'),
  plan=lambda: spilled(OUT / 'plan.json'),
  read_plan=lambda: (OUT / 'plan.json').read_text(),
  read_seals=lambda: (OUT / '.seals').read_text(),
  read_other=lambda: (OTHER / 'attempts.jsonl').read_text(),
  read_by_link=lambda: linked().read_text(),
  read_by_proc=lambda: pathlib.Path(f'/proc/self/root{{OTHER}}/attempts.jsonl'
                                    ).read_text(),
  list_results=lambda: os.listdir(OUT),
  list_other=lambda: os.listdir(OTHER),
  code=lambda: pathlib.Path(np.__file__).with_name('x').touch(),
  tmp=lambda: pathlib.Path({tmp!r}, 'x').touch(),
  runner=lambda: os.kill(os.getppid(), 0),
  runner_memory=lambda: open(f'/proc/{{os.getppid()}}/environ', 'rb').read(),
  runner_by_child=lambda: child('kill', '-0', str(os.getppid())),
  priority=lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
  slower_runner=lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 1),
  slower_user=lambda: os.setpriority(os.PRIO_USER, 0, 1),
  cores_of_runner=lambda: os.sched_setaffinity(os.getppid(), {{0}}),
  limits_of_runner=lambda: resource.prlimit(
    os.getppid(), resource.RLIMIT_CORE, (0, 0)),
  kernel_memory=lambda: system_call(29, 4711, 4096, 0o1666),
  abstract_socket=called,
)
ALLOWED = dict(
  own=lambda: (OWN / 'mine.txt').write_text('x'),
  own_moved=lambda: (OWN / 'mine.txt').rename(TEMPORARY / 'x'),
  temporary=lambda: tempfile.mkdtemp(),
  cache=lambda: pathlib.Path(os.environ['JAX_COMPILATION_CACHE_DIR'], 'x'
                             ).touch(),
  null=lambda: open('/dev/null', 'w').close(),
  shared=lambda: os.close(os.memfd_create('x')),
  data=lambda: pathlib.Path(np.__file__).read_text(),
  own_child=lambda: child('true'),
  own_cores=lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
  own_limits=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
  own_priority=lambda: os.setpriority(os.PRIO_PROCESS, 0, os.nice(0)),
  signal_own=lambda: os.kill(os.getpid(), 0),
)
def build(task):
  could = []
  for name, tried in (FORBIDDEN | ALLOWED).items():
    try:
      tried()
      could.append(name)
    except (OSError, subprocess.CalledProcessError):
      pass
  wrong = [n for n in FORBIDDEN if n in could]
  wrong += ['not ' + n for n in ALLOWED if n not in could]
  raise ValueError('wrong: ' + (' '.join(wrong) or 'nothing'))
SELF = {{}}
'''


@needs_landlock
@pytest.mark.parametrize('linked', [False, True])
def test_a_trial_writes_and_reads_in_its_own_folders_only(tmp_path, linked):
  """One once marked another entry's trial as crashed, so that it ran again."""
  home = tmp_path / 'home'
  home.mkdir()
  if linked:
    (tmp_path / 'link').symlink_to(home)
  out = home / 'out'
  other = layout.folder(out, 'other', 'digits', 0, 1)
  machine = hardware.describe().name
  compiled = out / '.compiled' / machine / 'other'
  for folder in (other, compiled):
    folder.mkdir(parents=True)
  kept = [
    other / layout.ATTEMPTS,
    out / layout.PLAN,
    out / '.seals',
    compiled / 'x-seconds',
  ]
  for path in kept:
    path.write_text('before')
  name = f'\0timetrial-{os.getpid()}-{linked}'
  with (
    pytest.MonkeyPatch.context() as patch,
    socket.socket(socket.AF_UNIX) as server,
  ):
    server.bind(name)
    server.listen()
    patch.delenv('JAX_COMPILATION_CACHE_DIR')
    source = TRIES.format(
      out=str(out),
      other=str(other),
      machine=machine,
      tmp=str(tmp_path),
      socket=name,
    )
    # The network also keeps it from the socket: another process is asked.
    options = attempt.TrialOptions(network=True)
    home = tmp_path / 'link' if linked else home
    status, folder = suites.trial(home, source, options=options)
  assert 'wrong: nothing' in status.reason
  assert {path.read_text() for path in kept} == {'before'}
  assert not (out / '.compiled' / machine / 'mine' / 'x-seconds').exists()
  meta = storage.read_json(folder / 'meta_data_0.json')
  assert meta['sandbox'] == f'landlock {landlock.version()}'


LEAVER = '''"""Leaves something in shared memory."""
import os
def build(task):
  path = '/dev/shm/{name}'
  found = os.path.exists(path)
  open(path, 'w').close()
  raise ValueError(f'wrote, and found {{found}}')
SELF = {{}}
'''


def test_shared_memory_is_gone_with_the_trial(tmp_path):
  if refusal := isolation.refused():
    pytest.skip(refusal)
  path = pathlib.Path('/dev/shm', f'timetrial-test-{os.getpid()}')
  path.touch()
  try:
    source = LEAVER.format(name=path.name)
    status, _ = suites.trial(tmp_path, source)
    assert 'wrote, and found False' in status.reason
    path.unlink()
    (tmp_path / 'again').mkdir()
    status, _ = suites.trial(tmp_path / 'again', source)
    assert 'wrote, and found False' in status.reason
    assert not path.exists()
  finally:
    path.unlink(missing_ok=True)


WITHOUT = """
import sys
from runner.launch import isolation, landlock
from runner.protocol.attempt_spec import AttemptSpec
landlock.version = lambda: 0
isolation.confine(AttemptSpec(folder=sys.argv[1]))
open(sys.argv[1] + '/x', 'w').close()
print(isolation.here()['sandbox'])
"""


def test_without_landlock_trials_run_and_it_is_said_once(
  tmp_path, capsys, monkeypatch
):
  monkeypatch.setattr(landlock, 'version', lambda: 0)
  isolation.say_unrestricted.cache_clear()
  for _ in range(2):
    isolation.say_unrestricted()
  said = capsys.readouterr().err
  assert said.count('Trials can write to all files of this user') == 1
  isolation.say_unrestricted.cache_clear()
  done = subprocess.run(
    [sys.executable, '-c', WITHOUT, str(tmp_path)],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout == 'none: the kernel has no Landlock\n'


OLD = """
import os, sys
from runner.launch import environment, landlock
old = int(sys.argv[1])
landlock.version = lambda: old
box = landlock.Sandbox([sys.argv[2] + '/own'], sys.argv[2])
print(landlock.restrict(box))
for number, path in enumerate(('other', 'own/x')):
  try:
    open(f'{sys.argv[2]}/{path}', 'w').close()
  except OSError:
    print(number)
"""


@needs_landlock
@pytest.mark.parametrize('version', range(1, 8))
def test_older_kernels_restrict_what_they_know_and_it_is_said(
  tmp_path, version
):
  (tmp_path / 'own').mkdir()
  (tmp_path / 'other').touch()
  done = subprocess.run(
    [sys.executable, '-c', OLD, str(version), str(tmp_path)],
    capture_output=True,
    text=True,
    check=True,
  )
  said, *refused = done.stdout.splitlines()
  assert refused == ['0']
  assert said.startswith(f'landlock {version}')
  assert ('send signals' in said) == (version < landlock.SCOPED_SINCE)


UNLISTED = """
import os, sys
from runner.launch import landlock
home = sys.argv[1]
sys.path.insert(0, home)
landlock.restrict(landlock.Sandbox([], home + '/results'))
import alone, several.inner
try:
  os.listdir(home)
except PermissionError:
  print(alone.X + several.inner.X)
"""


@needs_landlock
def test_modules_beside_the_results_are_found_as_ever(tmp_path):
  """Their folder can no longer be listed, which Python does for imports."""
  (tmp_path / 'results').mkdir()
  (tmp_path / 'several').mkdir()
  (tmp_path / 'alone.py').write_text('X = 3')
  (tmp_path / 'several' / '__init__.py').touch()
  (tmp_path / 'several' / 'inner.py').write_text('X = 4')
  done = subprocess.run(
    [sys.executable, '-c', UNLISTED, str(tmp_path)],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.stdout == '7\n', done.stderr


THREADS = """
import threading, time
from runner.launch import landlock
threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
try:
  landlock.restrict(landlock.Sandbox([], None))
except landlock.LandlockError as error:
  print(error)
"""


@needs_landlock
def test_a_process_with_threads_is_not_said_to_be_restricted():
  done = subprocess.run(
    [sys.executable, '-c', THREADS],
    capture_output=True,
    text=True,
    check=True,
  )
  assert 'has threads' in done.stdout


RUNNER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', sys.argv[1]])
time.sleep(100)
"""
TRIAL = """
import time
from runner.launch import isolation
isolation.limit(None)
print('limited', flush=True)
time.sleep(100)
"""


def test_a_trial_does_not_outlive_its_runner():
  """It may say nothing for minutes, and would disturb the one after it."""
  runner = subprocess.Popen(
    [sys.executable, '-c', RUNNER, TRIAL],
    stdout=subprocess.PIPE,
    env=environment.variables(),
  )
  runner.stdout.readline()
  began = time.monotonic()
  runner.kill()
  runner.stdout.read()  # Comes to an end when nobody has it open any more.
  runner.stdout.close()
  runner.wait()
  assert time.monotonic() - began < 30.0


READABLE = """
import os, sys
from runner.launch import environment, landlock
home = sys.argv[1]
landlock.restrict(landlock.Sandbox([home + '/own'], home, [home + '/common']))
print(open(home + '/common/x').read())
for way in ('w', 'a'):
  try:
    open(home + '/common/x', way).close()
  except OSError as error:
    print(error.strerror)
try:
  os.replace(home + '/own/y', home + '/common/x')
except OSError as error:
  print(error.strerror)
"""


@needs_landlock
def test_programs_that_trials_share_are_read_and_not_written(tmp_path):
  for name in ('own', 'common'):
    (tmp_path / name).mkdir()
  (tmp_path / 'common' / 'x').write_text('program')
  (tmp_path / 'own' / 'y').write_text('another')
  done = subprocess.run(
    [sys.executable, '-c', READABLE, str(tmp_path)],
    capture_output=True,
    text=True,
    check=True,
  )
  said, *refused = done.stdout.splitlines()
  assert said == 'program'
  assert len(refused) == 3
  assert (tmp_path / 'common' / 'x').read_text() == 'program'
