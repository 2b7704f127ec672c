"""What a workload is: data, a model, a loss and a metric.

It knows no clock, no optimizer and no target: those belong to the runner, to
submissions and to suites.
"""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

Array = jax.Array
Key = jax.Array  # A typed key, as made by jax.random.key.
PyTree = Any
Batch = Mapping[
  str, Any
]  # Leading axis B everywhere; 'weights' is 0 on padding.


class Model(NamedTuple):
  """What training changes: parameters, and state such as batch statistics."""

  params: PyTree
  state: PyTree = ()


class Source(Protocol):
  """Examples by number, so that any batch can be made at any time.

  `source[indices]` is a dictionary of arrays with leading axis len(indices),
  without 'weights': those tell examples from padding and are added later.
  """

  def __len__(self) -> int: ...

  def __getitem__(self, indices: np.ndarray) -> dict[str, np.ndarray]: ...


@runtime_checkable
class Drawn(Source, Protocol):
  """A source with a training stream of its own.

  Its examples may differ from one draw to the next, or its order be another
  than a permutation of all examples for every epoch.

  `draw(seed, first, count)` is the batch of the stream's positions first,
  first + 1, ..., without 'weights'. It is a function of these numbers alone.
  """

  ahead: int  # Batches worth making before they are asked for.

  def draw(
    self, seed: int, first: int, count: int
  ) -> dict[str, np.ndarray]: ...


class Workload(abc.ABC):
  """A training problem. Subclasses are frozen dataclasses and final.

  The fields are the knobs that variants and scales turn: a variant is an
  instance, not a subclass. Being frozen, a workload hashes by value, so it can
  be a static argument of jax.jit.

  Where AlgoPerf's code computes something odd, a workload does it right. Rules
  of published boards ask for the odd way by its name in QUIRKS; a workload that
  has some has a field `quirks`, those it shall have.
  """

  loss_kind: ClassVar[str]  # 'softmax', 'sigmoid', 'absolute' or 'ctc'.
  QUIRKS: ClassVar[Mapping[str, str]] = {}  # What each of them does.

  def __init_subclass__(cls) -> None:
    if Workload not in cls.__bases__:
      raise TypeError(
        f'{cls.__name__} subclasses a workload. Make it a variant instead: '
        f'dataclasses.replace({cls.__bases__[0].__name__}(), ...).'
      )

  @abc.abstractmethod
  def source(self, split: str, data_dir: str | None) -> Source:
    """Examples of 'train', 'validation' or 'test'.

    Raises:
      ValueError: the data are not below data_dir, or not as they were
        prepared; says how to get them.
    """

  @abc.abstractmethod
  def fake_batch(self, key: Key, batch_size: int) -> Batch:
    """A random batch with valid values and 'weights', for shapes and tests."""

  @abc.abstractmethod
  def init(self, key: Key) -> Model:
    """Fresh parameters and state."""

  @abc.abstractmethod
  def forward(
    self,
    model: Model,
    batch: Batch,
    key: Key,
    dropout: float,
    frozen: bool = False,
  ) -> tuple[PyTree, PyTree]:
    """Training-mode outputs and the new model state.

    Frozen, batch norm normalizes by the running statistics and leaves them.
    """

  @abc.abstractmethod
  def predict(self, model: Model, batch: Batch) -> PyTree:
    """Evaluation-mode outputs."""

  @abc.abstractmethod
  def losses(
    self, outputs: PyTree, batch: Batch, label_smoothing: float
  ) -> tuple[Array, Array]:
    """Summed loss [B] and number of terms [B] of every example.

    The terms are what a mean is taken over: examples, tokens or pixels.
    'weights' of rank 1 are not applied here but by `mean_loss`.
    """

  @abc.abstractmethod
  def eval_stats(self, model: Model, batch: Batch) -> dict[str, Array]:
    """Evaluation-mode statistics of every example, each [B, ...]."""

  def with_text(self, data_dir: str | None) -> 'Workload':
    """This workload, able to turn its tokens into text for its metrics.

    What that needs lies with the data of some; other workloads are as able
    without.

    Raises:
      ValueError: as `source`.
    """
    del data_dir
    return self

  def with_aux_dropout(self, rate: float) -> 'Workload':
    """This workload with a second dropout rate, as AlgoPerf had up to v0.6.

    Workloads without places for a second rate stay as they are; see
    auxiliary.py.
    """
    del rate
    return self

  def padding(self, batch: Batch) -> float:
    """Share of a batch's values that are padding, of those it computes on."""
    del batch
    return 0.0

  @abc.abstractmethod
  def summarize(self, stats: dict[str, np.ndarray]) -> dict[str, float]:
    """Metrics of a whole split from its statistics, each [N, ...]."""


def mean_loss(
  workload: Workload,
  params: PyTree,
  state: PyTree,
  batch: Batch,
  key: Key,
  *,
  dropout: float = 0.0,
  label_smoothing: float = 0.0,
) -> tuple[Array, PyTree]:
  """Mean training loss over the terms of a batch, and the new model state."""
  outputs, state = workload.forward(Model(params, state), batch, key, dropout)
  losses, counts = workload.losses(outputs, batch, label_smoothing)
  weights = batch['weights']  # [B]
  return (losses * weights).sum() / (counts * weights).sum(), state
