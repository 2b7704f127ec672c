"""Metrics of a model on a split: a map on the devices, a fold on the host."""

import functools
from collections.abc import Callable

import jax
import numpy as np

from runner import devices
from workloads import batches
from workloads.workload import Model, Source, Workload


@functools.partial(jax.jit, static_argnums=0)
def _examine(workload: Workload, model: Model, batch):
  return workload.examine(model, batch)


def evaluate(
  workload: Workload,
  model: Model,
  source: Source,
  batch_size: int,
  limit: int | None = None,
  alive: Callable[[], None] = lambda: None,
) -> dict[str, float]:
  """Metrics over the split, or over its first `limit` examples.

  Padding is dropped here and nowhere else. `alive` is called for every batch.
  """
  parts, weights = [], []
  for batch in batches.eval_batches(source, batch_size, limit):
    parts.append(_examine(workload, model, devices.split(batch)))
    weights.append(batch['weights'])
    alive()
  real = np.concatenate(weights) > 0
  columns = jax.tree.map(
    lambda *rows: np.concatenate(rows)[real], *jax.device_get(parts)
  )
  return workload.summarize(columns)
