"""Code by which a submission may evade being read as more than training.

Used as texts, which are read and never run.
"""

HEAD = """\"\"\"A submission.\"\"\"
import collections
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
x = np.datetime64('now')
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
LARGE = {
  'LITERAL': 'x' * 5000,
  'NUMBERS': '0.123456,' * 600,
  'HALVES': '0.123456,' * 300,
  'HALF': 'x' * 2100,
  'BIG': 'f' * 9000,
  'SMALL': 'x' * 3000,
  'KEYWORDS': ','.join(f'abcdefg{n}=1' for n in range(600)),
  'BOOLEANS': 'True,' * 5000,
  'IDENTIFIER': 'a' * 5000,
}
TOP = HEAD.partition('def build')[0]
# Evasions at the top of a file, apart by dashes; some need several lines.
BLOCKS = r'''
def f(m): return m.config
f(jax)
---
class K: j = jax
K.j.config
---
match np:
  case x: x.loadtxt('/x')
---
match task:
  case object(__class__=c): pass
---
m = (np,)[0]
m.loadtxt('/x')
---
(m := np).loadtxt('/x')
---
ｏｐｅｎ('/x')
---
if not jax: open = None
open('/x')
---
def build(task):
  try:
    yield 1
  finally:
    print(1)
---
def build(task):
  with jax.default_matmul_precision('bfloat16'):
    yield 1
---
x = Submission._make([print]*4)
---
x = Submission(**{'lo' + 'st': print})
---
class X(NamedTuple):
  a: int
  def get(self, name): pass
---
class X(NamedTuple):
  a: int
  def __iter__(self): pass
---
class X:
  shape = property(print)
---
class X:
  def f(self): return self._clock
def build(task): return X.f(task)
---
from . import helper
---
from .. import runner
---
def build(task): return str(task.workload)
---
def build(task): return f'{task.workload}'
---
def build(task):
  w = task.workload
  return '%s' % w
---
def build(task): return task.train_examples == 1797
---
x = collections.defaultdict(lambda: print(1))
---
scope = jax.jit(print).lower().compile({'xla_dump_to': '/x'})
---
import chex
chex.fake_pmap_and_jit().start()
---
np.test()
---
x = ().__class__
---
try:
  raise ValueError('LITERAL')
except ValueError as e:
  w = e.args[0]
---
w = dict(KEYWORDS)
---
w = [BOOLEANS]
---
IDENTIFIER = 1
---
def f(x: list['__import__("os")']): pass
---
def f() -> 'open("/x")': pass
---
x: 'open("/x")' = 1
---
def train(s):
  s[4].__self__
---
def train(s):
  c = s.elapsed
  return c
---
def train(s):
  f = functools.partial(s.progress)
---
def train(s):
  s.evals.append(1)
---
def train(s):
  s.batches.steps = 0
---
def train(s):
  s.batches.steps
---
isinstance = lambda *a: a[0]
x = isinstance(type)('X', (), {})
---
@jax.pure_callback
def f(): pass
---
class A:
  @property
  def __class__(self): return dict
---
def f():
  global g
  g = np
g.loadtxt('/x')
---
@jax.tree_util.register_pytree_node_class
class A: pass
---
from jax.tree_util import *
---
x = [open for _ in [1]]
---
x = {'a': eval}['a']('1')
---
jax.numpy.ndarray.at = 1
---
x = jax.experimental.multihost_utils.broadcast_one_to_all(1)
---
from jax.experimental.compilation_cache import compilation_cache as c
---
x = jax.lib.xla_bridge.get_backend()
---
import submissions
submissions.find('x')
---
from submissions.algoperf import export
---
from workloads.wmt import x
---
async def f():
  import asyncio
---
class M(type): pass
---
x = memoryview(b'abc')
---
x = type(jax.jit)
---
x = functools.partial(setattr, jax)
---
from builtins import open as p
---
x = object.__subclasses__()
---
x = np.lib.format.open_memmap('/x')
---
x = getattr(np, ''.join(['me','mmap']))('/x')
---
x = getattr(*(np, 'memmap'))('/x')
---
x = jnp.load
---
hasattr(jax, 'x'); x = jax.export.deserialize(b'')
---
import flax.serialization as s
s.register_serialization_state(set, list, set)
---
import optax as o
o.adam = o.sgd
---
def f(w):
  w.summarize = print
---
def f(w): del w.source
---
jax.__dict__['jit'] = 1
---
sum = __builtins__
---
x = ''.__format__
---
x = (1).__class__.__mro__[1].__subclasses__()
---
from jax.experimental.array_serialization import serialization
---
import tensorflow as tf
---
import jaxlib.xla_client
---
x = start.batches.__self__
---
class A(float):
  def __float__(self): return 0.0
---
class A(Exception):
  def __str__(self): return ''
---
lambda: (yield from open('/x'))
---
a = b = c = np
c.fromfile('/x')
---
a, b = np, jax
a.fromfile('/x')
---
for m in [jnp, np]: m.load('/x')
---
x = 'source'
getattr(build, x)
---
x = sorted('nepo')
y = getattr(build, str(x))
---
jax.config.jax_platforms
---
x = jax.devices()[0].client
---
print(getattr)
---
raise KeyboardInterrupt
---
w = """LITERAL"""
---
w = f"{1}LITERAL"
---
w = {'LITERAL': 1}
---
def f(x='LITERAL'): pass
---
w = 'LIT' 'LITERAL'
---
w = np.array([NUMBERS])
---
@functools.update_wrapper
def f(): pass
---
f = {}.update
jax.jit.cache = f
'''.strip().split('\n---\n')
# Evasions that `check` does not see, and why.
UNSEEN = {
  'w = "SMALL"': 'Weights that were learnt elsewhere, written small.',
  'e = next(iter(start.evals)); e.append(1)': (
    'An object of others that was taken by a call, and is changed by a method.'
  ),
  'f = lambda e: e.clear(); f(start.evals)': (
    'An object of others that is changed by a method in another function.'
  ),
  'n = jax.tree.leaves(task.shapes); x = n[0].shape == (64, 10)': (
    'A workload that is told by the shapes of its parameters.'
  ),
}
HONEST = [  # Lines like some of the evasions.
  'x = getattr(start.model, "params")',
  'x = isinstance(rate, (int, float)) or type(rate) is int',
  'x = start.elapsed() + start.progress()',
  'x = f"{rate:.3f}" + "{} {:.2f}".format(1, rate) + "{0}".format(rate)',
  'x = collections.defaultdict(list)',
  'xp = jnp if rate else np; x = xp.zeros(3)',
  'x = start.model._replace(params={}); y = x._fields, x._asdict()',
  'input = rate; x = input + 1',
  'x = jax.jit(lambda: 1).lower().compile()',
  'table = {}; table["x"] = 1; table.update(y=2)',
  'x = np.random.default_rng(0).normal(size=3)',
  'x = jax.lax.cond(True, lambda: 1, lambda: 2)',
  'x = start.state; y = x.inner if x else None',
  'jax.debug.print("{x}", x=rate)',
  'x = task.steps > 100 and task.per_dispatch == 1',
  'x = functools.wraps(print)(lambda: 1)',
  'raise ValueError(f"rate is {rate}, and must be positive. Change SELF.")',
]
