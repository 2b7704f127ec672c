"""Costs of compiling, and work that free compiling cannot hide."""

import subprocess
import threading
import time

import jax
import jax.numpy as jnp
import pytest
from jax._src import compilation_cache as compilation_cache_
from jax.experimental.compilation_cache import compilation_cache

from runner.guard.company import Company
from runner.protocol.timing import accounts
from runner.trial import compile_time, devices
from runner.trial.clock import Clock


@pytest.fixture
def cache(tmp_path):
  """An empty cache of compiled programs, instead of that of all tests."""
  before = jax.config.jax_compilation_cache_dir
  jax.config.update('jax_compilation_cache_dir', str(tmp_path))
  compilation_cache.reset_cache()
  yield tmp_path
  jax.config.update('jax_compilation_cache_dir', before)
  compilation_cache.reset_cache()


def small(x):
  return jnp.sin(x) @ x


def compile_once(account='train'):
  """What a process that compiles one program is charged, and its clock."""
  jax.clear_caches()
  clock = Clock()
  with (
    compile_time.noticed(clock, Company()) as compiled,
    clock.account(account),
  ):
    jax.jit(small).lower(jnp.ones((3, 3))).compile()
  return clock, compiled


def kept(cache):
  (path,) = cache.glob('*small*-seconds')
  return path


def took(cache, seconds):
  """Makes the program one that took so long to compile."""
  (path,) = cache.glob('*small*-cache')
  data = compilation_cache_.decompress_executable(path.read_bytes())
  program, _ = compilation_cache_.extract_executable_and_time(data)
  data = compilation_cache_.combine_executable_and_time(program, int(seconds))
  path.write_bytes(compilation_cache_.compress_executable(data))
  kept(cache).write_text(repr(seconds))


def test_the_first_compiles_and_the_second_finds(cache):
  _, first = compile_once()
  _, second = compile_once()
  assert first.found == 0 < first.programs == second.programs == second.found
  assert first.spared_seconds == 0 < second.spared_seconds
  assert first.doubted == second.doubted == 0


def test_who_finds_a_program_is_charged_what_compiling_it_took(cache):
  compile_once()
  took(cache, 1000.25)
  clock, compiled = compile_once()
  assert compiled.spared_seconds == pytest.approx(1000.25, abs=0.25)
  assert clock.accounts()['compile'] == pytest.approx(1000.25, abs=0.5)
  assert clock.charged() == pytest.approx(sum(clock.accounts().values()), abs=1)


def test_what_is_charged_and_not_spent_is_no_time_of_the_process(cache):
  """Its own seconds are held against what its parent measured."""
  compile_once()
  took(cache, 1000.25)
  clock, _ = compile_once()
  assert clock.own_seconds() < 100


def test_nothing_is_owed_while_nothing_is_charged(cache):
  compile_once()
  took(cache, 1000.25)
  clock, compiled = compile_once('evaluate')
  assert not compiled.programs and not compiled.spared_seconds
  assert not clock.charged()


BEYOND = ['1e6', '2.2', 'nan', 'inf', '-inf', '-1', '-0.1', '1e999', '', '[]']


@pytest.mark.parametrize('text', BEYOND)
def test_seconds_that_jax_knows_better_are_not_charged(cache, text, capsys):
  """A trial was once charged a million, which another entry had written."""
  compile_once()
  kept(cache).write_text(text)
  clock, compiled = compile_once()
  assert compiled.doubted == 1
  assert 0.5 < compiled.spared_seconds <= 1.0 * compiled.programs
  assert clock.charged() < 5.0
  assert 'JAX says 0 to 1 s' in capsys.readouterr().out


@pytest.mark.parametrize(
  ('seconds', 'least', 'likely'),
  [
    (0.0, 0.0, True),
    (1.6, 0.0, True),
    (1.61, 0.0, False),
    (100.0, 100.0, True),
    (111.6, 100.0, True),
    (111.7, 100.0, False),
    (89.5, 100.0, True),
    (89.4, 100.0, False),
  ],
)
def test_a_tenth_and_half_a_second_are_left_to_the_cache(
  seconds, least, likely
):
  assert compile_time.is_likely(seconds, least) == likely


@pytest.mark.parametrize('damage', ['', 'soon'])
def test_where_nothing_tells_how_long_it_took_nobody_is_favoured(cache, damage):
  """JAX knows whole seconds only, rounded down: here none."""
  compile_once()
  if damage:
    kept(cache).write_text(damage)
  else:
    kept(cache).unlink()
  _, compiled = compile_once()
  assert 0.9 < compiled.spared_seconds <= 1.0 * compiled.programs


def test_a_damaged_program_is_compiled_anew(cache):
  compile_once()
  for path in cache.glob('*-cache'):
    path.write_bytes(path.read_bytes()[:9])
  _, compiled = compile_once()
  assert not compiled.found


def test_without_a_cache_everything_is_compiled(cache):
  jax.config.update('jax_enable_compilation_cache', False)
  compilation_cache.reset_cache()
  try:
    compile_once()
    _, compiled = compile_once()
  finally:
    jax.config.update('jax_enable_compilation_cache', True)
  assert compiled.programs and not compiled.found and not any(cache.iterdir())


FREE = accounts.from_json(
  {'charged': ['trace', 'data', 'train', 'view'], 'free_compile': 1e6}
)
ENDED = '/jax/core/compile/backend_compile_duration'
ASKED = '/jax/compilation_cache/compile_requests_use_cache'


def free_clock(work):
  """Return the clock and counts of some work where compiling is free."""
  jax.clear_caches()
  clock = Clock(wait=devices.wait)
  clock.charge(FREE)
  company = Company()
  with compile_time.noticed(clock, company) as compiled:
    with clock.account('train'):
      work()
    with clock.account('record'):
      pass
  return clock, compiled


def compile_small():
  jax.jit(small).lower(jnp.ones((3, 3))).compile()


def test_free_compiling_is_shown_and_not_charged(cache):
  clock, compiled = free_clock(compile_small)
  spent = clock.accounts()
  assert spent['compile'] > 0 and spent['trace'] > 0
  assert not compiled.crowded
  assert clock.charged() == pytest.approx(spent['trace'] + spent['train'])


def test_what_compiling_took_another_trial_is_not_charged_either(cache):
  free_clock(compile_small)
  took(cache, 1000.25)
  clock, _ = free_clock(compile_small)
  assert clock.accounts()['compile'] > 999
  assert clock.charged() < 100


def test_work_on_the_devices_is_not_hidden_behind_a_compilation(cache):
  """XLA runs what was sent before; it once would have run for nothing."""

  @jax.jit
  def slow(x):
    return jax.lax.fori_loop(0, 400, lambda _, x: jnp.sin(x @ x), x)

  x = jnp.ones((300, 300))
  slow(x).block_until_ready()
  began = time.perf_counter()
  slow(x).block_until_ready()
  alone = time.perf_counter() - began

  def work():
    slow(x)
    compile_small()

  clock, compiled = free_clock(lambda: None)
  slow(x).block_until_ready()
  clock, compiled = free_clock(work)
  assert not compiled.crowded
  assert clock.accounts()['train'] > 0.4 * alone


def test_a_thread_beside_a_compilation_makes_it_charged(cache, capsys):
  ended = threading.Event()

  def work():
    thread = threading.Thread(target=ended.wait)
    thread.start()
    compile_small()
    ended.set()
    thread.join()

  clock, compiled = free_clock(work)
  assert compiled.crowded == compiled.programs > 0
  assert clock.accounts()['compile'] == 0
  assert clock.charged() == pytest.approx(sum(clock.accounts().values()), abs=1)


def test_a_process_from_before_the_submission_makes_nothing_charged(cache):
  with subprocess.Popen(['sleep', '60']) as before:
    clock, compiled = free_clock(compile_small)
    before.kill()
  assert not compiled.crowded and clock.accounts()['compile'] > 0


def test_a_child_process_beside_a_compilation_makes_it_charged(cache):
  def work():
    with subprocess.Popen(['sleep', '60']) as child:
      compile_small()
      child.kill()

  clock, compiled = free_clock(work)
  assert compiled.crowded and clock.accounts()['compile'] == 0


def test_a_compilation_in_a_thread_hides_no_training_beside_it(cache):
  def work():
    thread = threading.Thread(target=compile_small)
    thread.start()
    thread.join()

  clock, compiled = free_clock(work)
  assert compiled.crowded == compiled.programs > 0
  assert clock.accounts()['compile'] == 0


def test_only_jax_says_that_it_has_compiled(cache):
  def forged():
    time.sleep(0.2)
    jax.monitoring.record_event(ASKED)
    jax.monitoring.record_event_duration_secs(ENDED, 0.2)

  def borrowed():
    with jax._src.dispatch.log_elapsed_time('', fun_name='', event=ENDED):
      jax.monitoring.record_event(ASKED)
      time.sleep(0.2)

  for cheat in (forged, borrowed):
    clock, compiled = free_clock(cheat)
    assert clock.accounts()['compile'] == 0
    assert clock.charged() >= 0.2
    assert compiled.crowded == 1


def test_without_a_cache_compiling_cannot_be_free(cache):
  """JAX does not say then when it begins."""
  jax.config.update('jax_enable_compilation_cache', False)
  compilation_cache.reset_cache()
  try:
    clock, compiled = free_clock(compile_small)
  finally:
    jax.config.update('jax_enable_compilation_cache', True)
  assert compiled.crowded and clock.accounts()['compile'] == 0
