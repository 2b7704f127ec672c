"""Sources that are not only training are pointed at, and only they."""

import collections
import pathlib

import pytest

import submissions
from runner.tools import source_lint
from tests.support.written import HERE

HEAD = """\"\"\"A submission.\"\"\"
import functools
import jax
import jax.numpy as jnp
import numpy as np
import optax
from submissions.submission import Submission, from_optax
from typing import NamedTuple
def build(task, *, rate):
  workload = task.workload
  def train(start):
    {}
    yield from from_optax(task, optax.sgd(rate)).train(start)
  return from_optax(task, optax.sgd(rate))._replace(train=train)
"""
# One evasion a line, as statements in `train`, by kind.
EVASIONS = {
  'files': """
o = open; o('/etc/passwd')
list(map(open, ['/etc/passwd']))
(lambda f=open: f('/etc/passwd'))()
import io; io.FileIO('/x', 'w')
from os import open as find; find('/x', 0)
from pathlib import Path as P; P('/x').write_bytes(b'')
np.load('/x.npy')
from numpy import fromfile as read; read('/x')
w = np.memmap('/x')
np.lib.npyio.DataSource().open('/x')
f = np; f.loadtxt('/x')
(np if rate else jnp).load('/x')
np.zeros(3).tofile('/x')
np.asarray(start.key).dump('/x')
jnp.save('/x', jnp.zeros(3))
jax.profiler.start_trace('/x')
from flax.training import checkpoints as c; c.save_checkpoint('/x', {}, 0)
from submissions.literals import parsed; parsed('/x')
jax.jit(lambda x: x, compiler_options={'xla_dump_to': '/x'})
print('1,1e6', file=start.log)
from scipy import io as s; s.loadmat('/x')
optax.contrib.np.load('/x') if 0 else getattr(np, 'lo' + 'ad')('/x')
license()
""",
  'work beside the clock': """
import _thread as t; t.start_new_thread(print, ())
from concurrent import futures
import multiprocessing as m
from asyncio import run
import os as o; o.fork()
import subprocess
import queue
jax.pure_callback(print, None)
from jax.experimental import io_callback as value
e = jax.experimental; e.io_callback(print, None)
jax.debug.callback(print)
from jax.debug import callback as show
jax.debug.inspect_array_sharding(start.key, callback=print)
jax.experimental.host_callback.call(print, None)
jax.ffi.register_ffi_target('x', None)
jax.core.Primitive('x').def_impl(print)
jax.monitoring.register_event_listener(print)
getattr(jax, 'pure_' 'callback')(print, None)
getattr(jax, f'pure_{"callback"}')(print, None)
""",
  'free accounts': """
class A: tree_flatten = lambda self: ((), None)
class A:  __array__ = None
class A:  __jax_array__ = functools.partial(print)
class A(dict): pass
class A(collections.abc.Mapping): pass
class A(Submission): pass
jax.tree_util.register_pytree_node(set, list, set)
r = jax.tree_util.register_pytree_node_class
from jax.tree_util import register_dataclass as plain
import flax; flax.serialization.register_serialization_state(set, list, set)
from_optax(task, optax.sgd(rate))._replace(lost=lambda s: '')
Submission(print, print, print, print)
Submission(*(print,) * 4)
class A:  __del__ = print
class A:  __eq__ = lambda a, b: True
""",
  'code that cannot be read': """
e = eval; e('1')
exec('import os')
compile('1', '', 'eval')
i = __import__; i('os')
__builtins__['op' + 'en']('/x')
globals()['jax']
vars(jax)['config']
import importlib as i
import ctypes
import pickle
from numpy import *
getattr(task, input())
functools.reduce(getattr, ['a', 'b'], task)
g = getattr; g(task, 'workload')
from typing import get_type_hints as hints
def f(x: '__import__("os")'): pass
from dataclasses import sys as s
from submissions.algoperf.import_shims import sys as s
import dataclasses as d; d.sys.modules
'{0.__class__}'.format(task)
f = '{0.workload}'.format; f(task)
('{0.__cl' + 'ass__}').format(task)
'{x.__class__}'.format_map({'x': task})
breakpoint()
""",
  'a look at the harness': """
start.elapsed.__self__
start.elapsed.func
e = start.elapsed; e()
e = [start.elapsed]
getattr(start.elapsed, '__self__')
getattr(start.elapsed, '__se' + 'lf__')
start.batches.__closure__[0].cell_contents
b = start.batches; b.clock
start.batches(8).gi_frame.f_locals
train.__globals__
().__class__.__base__.__subclasses__()
object.__getattribute__(task, 'x')
task._workload
task.workload.__dict__['x']
import gc
import sys as np2
from inspect import stack
import operator; operator.attrgetter('x.y')
from weakref import finalize
import atexit
import signal
import runner.trial.clock
dir(task)
memoryview(np.zeros(3))
jax.live_arrays()
jax.devices()[0].client.live_arrays()
print(__file__)
(lambda: (yield))().gi_code.co_consts
self = start; self._clock
class A: f = lambda self: self._clock
jax._src.config
raise SystemExit
import time; time.monotonic()
""",
  'patches': """
task.workload.summarize = None
w = task.workload; w.losses = print
type(task.workload).losses = print
setattr(task, 'workload', None)
s = setattr; s(task, 'workload', None)
object.__setattr__(task, 'x', 1)
jax.jit = None
jnp.sum.cache = {}
for jax.jit in [print]: pass
del jax.jit
w, jax.grad = 1, 2
with jax.default_device(None) as jax.jit: pass
build.count = 0
jax.config.update('jax_enable_x64', True)
from jax import config as c
jax.clear_caches()
functools.update_wrapper(task.workload, print, ('summarize',))
functools.wraps(print, ('summarize',), ())(task.workload)
class A(metaclass=print): pass
class A:  __init_subclass__ = None
class A:  __set_name__ = None
start.evals.clear()
start.evals.append(1)
e = start.evals; e.append(1)
task.workload.table['x'] = 1
def __getattr__(name): pass
__name__ = 'runner'
Submission.train = property(print)
chex = type('X', (), {})
""",
  'other data': """
workload.source('train', None)
s = workload.source; s('train', None)
getattr(workload, 'source')('train', None)
task.workload.eval_stats(start.model, {})
f = workload.eval_stats
workload.summarize({})
print('validation')
print('valid' + 'ation')
print('noitadilav'[::-1])
print(''.join(['te', 'st']))
import workloads as w; w.get('wmt')
from workloads import digits
from workloads.workload import np as n; n.load('/x')
import sklearn.datasets
import tensorflow_datasets as t
if workload == 'wmt': pass
if workload == 'w' + 'mt': pass
w = b'LITERAL'
w = 'LITERAL'
w = [NUMBERS]
a = 'HALF'; b = 'HALF'
a = [HALVES]; b = (HALVES)
w = 0xBIG
import socket as s
import urllib.request
import requests
import sqlite3
import h5py
from safetensors import numpy as n
""",
}
# What is not seen, with the reason; listed in docs/trust.md.
UNSEEN = {
  'w = "SMALL"': 'weights that were learnt elsewhere and are written small',
  'x = "".join(n for n in ("op", "en"))': 'a text that leads nowhere',
}
LARGE = {
  'LITERAL': 'x' * 5000,
  'NUMBERS': '0.123456,' * 600,
  'HALVES': '0.123456,' * 300,
  'HALF': 'x' * 2100,
  'BIG': 'f' * 9000,
  'SMALL': 'x' * 3000,
}
CASES = [
  (kind, line)
  for kind, lines in EVASIONS.items()
  for line in lines.strip().splitlines()
]


def written(folder, line):
  for name, text in LARGE.items():
    line = line.replace(name, text)
  path = folder / 'mine.py'
  path.write_text(HEAD.replace('{}', line))
  return source_lint.look(path)


def test_honest_code_around_the_evasions_has_no_finding(tmp_path):
  assert written(tmp_path, 'pass') == []


@pytest.mark.parametrize('kind, line', CASES)
def test_evasions_are_seen_by_file_and_line(tmp_path, kind, line):
  found = written(tmp_path, line)
  [number] = [n for n, x in enumerate(HEAD.splitlines(), 1) if '{}' in x]
  assert [one for one in found if one.line == number], kind
  assert {(one.file, one.line) for one in found} == {('mine.py', number)}
