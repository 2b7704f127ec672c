"""Metrics of a model on a split.

Devices compute statistics of every example; the host summarizes them.
"""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

import workloads
from runner.protocol import columns
from runner.protocol.suites.workload_spec import WorkloadSpec
from runner.trial import devices
from workloads import batches
from workloads.workload import WEIGHTS, Model, PyTree, Source, Workload


def data(
  spec: WorkloadSpec, data_dir: str | None
) -> tuple[Workload, Mapping[str, Source]]:
  """Return the workload of a suite's row, and its examples by split.

  Args:
    spec: The workload in the suite.
    data_dir: Folder of the datasets; None: the default one.

  Raises:
    ValueError: there is no such workload, or its data are missing.
  """
  workload = workloads.get(spec.workload, spec.quirks, spec.world)
  workload = workload.with_text(data_dir)
  return workload, {
    split: workload.source(split, data_dir) for split in columns.SPLITS
  }


def split_metrics(
  workload: Workload,
  model: Model,
  source: Source,
  spec: WorkloadSpec,
  split: str,
  alive: Callable[[], None] = lambda: None,
) -> dict[str, float]:
  """Return the metrics of one split by column, as rows of evaluations have.

  Args:
    workload: What was trained.
    model: The model.
    source: The examples of the split.
    spec: The workload in the suite: batch size and limits.
    split: 'train', 'validation' or 'test'.
    alive: Called for every batch.
  """
  limit = examples(source, spec, split)
  found = evaluate(workload, model, source, spec.eval_batch_size, limit, alive)
  named = {f'{split}/{name}': value for name, value in found.items()}
  return named | {f'{split}/num_examples': limit}


def examples(source: Source, spec: WorkloadSpec, split: str) -> int:
  """Return the number of examples of a split that are evaluated.

  Args:
    source: Examples of the split.
    spec: The workload in the suite.
    split: 'train', 'validation' or 'test'.
  """
  most = spec.train_examples if split == 'train' else spec.eval_examples
  return len(source) if most is None else min(most, len(source))


def batch_count(source: Source, spec: WorkloadSpec, split: str) -> int:
  """Return the number of batches in which a split is evaluated.

  Args:
    source: Examples of the split.
    spec: The workload in the suite.
    split: 'train', 'validation' or 'test'.
  """
  size = _padded(source, spec.eval_batch_size)
  return -(-examples(source, spec, split) // size) if size else 0


def fresh(workload: Workload, seed: int) -> tuple[Model, jax.Array]:
  """Return the first model of a trial, and the key of its training."""
  # jax.random.key takes a Python int of this width.
  model, train = _fresh(workload, np.int64(seed))
  return devices.replicate(model), train


@functools.partial(jax.jit, static_argnums=0)
def _fresh(workload: Workload, seed: jax.Array) -> tuple[Model, jax.Array]:
  """Return what `fresh` does, as one program instead of five."""
  init, train = jax.random.split(jax.random.key(seed))
  return workload.init(init), train


def warm_up(
  workload: Workload,
  sources: Mapping[str, Source],
  spec: WorkloadSpec,
  model: Model,
) -> None:
  """Compile all that evaluations need.

  Args:
    workload: The workload.
    sources: Examples by split.
    spec: The workload in the suite.
    model: A model of the workload.
  """
  not_finite(model)
  seen: set[int] = set()
  for split in columns.SPLITS:
    source = sources[split]
    size = _padded(source, spec.eval_batch_size)
    if size not in seen:  # Batches of one size are of one shape.
      sample(workload, model, source=source, spec=spec, split=split)
    seen.add(size)


def sample(
  workload: Workload,
  model: Model,
  *,
  source: Source,
  spec: WorkloadSpec,
  split: str,
) -> None:
  """Compute statistics of the first batch of a split, if it has one.

  Args:
    workload: The workload.
    model: A model of the workload.
    source: Examples of the split.
    spec: The workload in the suite.
    split: 'train', 'validation' or 'test'.
  """
  if batch_count(source, spec, split):
    size = spec.eval_batch_size
    statistics(workload, model, source, size, size)


@functools.partial(jax.jit, static_argnums=0)
def _examine(workload: Workload, model: Model, batch):
  """Return weights and statistics of a batch's examples, on every host."""
  stats = workload.eval_stats(devices.whole(model), batch)
  return devices.whole((batch[WEIGHTS], stats))


@jax.jit
def _finite(leaves: list[jax.Array]) -> jax.Array:
  found = jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves])
  return devices.whole(found)


def not_finite(model: Model) -> str:
  """Return the name of an array of the model with NaN or infinity, or ''.

  Metrics are not enough: XLA drops NaN in a ReLU on a CPU, so a residual
  network with a running variance of NaN has a finite error rate.
  """
  named = [
    (f'{kind} {jax.tree_util.keystr(path)}', leaf)
    for kind, tree in (('Parameter', model.params), ('State', model.state))
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
  ]
  if not named:
    return ''
  finite = np.asarray(_finite([leaf for _, leaf in named]))
  return '' if finite.all() else named[finite.argmin()][0]


def evaluate(
  workload: Workload,
  model: Model,
  source: Source,
  batch_size: int,
  limit: int | None = None,
  alive: Callable[[], None] = lambda: None,
) -> dict[str, float]:
  """Return metrics over a split, or over its first `limit` examples.

  A split without examples has no metrics.

  Args:
    workload: The workload.
    model: The model.
    source: Examples of the split.
    batch_size: Largest number of examples in a batch.
    limit: Number of examples; None: all.
    alive: Called for every batch; may raise to end the evaluation.
  """
  if not len(source):
    return {}
  stats = statistics(workload, model, source, batch_size, limit, alive)
  return workload.summarize(stats)


def statistics(
  workload: Workload,
  model: Model,
  source: Source,
  batch_size: int,
  limit: int | None = None,
  alive: Callable[[], None] = lambda: None,
) -> PyTree:
  """Return statistics of examples, one row per example, as numpy arrays.

  Batches are padded to divide over the devices; only this function drops the
  padding.

  Args:
    workload: The workload.
    model: The model.
    source: Examples of the split.
    batch_size: Largest number of examples in a batch.
    limit: Number of examples; None: all.
    alive: Called for every batch; may raise to end the evaluation.
  """
  parts = []
  size = _padded(source, batch_size)
  for batch in batches.eval_batches(source, size, limit, devices.rows(size)):
    parts.append(_examine(workload, model, devices.split(batch)))
    alive()
  weights, stats = jax.tree.map(
    lambda *rows: np.concatenate(rows), *jax.device_get(parts)
  )
  return jax.tree.map(lambda x: x[weights > 0], stats)


def _padded(source: Source, batch_size: int) -> int:
  return devices.padded(min(batch_size, len(source)))
