"""The cheats: what each adds to an honest submission, and what must follow.

Every cheat is an honest NAdamW on the handwritten digits with a few lines of
its own in one place. `work()` is a second of computing that nobody should get
for nothing.
"""

import dataclasses

# Results that a cheat must come to.
CHARGED = 'charged'  # Its work is charged.
ENDED = 'ended'  # The trial crashes, is invalid, or nothing comes of the cheat.
PREVENTED = 'prevented'  # The trial is honest in the end: nothing was gained.
FOUND = 'found'  # `verify` doubts the trial.
KNOWN = 'known'  # Not found; docs/trust.md says so.

SECONDS = 1.0  # Of `work()`.

TEMPLATE = '''"""A cheat: {about}."""
import os, time
import jax, jax.numpy as jnp, numpy as np
from submissions.algorithms import nadamw
from submissions.submission import Submission
def work(seconds={seconds}):
  end = time.process_time() + seconds
  while time.process_time() < end:
    np.ones((200, 200)) @ np.ones((200, 200))
{head}
def build(task, *, steps):
  inner = nadamw.build(task._replace(steps=10_000), **nadamw.SELF)
  {build}
  def train(start):
    {start}
    for state in inner.train(start):
      {step}
      yield state
      if state.done >= steps:
        return
  def model(state):
    found = inner.model(state)
    {model}
    return found
  def scalars(state):
    found = inner.scalars(state)
    {scalars}
    return found
  def lost(state):
    {lost}
    return inner.lost(state)
  return Submission(train, model, scalars, lost)
SELF = {{'steps': {steps}}}
'''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attack:
  """A cheat.

  Attributes:
    about: What it does.
    expected: What must happen: one of the values above.
    seen: Whether `check` points at it.
    works: How often `work` is called in one trial; 0: it gains otherwise.
    head, build, start, step, model, scalars, lost: Lines in the places of the
      template with these names.
  """

  about: str
  expected: str
  seen: bool = True
  works: float = 0
  head: str = ''
  build: str = 'pass'
  start: str = 'pass'
  step: str = 'pass'
  model: str = 'pass'
  scalars: str = 'pass'
  lost: str = 'pass'

  def source(self, steps: int = 40) -> str:
    """Return the file of the submission."""
    places = {
      name: getattr(self, name).replace('\n', '\n' + ' ' * indent)
      for name, indent in INDENTS.items()
    }
    return TEMPLATE.format(
      about=self.about, seconds=SECONDS, steps=steps, **places
    )


INDENTS = {
  'head': 0, 'build': 2, 'start': 4, 'step': 6, 'model': 4, 'scalars': 4,
  'lost': 4,
}  # fmt: skip

HONEST = Attack(about='none', expected=PREVENTED, seen=False)

LAZY = """
class Lazy(dict):
  def {method}(self, *a):
    work()
    return dict.{method}(self, *a)
"""
NODE = """
class Node:
  def __init__(self, x): self.x = x
  def flat(self):
    work()
    return (self.x,), None
jax.tree_util.register_pytree_node(Node, Node.flat, lambda aux, c: Node(*c))
"""

FREE_TIME = {
  'thread': Attack(
    about='trains in a thread while it is evaluated',
    expected=ENDED,
    head='import threading',
    start='threading.Thread(target=work, args=(60.0,), daemon=True).start()',
  ),
  'low_thread': Attack(
    about='trains in a thread of the module _thread',
    expected=ENDED,
    head='import _thread',
    start='_thread.start_new_thread(work, (60.0,))',
  ),
  'pool': Attack(
    about='trains in a pool of threads',
    expected=ENDED,
    head='from concurrent import futures\nPOOL = futures.ThreadPoolExecutor(1)',
    start='POOL.submit(work, 60.0)',
  ),
  'late_thread': Attack(
    about='starts a thread by a timer',
    expected=ENDED,
    head='import threading',
    start='threading.Timer(0.0, work, (60.0,)).start()',
  ),
  'child': Attack(
    about='trains in a child process',
    expected=ENDED,
    head='import subprocess, sys',
    start="subprocess.Popen([sys.executable, '-c', 'while 1: pass'])",
  ),
  'orphan': Attack(
    about='trains in a process whose parent has ended',
    expected=ENDED,
    start='os.system(\'python3 -c "while 1: pass" &\')',
  ),
  'fork': Attack(
    about='trains in a forked process',
    expected=ENDED,
    start='os.fork() or work(60.0)',
  ),
  'spawned': Attack(
    about='trains in a process of multiprocessing',
    expected=ENDED,
    head="import multiprocessing as m\nC = m.get_context('fork')",
    start='C.Process(target=work, args=(60.0,), daemon=True).start()',
  ),
  'lost': Attack(
    about='works in lost()',
    expected=CHARGED,
    works=2,
    seen=False,
    lost='work()',
  ),
  'model': Attack(
    about='works in model()',
    expected=CHARGED,
    works=2,
    seen=False,
    model='work()',
  ),
  'scalars': Attack(
    about='works in scalars()',
    expected=CHARGED,
    works=0.4,
    seen=False,
    scalars='state.done % 100 or work(0.1)',
  ),
  'scalars_get': Attack(
    about='works when a scalar is read',
    expected=PREVENTED,
    head=LAZY.format(method='get'),
    scalars='found = Lazy(found)',
    seen=False,
  ),
  'scalars_items': Attack(
    about='works when scalars are listed',
    expected=CHARGED,
    works=3,
    head=LAZY.format(method='items').replace('work()', 'work(0.01)'),
    scalars='found = Lazy(found)',
    seen=False,
  ),
  'node': Attack(
    about='works when its state is flattened',
    expected=CHARGED,
    works=3,
    head=NODE,
    step='state = state._replace(state=Node(state.state))',
  ),
  'compile_async': Attack(
    about='sends work to the device, and compiles while it runs',
    expected=CHARGED,
    works=1,
    seen=False,
    head=(
      'X = jnp.ones((200, 200))\n'
      'SLOW = jax.jit(lambda x: jax.lax.fori_loop('
      '0, 8000, lambda _, x: jnp.sin(x @ x), x))'
    ),
    start='SLOW(X)\nfor k in range(9): jax.jit(lambda x: x * k)(X)',
  ),
  'compile_thread': Attack(
    about='works in a thread while it compiles',
    expected=CHARGED,
    works=1,
    head='import threading\nX = jnp.ones((200, 200))',
    start=(
      'T = threading.Thread(target=work)\nT.start()\n'
      'for k in range(9): jax.jit(lambda x: x * k)(X)\nT.join()'
    ),
  ),
  'compile_forged': Attack(
    about='says that it has compiled, and has worked',
    expected=CHARGED,
    works=1,
    start=(
      'work()\n'
      'jax.monitoring.record_event('
      "'/jax/compilation_cache/compile_requests_use_cache')\n"
      'jax.monitoring.record_event_duration_secs('
      "'/jax/core/compile/backend_compile_duration', 1.0)"
    ),
  ),
  'trace_work': Attack(
    about='works while it is traced',
    expected=CHARGED,
    works=1,
    seen=False,
    start='jax.jit(lambda x: (work(), x)[1])(jnp.ones(3))',
  ),
  'lazy_model': Attack(
    about='hands over a model that works when it is read',
    expected=CHARGED,
    head=(
      'from workloads.workload import Model\n'
      'class Late(Model):\n'
      '  @property\n'
      '  def params(self):\n'
      '    work()\n'
      '    return self[0]\n'
    ),
    model='found = Late(*found)',
  ),
  'late_leaf': Attack(
    about='hands over leaves that work when they become arrays',
    expected=ENDED,
    head=(
      'class Leaf:\n'
      '  def __init__(self, x): self.x, self.shape, self.dtype = x, x.shape, '
      'x.dtype\n'
      '  def __jax_array__(self):\n'
      '    work()\n'
      '    return self.x\n'
    ),
    model='found = found._replace(params=jax.tree.map(Leaf, found.params))',
  ),
  'array_class': Attack(
    about='hands over arrays of a class of its own',
    expected=ENDED,
    head=(
      'class Slow(np.ndarray):\n'
      '  def __array__(self, *a, **k):\n'
      '    work()\n'
      '    return np.asarray(self.view(np.ndarray))\n'
    ),
    model=(
      'found = found._replace(params=jax.tree.map(\n'
      '  lambda x: np.array(x).view(Slow), found.params))'
    ),
  ),
  'account': Attack(
    about='trains on the account setup of the clock',
    expected=CHARGED,
    works=3,
    start=(
      "clock = start.elapsed.__self__\nwith clock.account('setup'): work(3.0)"
    ),
  ),
  'fewer_seconds': Attack(
    about='takes seconds off the clock',
    expected=ENDED,
    start='clock = start.elapsed.__self__',
    step='clock._spent["train"] = 0.0',
  ),
  'moved_seconds': Attack(
    about='moves seconds to an account that is free',
    expected=FOUND,
    start='clock = start.elapsed.__self__',
    step=(
      'spent = clock._spent\n'
      'spent["setup"] += spent["train"]; spent["train"] = 0.0'
    ),
  ),
  'finalizer': Attack(
    about='works when an object of its own dies',
    expected=CHARGED,
    works=0.4,
    head='class Dies:\n  def __del__(self): work(0.1)\n',
    step='state.done % 100 or Dies()',
  ),
  'alarm': Attack(
    about='works in a signal handler by a timer',
    expected=CHARGED,
    works=0.1,
    head='import signal',
    start=(
      'signal.signal(signal.SIGPROF, lambda *_: work(0.05))\n'
      'signal.setitimer(signal.ITIMER_PROF, 0.2, 0.2)'
    ),
  ),
  'gc_callback': Attack(
    about='works whenever garbage is collected',
    expected=CHARGED,
    works=0.4,
    head='import gc',
    start='gc.callbacks.append(lambda *_: work(0.2))',
  ),
  'profile_hook': Attack(
    about='works in a hook of the interpreter',
    expected=CHARGED,
    works=0.4,
    head='import sys',
    start=(
      'left = [0.2] * 3\n'
      'def hook(frame, *_):\n'
      "  if frame.f_code.co_name == 'eval_batches' and left:\n"
      '    work(left.pop())\n'
      'sys.setprofile(hook)'
    ),
  ),
  'unfinished': Attack(
    about='leaves work for the devices when it yields',
    expected=CHARGED,
    works=0,
    seen=False,
    step='X = jnp.ones((999, 999)); state.done % 20 or [X @ X, X @ X]',
  ),
  'callback': Attack(
    about='has the devices call back to the host',
    expected=CHARGED,
    works=1,
    model=(
      'found = found._replace(params=jax.tree.map(lambda x: '
      'jax.pure_callback(lambda y: (work(0.1), y)[1], x, x), found.params))'
    ),
  ),
  'wait': Attack(
    about='has nobody wait for the devices',
    expected=CHARGED,
    head='jax.block_until_ready = lambda x: x',
    step='X = jnp.ones((999, 999)); state.done % 20 or [X @ X, X @ X]',
  ),
  'time': Attack(
    about='stops the time',
    expected=PREVENTED,
    head='T = time.monotonic(); ORIGINAL = time.monotonic',
    start='time.monotonic = lambda: T',
  ),
  'clock_class': Attack(
    about='replaces a method of the clock',
    expected=ENDED,
    head='from runner.trial import clock',
    start='clock.Clock._charged = lambda self: 0.0',
  ),
}

EVALUATION = {
  'summarize': Attack(
    about='replaces summarize on the class of the workload',
    expected=ENDED,
    build=(
      'kind = type(task.workload); old = kind.summarize\n'
      'kind.summarize = lambda *a: dict(old(*a), error_rate=0.0, loss=0.0)'
    ),
  ),
  'eval_stats': Attack(
    about='replaces eval_stats on the class of the workload',
    expected=ENDED,
    build=(
      'kind = type(task.workload); old = kind.eval_stats\n'
      'def stats(*a):\n'
      '  found = old(*a)\n'
      '  return jax.tree.map(jnp.zeros_like, found) | '
      '{k: v for k, v in found.items() if "count" in k or "weight" in k}\n'
      'kind.eval_stats = stats; jax.clear_caches()'
    ),
  ),
  'spec': Attack(
    about='replaces the test of the target',
    expected=ENDED,
    head='from runner.protocol import workload_spec',
    build='workload_spec.WorkloadSpec.reached = lambda self, value: True',
  ),
  'source_of_workload': Attack(
    about='has itself evaluated on training data',
    expected=PREVENTED,
    build=(
      'kind = type(task.workload); old = kind.source\n'
      "kind.source = lambda self, split, d=None: old(self, 'train', d)"
    ),
  ),
  'extra_leaves': Attack(
    about='hands over more parameters than the workload has',
    expected=ENDED,
    model=(
      'found = found._replace(params=dict(found.params, more=jnp.ones(3)))'
    ),
    seen=False,
  ),
  'shape': Attack(
    about='hands over a larger network',
    expected=ENDED,
    seen=False,
    model=(
      'found = found._replace(params=jax.tree.map(\n'
      '  lambda x: jnp.concatenate([x, x]), found.params))'
    ),
  ),
  'type': Attack(
    about='hands over other types',
    expected=ENDED,
    seen=False,
    model=(
      'found = found._replace(params=jax.tree.map(\n'
      '  lambda x: x.astype(jnp.bfloat16), found.params))'
    ),
  ),
}

HERE = 'import glob, pathlib\nROOT = pathlib.Path(__file__).parents[4]\n'
RECORDS = {
  'own_rows': Attack(
    about='writes its own evaluations',
    expected=ENDED,
    head=HERE,
    step=(
      "for p in glob.glob(str(pathlib.Path(__file__).parent / 'eval*.csv')):\n"
      "  t = pathlib.Path(p).read_text().replace('0.', '0.0')\n"
      '  pathlib.Path(p).write_text(t)'
    ),
  ),
  'other_attempts': Attack(
    about="writes into another entry's attempts",
    expected=PREVENTED,
    head=HERE,
    start=(
      "for p in glob.glob(str(ROOT / 'honest/*/*/*/attempts.jsonl')):\n"
      '  open(p, \'a\').write(\'{"event": "crashed"}\')'
    ),
  ),
  'compiled': Attack(
    about='makes compiling dear for others',
    expected=PREVENTED,
    head=HERE,
    start=(
      "for p in glob.glob(str(ROOT / '.compiled/**/*-seconds'), recursive=1):\n"
      "  open(p, 'w').write('1e6')"
    ),
  ),
  'plan': Attack(
    about='edits the plan',
    expected=PREVENTED,
    head=HERE,
    start="(ROOT / 'plan.json').write_text('{}')",
  ),
  'other_folder': Attack(
    about='deletes the results of another entry',
    expected=PREVENTED,
    head=HERE + 'import shutil\n',
    start="shutil.rmtree(ROOT / 'honest')",
  ),
  'progress': Attack(
    about='says on the pipe that it is over, and goes on',
    expected=CHARGED,
    works=0.4,
    head='import sys\nFD = int(sys.argv[-1].partition("=")[2])',
    step=(
      'state.done % 40 or os.write(FD, b\'{"over": true}\\n\') and work(0.05)'
    ),
  ),
  'kill_runner': Attack(
    about='kills its runner',
    expected=PREVENTED,
    start='os.kill(os.getppid(), 15)',
  ),
  'attempts': Attack(
    about='writes its own end',
    expected=ENDED,
    head=HERE,
    step=(
      "(pathlib.Path(__file__).parent / 'attempts.jsonl').open('a').write(\n"
      '  \'{"event": "end", "outcome": "reached"}\\n\')'
    ),
  ),
}

DATA = {
  'validation': Attack(
    about='reads the validation split by an alias',
    expected=KNOWN,
    build="s = task.workload.source; data = s('validation')",
  ),
  'results': Attack(
    about='reads the results of others',
    expected=PREVENTED,
    head=HERE,
    start="(ROOT / 'plan.json').read_text()",
  ),
  'evaluations': Attack(
    about='clears its list of evaluations, to be evaluated at every step',
    expected=PREVENTED,
    head='SEEN = []',
    start='SEEN.append(start.evals)',
    lost='SEEN[-1].clear()',
  ),
  'cache': Attack(
    about='keeps weights in a folder for its later trials',
    expected=PREVENTED,
    start="open('/tmp/timetrial-warm-start', 'w').write('weights')",
  ),
  'literal': Attack(
    about='starts from a literal in its source',
    expected=KNOWN,
    head='W = ' + repr('x' * 5000),
  ),
  'settings': Attack(
    about='changes settings of JAX',
    expected=KNOWN,
    head="jax.config.update('jax_default_matmul_precision', 'bfloat16')",
  ),
  'workload_name': Attack(
    about='looks at the name of the workload',
    expected=KNOWN,
    build="special = type(task.workload).__name__ == 'Digits'",
  ),
}

MACHINE = {
  'heir': Attack(
    about='leaves a process in another session for the next trials',
    expected=ENDED,
    head='import subprocess, sys',
    step=(
      'if state.done >= steps: subprocess.Popen(\n'
      "  [sys.executable, '-c', 'while 1: pass'], env={},\n"
      '  start_new_session=True)'
    ),
  ),
  'at_exit': Attack(
    about='works on when the trial is over',
    expected=PREVENTED,
    head='import atexit\natexit.register(work, 60.0)',
  ),
}

ATTACKS = {**FREE_TIME, **EVALUATION, **RECORDS, **DATA, **MACHINE}
