"""Results are data: reading them runs nothing that stands in them.

Read from the source of all that reads results, whatever it imports of ours.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# Modules that run what they read, or may.
RUNNING = (
  'builtins',
  'cloudpickle',
  'code',
  'dill',
  'importlib',
  'joblib',
  'marshal',
  'pickle',
  'runpy',
  'shelve',
  'yaml',
)
CALLS = ('eval', 'exec', 'compile', '__import__', 'loads', 'load')
# What is safe of these names, or reads nothing of results.
KNOWN = {
  ('scoring/__init__.py', 'importlib.util'): 'Finds our packages, runs none.',
  ('submissions/__init__.py', 'importlib'): 'Runs a submission, in its trial.',
  ('submissions/__init__.py', 'importlib.util'): 'The same.',
  ('runner/protocol/suites/suite_files.py', 'tomllib.loads'): (
    'TOML holds data only.'
  ),
  ('scoring/load/results.py', 'rules.load'): 'The same.',
  ('runner/protocol/storage.py', 'json.loads'): 'JSON holds data only.',
  ('runner/trial/checkpoint.py', 'json.loads'): 'The same.',
  ('submissions/algoperf/folders.py', 'json.loads'): 'The same.',
  ('submissions/literals.py', 'json.loads'): 'The same.',
  ('workloads/__init__.py', 'importlib'): 'Imports workloads of ours, by name.',
}
READERS = [
  *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob('scoring/**/*.py')),
  'runner/protocol/records/checkpoints.py',
  'runner/protocol/records/events.py',
  'runner/trial/checkpoint.py',
  'runner/protocol/layout.py',
  'runner/protocol/storage.py',
  'runner/protocol/results_folder.py',
  'runner/protocol/suites/suite.py',
  'runner/protocol/suites/schema.py',
  'runner/protocol/suites/search_space.py',
  'runner/protocol/suites/suite_files.py',
  'submissions/__init__.py',
  'submissions/literals.py',
  'submissions/algoperf/folders.py',
  'workloads/__init__.py',
]


def found(source):
  """Modules and calls that could run what is read."""
  for node in ast.walk(ast.parse(source)):
    match node:
      case ast.Import(names=names):
        yield from (a.name for a in names if a.name.split('.')[0] in RUNNING)
      case ast.ImportFrom(module=str(module)):
        if module.split('.')[0] in RUNNING:
          yield module
      case ast.Call(func=ast.Name(id=name)) if name in CALLS:
        yield name
      case ast.Call(func=ast.Attribute(attr='loads' | 'load')):
        yield ast.unparse(node.func)
      case ast.Call(func=ast.Attribute(attr=name)) if name in (
        'read_pickle',
        'genfromtxt',
        'fromstring',
      ):
        yield ast.unparse(node.func)
      case ast.keyword(arg='allow_pickle', value=value):
        if ast.unparse(value) != 'False':
          yield 'allow_pickle'


@pytest.mark.parametrize('path', READERS)
def test_reading_results_runs_nothing(path):
  odd = {name for name in found((ROOT / path).read_text())}
  assert odd <= {name for file, name in KNOWN if file == path}


def test_every_exception_is_still_needed():
  for path, name in KNOWN:
    assert name in found((ROOT / path).read_text())


def test_what_runs_is_found():
  source = """
import pickle, numpy as np
from importlib import import_module
def read(path):
  eval(path)
  np.load(path, allow_pickle=True)
  pandas.read_pickle(path)
"""
  assert sorted(found(source)) == [
    'allow_pickle', 'eval', 'importlib', 'np.load', 'pandas.read_pickle',
    'pickle',
  ]  # fmt: skip
