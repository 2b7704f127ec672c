"""Programs that other trials have compiled are charged as if compiled anew."""

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

from runner.trial import compile_time
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
  with compile_time.noticed(clock) as compiled, clock.account(account):
    jax.jit(small).lower(jnp.ones((3, 3))).compile()
  return clock, compiled


def kept(cache):
  (path,) = cache.glob('*small*-seconds')
  return path


def test_the_first_compiles_and_the_second_finds(cache):
  _, first = compile_once()
  _, second = compile_once()
  assert first.found == 0 < first.programs == second.programs == second.found
  assert first.spared_seconds == 0 < second.spared_seconds


def test_who_finds_a_program_is_charged_what_compiling_it_took(cache):
  compile_once()
  kept(cache).write_text('1000.25')
  clock, compiled = compile_once()
  assert compiled.spared_seconds == pytest.approx(1000.25, abs=0.25)
  assert clock.accounts()['compile'] == pytest.approx(1000.25, abs=0.5)
  assert clock.charged() == pytest.approx(sum(clock.accounts().values()), abs=1)


def test_what_is_charged_and_not_spent_is_no_time_of_the_process(cache):
  """Its own seconds are held against what its parent measured."""
  compile_once()
  kept(cache).write_text('1000.25')
  clock, _ = compile_once()
  assert clock.own_seconds() < 100


def test_nothing_is_owed_while_nothing_is_charged(cache):
  compile_once()
  kept(cache).write_text('1000.25')
  clock, compiled = compile_once('evaluate')
  assert compiled.found and not compiled.spared_seconds
  assert not clock.charged()


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
