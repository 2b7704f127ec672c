"""Sources that look like more than training are pointed at, and only they."""

import pytest

import submissions
from runner.tools import source_lint
from tests.support.written import HERE

HEAD = '"""A submission."""\nimport jax\nimport time\n'
SUSPECT = {
  'import threading': 'threading may mean work outside of charged time',
  'from concurrent.futures import ThreadPoolExecutor': 'outside of charged',
  'time.monotonic = lambda: 0.0': 'time.monotonic = ... changes the clock',
  'jax.jit = None': 'jax.jit = ... changes a module',
  'x = open("/data/test")': 'open() may mean files',
  'import pathlib': 'pathlib may mean files',
  'import socket': 'socket may mean the network',
  'def f(w): return w.source("test", None)': 'other data than the given',
  'def f(workload): return workload.eval_model()': 'an evaluation of its own',
  'def f(name): return name == "wmt"': "'wmt' is the name of a workload",
  'RATES = {"criteo1tb_layernorm": 0.1}': 'is the name of a workload',
  'import os\nos.environ["XLA_FLAGS"] = ""': 'os.environ may mean the',
  'jax.config.update("jax_enable_x64", True)': 'jax.config.update may mean',
  'import os as o\no.kill(o.getpid(), 18)': 'os.kill may mean signals',
  'exec("x = 1")': 'exec() may mean code that cannot be read',
  'import gc': 'gc may mean access to other objects',
  'from runner.trial import clock': 'runner.trial.clock may mean access to',
}


@pytest.mark.parametrize('text', SUSPECT)
def test_what_is_suspect_is_told_by_file_and_line(tmp_path, text):
  path = tmp_path / 'mine.py'
  path.write_text(HEAD + text + '\n')
  found = source_lint.look(path)
  assert any(SUSPECT[text] in one.text for one in found), found
  last = HEAD.count('\n') + 1 + text.count('\n')
  assert {(one.file, one.line) for one in found} <= {
    ('mine.py', last),
    ('mine.py', last - 1),
  }


def test_reading_the_time_is_allowed_and_so_is_asking_for_batch_sizes(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(
    HEAD + 'now = time.monotonic()\n'
    'def get_batch_size(name):\n  return {"wmt": 128}[name]\n'
  )
  assert source_lint.look(path) == []


@pytest.mark.parametrize('name', submissions.names())
def test_ours_are_above_suspicion(name):
  assert source_lint.look(submissions.find(name).path) == []


def test_folders_are_read_file_by_file():
  assert source_lint.look(HERE / 'of_v06') == []
  assert source_lint.look(HERE / 'of_v05') == []
