"""A process without a submission that evaluates the models of trials again.

It reads requests as lines of JSON and answers with lines of JSON. One process
serves a whole race: data and compiled programs stay in memory, and waiting for
the next request takes no processor time.
"""

import dataclasses
import json
import math
import os
import pathlib
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import jax

from runner.protocol.records import checkpoints, exams
from runner.protocol.records.exams import Answer, Request
from runner.protocol.suites.workload_spec import WorkloadSpec
from runner.trial import checkpoint, devices, evaluate
from workloads import generated
from workloads.workload import Model, Source, Workload

OVERHEAD = 1 << 20  # Bytes of a file beside its arrays: their names and facts.
PERIOD = 0.5  # Seconds from one sign of life to the next.

Tell = Callable[[Answer], None]


class UnfitError(ValueError):
  """The stored model is not one that can have been evaluated."""


class Task(NamedTuple):
  """A workload, its data, and a model of it without values."""

  workload: Workload
  sources: Mapping[str, Source]
  model: Model


def serve(requests: Iterable[str], tell: Tell) -> None:
  """Answer every request. Before an answer there are signs of life.

  Args:
    requests: Lines of JSON, from `Request.to_line`.
    tell: Called with every answer and sign of life.
  """
  tasks: dict[str, Task] = {}
  for line in requests:
    began = time.monotonic()
    told = _answer(line, tasks, _alive(tell))
    seconds = time.monotonic() - began
    device = jax.default_backend()
    tell(dataclasses.replace(told, seconds=seconds, device=device))


def _answer(
  line: str, tasks: dict[str, Task], alive: Callable[[], None]
) -> Answer:
  try:
    request = exams.parse_request(line)
    task = _task(request.spec, request.data_dir, tasks)
  except Exception as error:  # Data are missing, or memory.
    return Answer(failed=_told(error))
  try:
    if not request.model:
      return _compiled(request, task)
    return _evaluated(request, task, alive)
  except UnfitError as error:
    return Answer(unfit=str(error))
  except (MemoryError, jax.errors.JaxRuntimeError) as error:
    return Answer(failed=_told(error))
  except Exception as error:  # As ppl of a model that nobody trained.
    return Answer(unfit=f'It cannot be evaluated: {_told(error)}')


def _compiled(request: Request, task: Task) -> Answer:
  """Compile what trials and later evaluations have in common; keep the data."""
  model, _ = evaluate.fresh(task.workload, 0)
  evaluate.warm_up(task.workload, task.sources, request.spec, model)
  try:
    kept = generated.write(request.keep) if request.keep else ''
  except OSError as error:  # Trials generate them again.
    print(f'Generated data cannot be kept: {error}', flush=True)
    kept = ''
  return Answer(generated=kept)


def _evaluated(
  request: Request, task: Task, alive: Callable[[], None]
) -> Answer:
  found = _read(pathlib.Path(request.model), task.model)
  step = checkpoints.reached_step(found.facts)
  if step != request.step:
    raise UnfitError(
      f'It is of step {step!r}; the evaluation that reached the target is of '
      f'step {request.step}.'
    )
  model = devices.replicate(restored(task.model, found.arrays))
  if name := evaluate.not_finite(model):
    raise UnfitError(f'{name} holds numbers that are not finite.')
  metrics: dict[str, float] = {}
  for split in request.splits:
    alive()
    metrics |= evaluate.split_metrics(
      task.workload,
      model,
      source=task.sources[split],
      spec=request.spec,
      split=split,
      alive=alive,
    )
  metrics = {name: float(value) for name, value in metrics.items()}
  for name, value in metrics.items():
    if not math.isfinite(value):
      raise UnfitError(f'{name} is {value}.')
  return Answer(metrics=metrics, sha256=checkpoint.digest(found.arrays))


def restored(like: Model, arrays: checkpoint.Arrays) -> Model:
  """Return the model of stored arrays.

  Args:
    like: A model of the workload, with shapes and types in place of values.
    arrays: The arrays by path.

  Raises:
    UnfitError: the arrays are not exactly those of such a model.
  """
  found, tree = jax.tree_util.tree_flatten_with_path(like)
  named = {jax.tree_util.keystr(path): leaf for path, leaf in found}
  if odd := sorted(named.keys() ^ arrays.keys()):
    there = 'lacks' if odd[0] in named else 'has'
    raise UnfitError(
      f'It {there} {odd[0]}: a model of this workload has '
      f'{len(named)} arrays, and this one {len(arrays)}.'
    )
  for name, leaf in named.items():
    x = arrays[name]
    if (x.shape, x.dtype) != (leaf.shape, leaf.dtype):
      raise UnfitError(
        f'{name} is {x.dtype}{list(x.shape)}; in a model of this workload it '
        f'is {leaf.dtype}{list(leaf.shape)}.'
      )
  return jax.tree.unflatten(tree, [arrays[name] for name in named])


def _read(path: pathlib.Path, like: Model) -> checkpoint.Checkpoint:
  """Return what a file holds that a trial, or a stranger, has written."""
  most = OVERHEAD + sum(
    2 * leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(like)
  )
  flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
  try:
    with open(os.open(path, flags), 'rb') as file:
      known = os.fstat(file.fileno())
      if not stat.S_ISREG(known.st_mode):
        raise UnfitError('It is no file.')
      if known.st_size > most:
        raise UnfitError(
          f'Its file has {known.st_size:,} bytes; a model of this workload '
          f'takes at most {most:,}.'
        )
      content = file.read(most)
  except OSError as error:
    raise UnfitError(f'It cannot be read: {error.strerror}.') from error
  found = checkpoint.parse(content)
  if found is None:
    raise UnfitError('Its file is damaged.')
  return found


def _task(
  spec: WorkloadSpec, data_dir: str | None, tasks: dict[str, Task]
) -> Task:
  key = json.dumps([spec.workload, spec.quirks, spec.world, data_dir])
  if key not in tasks:
    workload, sources = evaluate.data(spec, data_dir)
    model = jax.eval_shape(workload.init, jax.random.key(0))
    tasks[key] = Task(workload, sources, model)
  return tasks[key]


def _alive(tell: Tell) -> Callable[[], None]:
  last = 0.0

  def alive() -> None:
    nonlocal last
    if (now := time.monotonic()) - last >= PERIOD:
      last = now
      tell(Answer(doing=exams.DOING))

  return alive


def _told(error: Exception) -> str:
  first = str(error).strip().partition('\n')[0][:300]
  return f'{type(error).__name__}: {first}'
