"""Tests in random order, none of which finds what another one left."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
MANY = """
import pytest
@pytest.mark.parametrize('n', range(30))
def test_it(n):
  pass
"""
LEAVING = """
import os
import jax
import pytest

traced = []


@jax.jit
def double(x):
  traced.append(x)
  return 2 * x


@pytest.mark.parametrize('n', [1, 2])
def test_trace(n):
  double(1.0)
  assert len(traced) == n


def test_folder(tmp_path):
  os.chdir(tmp_path)


def test_flags():
  os.environ['XLA_FLAGS'] = '--xla_dump_to=x'


def test_config():
  jax.config.update('jax_enable_x64', True)


def test_tidy(monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
"""


def run(folder, text, *words):
  """What pytest prints of a file, with the settings that all tests have."""
  path = folder / 'test_made.py'
  path.write_text(text)
  command = [sys.executable, '-m', 'pytest', '-n0', '-p', 'no:cacheprovider']
  command += [f'-c{ROOT / "pyproject.toml"}', f'--rootdir={folder}', *words]
  return subprocess.run(
    [*command, str(path)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=600,
    check=False,
  ).stdout


def test_the_seed_is_printed_and_repeats_the_order(tmp_path):
  def order(*words):
    said = run(tmp_path, MANY, '--collect-only', *words)
    [seed] = re.findall(r'--randomly-seed=(\d+)', said)
    return seed, re.findall(r'<Function (.*)>', said)

  seed, found = order()
  assert len(found) == 30 and found != sorted(found)
  assert order(f'--randomly-seed={seed}') == (seed, found)
  assert order(f'--randomly-seed={int(seed) + 1}')[1] != found


def test_what_a_test_leaves_changed_is_named_and_traces_are_cleared(tmp_path):
  """A test of wmt needed the trace of an earlier one, and failed alone."""
  words = ['-p', 'no:randomly', '-p', 'tests.conftest', '--clear-caches']
  said = run(tmp_path, LEAVING, *words)
  for name, left in {
    'test_folder': 'os.getcwd()',
    'test_flags': 'XLA_FLAGS',
    'test_config': 'jax_enable_x64',
  }.items():
    assert f"The test has to put back ['{left}']." in said
    assert f'ERROR at teardown of {name}' in said
  assert '6 passed, 3 errors' in said
