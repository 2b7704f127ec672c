"""A few steps of training on the devices that there are, and in a process that
has so many: for tests and benchmarks that compare them.

    python -m tests.support.several FOLDER CASE...

prints figures of cases, each `workload:submission` with options behind it, and
leaves their checkpoints in the folder. With `host:K:N:PORT` for a folder it is
one of so many processes that do so together, and leaves none.
"""

import itertools
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, NamedTuple

import jax
import numpy as np

import submissions
from runner.launch import attempt, remote_hosts
from runner.trial import checkpoint, devices, evaluate
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.state_tree import Flattener
from submissions.submission import Start, Submission, Task
from tests.support.tiny import tiny

ROOT = pathlib.Path(__file__).parents[2]
SIZE, STEPS, SAVED = 16, 4, 2  # Saved after so many.
# Neither divides over eight devices.
EVAL_SIZE, EVAL_EXAMPLES = 20, 36


class Case(NamedTuple):
  workload: str
  submission: str
  shard: bool = False  # The submission's state.
  stack: int = 1  # Steps that the devices are given at once.

  def __str__(self) -> str:
    shard = ':shard' if self.shard else ''
    return f'{self.workload}:{self.submission}:{self.stack}{shard}'


def parsed(text: str) -> Case:
  workload, submission, stack, *shard = text.split(':')
  return Case(workload, submission, bool(shard), int(stack))


def figures(case: Case, folder: pathlib.Path | None = None) -> dict[str, Any]:
  """Of the first steps: 'losses', 'norms', 'metrics', 'bytes' of a device.

  Args:
    case: What trains, and how.
    folder: For a checkpoint on the way, if one is wanted.
  """
  submission, start = _begun(case)
  found: dict[str, Any] = {'losses': [], 'norms': []}
  state = None
  for state in itertools.islice(submission.train(start), STEPS):
    _look(submission, state, found)
    if folder and len(found['losses']) == SAVED:
      checkpoint.save(
        folder, SAVED, checkpoint.snapshot(Flattener()(state).leaves), {}
      )
  problem = tiny(case.workload)
  source = problem.source('validation', None)
  model = submission.model(state)
  found['metrics'] = evaluate.evaluate(
    problem, model, source, EVAL_SIZE, EVAL_EXAMPLES
  )
  arrays = [x for x in jax.tree.leaves(state) if isinstance(x, jax.Array)]
  found['bytes'] = sum(x.addressable_shards[0].data.nbytes for x in arrays)
  found['all_bytes'] = sum(x.nbytes for x in arrays)
  return found


def resumed(case: Case, folder: pathlib.Path) -> list[float]:
  """Losses of the steps behind a checkpoint, wherever that was made."""
  submission, start = _begun(case)
  template = next(submission.train(start))
  found = checkpoint.load(folder)
  assert found is not None
  start.batches.steps = SAVED * case.stack
  start.batches.examples = SAVED * case.stack * SIZE
  state = checkpoint.restore(template, found.arrays)
  losses = {'losses': [], 'norms': []}
  start = start._replace(state=state)
  for state in itertools.islice(submission.train(start), STEPS - SAVED):
    _look(submission, state, losses)
  return losses['losses']


def _look(submission: Submission, state, found: dict[str, Any]) -> None:
  scalars = submission.scalars(state)
  found['losses'].append(float(scalars['loss']))
  found['norms'].append(float(scalars['grad_norm']))


def _begun(case: Case) -> tuple[Submission, Start]:
  problem = tiny(case.workload)
  source = problem.source('train', None)
  entry = submissions.find(case.submission)
  task = Task(problem, 100, SIZE, len(source), case.stack)
  options = {'dropout': 0.1, 'label_smoothing': 0.1}
  known = {k: v for k, v in options.items() if k in (entry.optional or ())}
  init, key = jax.random.split(jax.random.key(0))
  return submissions.make(entry.path, task, entry.self_point | known), Start(
    devices.replicate(jax.jit(problem.init)(init)),
    key,
    Feed(source, 0, Clock()),
    place=devices.spread if case.shard else devices.whole,
  )


def on(count: int, cases: list[Case], folder: pathlib.Path) -> dict:
  """Figures by case, of a process that has so many (virtual) devices."""
  [found] = _together(count, [str(folder)], cases)
  return found


def on_hosts(count: int, cases: list[Case]) -> dict:
  """Figures by case, of so many processes with a device each."""
  port = remote_hosts.free_port()
  places = [f'host:{number}:{count}:{port}' for number in range(count)]
  return _together(1, places, cases)[0]


def _together(devices: int, places: list[str], cases: list[Case]) -> list[dict]:
  flags = os.environ.get('XLA_FLAGS', '')
  own = {
    'JAX_PLATFORMS': 'cpu',
    'XLA_FLAGS': f'{attempt.XLA_FLAGS} {flags} '
    f'--xla_force_host_platform_device_count={devices}',
  }
  children = [
    subprocess.Popen(
      [sys.executable, '-m', 'tests.support.several', place, *map(str, cases)],
      env=os.environ | own,
      cwd=ROOT,
      stdout=subprocess.PIPE,
      text=True,
    )
    for place in places
  ]
  printed = [child.communicate()[0] for child in children]
  assert not any(child.returncode for child in children)
  return [
    {parsed(case): found for case, found in json.loads(lines).items()}
    for lines in (text.splitlines()[-1] for text in printed)
  ]


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
  """The largest relative one of all losses, norms and metrics."""

  def values(found):
    metrics = [value for _, value in sorted(found['metrics'].items())]
    return np.array(found['losses'] + found['norms'] + metrics)

  a, b = values(one), values(other)
  return float(np.max(np.abs(a - b) / (np.abs(a) + 1e-6)))


def name(case: Case) -> str:
  """Of the folder of its checkpoint."""
  return str(case).replace('/', '_')


def main(place: str, *texts: str) -> None:
  kind, _, rest = place.partition(':')
  folder = None
  if kind == 'host':
    number, count, port = map(int, rest.split(':'))
    jax.distributed.initialize(
      f'localhost:{port}', count, number, cluster_detection_method='deactivate'
    )
  else:
    folder = pathlib.Path(place)
  found = {}
  for text in texts:
    case = parsed(text)
    found[text] = figures(case, folder and folder / name(case))
  print(json.dumps(found))


if __name__ == '__main__':
  main(*sys.argv[1:])
