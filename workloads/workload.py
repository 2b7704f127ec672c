"""The interface of a workload: data, a model, a loss and a metric.

A workload has no clock, no optimizer and no target. The clock belongs to the
runner, the optimizer to the submission and the target to the suite.
"""

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

Array = jax.Array
Key = jax.Array  # A typed key, made by jax.random.key.
PyTree = Any
WEIGHTS = 'weights'  # Array [B] of every batch: 1, and 0 for padding.
Batch = Mapping[str, Any]  # All arrays have the leading axis B.


class Model(NamedTuple):
  """Parameters, and state that training also changes (batch statistics)."""

  params: PyTree
  state: PyTree = ()


class Source(Protocol):
  """Examples, read by number: any batch can be made at any time.

  `source[indices]` is a dictionary of arrays with leading axis len(indices),
  without 'weights'. Weights separate examples from padding; batches.py adds
  weights.
  """

  def __len__(self) -> int: ...

  def __getitem__(self, indices: np.ndarray) -> dict[str, np.ndarray]: ...


@runtime_checkable
class Drawn(Source, Protocol):
  """A source with its own training stream.

  An example may differ from one draw to the next (random augmentation), or the
  order may be something else than one permutation per epoch.

  `draw(seed, first, count)` returns the examples at the stream's positions
  first, ..., first + count - 1, without 'weights'. The result depends on these
  three numbers only.
  """

  ahead: int  # Batches to prepare in advance.

  def draw(
    self, seed: int, first: int, count: int
  ) -> dict[str, np.ndarray]: ...


class Packing(NamedTuple):
  """Training batches in fewer bytes, and the function that unpacks them.

  An accelerator unpacks batches itself, so that bytes travel instead of
  float32. The result is what the source itself draws, bit for bit.
  """

  source: Source  # Draws batches in their packed form.
  # Maps a packed batch of one host to a batch, inside jax.jit. Both have
  # 'weights' [B], which are ones.
  unpack: Callable[[Batch], Batch]


@runtime_checkable
class Packed(Source, Protocol):
  """A source that may have a packed form of its training stream."""

  @property
  def packing(self) -> Packing | None: ...


class Workload(abc.ABC):
  """A training task. Subclasses are frozen dataclasses and final.

  Variants and scales differ in the values of the fields: a variant is an
  instance, not a subclass. A frozen workload hashes by value and can therefore
  be a static argument of jax.jit.

  A workload corrects mistakes of AlgoPerf's code. Suites that reproduce
  published results ask for a mistake by its name in QUIRKS. A workload with
  QUIRKS has a field `quirks`: the names of the mistakes to reproduce.

  A workload with generated data has a field `world` (workloads/worlds.py), in
  which workloads are not compared: worlds share compiled programs.
  """

  loss_kind: ClassVar[str]  # 'softmax', 'sigmoid', 'absolute' or 'ctc'.
  QUIRKS: ClassVar[Mapping[str, str]] = {}  # Description of each quirk.

  def __init_subclass__(cls) -> None:
    if Workload not in cls.__bases__:
      raise TypeError(
        f'{cls.__name__} subclasses a workload. Make it a variant instead: '
        f'dataclasses.replace({cls.__bases__[0].__name__}(), ...).'
      )

  @abc.abstractmethod
  def source(self, split: str, data_dir: str | None) -> Source:
    """Return the examples of one split.

    Args:
      split: 'train', 'validation' or 'test'.
      data_dir: Folder of all datasets; None for workloads without files.

    Raises:
      ValueError: The data are missing below data_dir, or have changed since
        their preparation. The message gives the command that prepares them.
    """

  @abc.abstractmethod
  def fake_batch(self, key: Key, batch_size: int) -> Batch:
    """Return a random valid batch with 'weights', for shapes and tests."""

  @abc.abstractmethod
  def init(self, key: Key) -> Model:
    """Return randomly initialized parameters and state."""

  @abc.abstractmethod
  def forward(
    self,
    model: Model,
    batch: Batch,
    key: Key,
    dropout: float,
    frozen: bool = False,
  ) -> tuple[PyTree, PyTree]:
    """Return training-mode outputs and the new model state.

    Args:
      model: Parameters and state.
      batch: Arrays with leading axis B.
      key: Random key for dropout.
      dropout: Rate from 0 to 1; may be traced.
      frozen: Makes batch norm use its running statistics, unchanged.
    """

  @abc.abstractmethod
  def predict(self, model: Model, batch: Batch) -> PyTree:
    """Return evaluation-mode outputs."""

  @abc.abstractmethod
  def losses(
    self, outputs: PyTree, batch: Batch, label_smoothing: float
  ) -> tuple[Array, Array]:
    """Return the summed loss [B] and the number of terms [B] per example.

    Terms are the units of the mean loss: examples, tokens or pixels.
    `mean_loss` applies 'weights' of rank 1; this method does not.

    Args:
      outputs: Result of `forward` or `predict`.
      batch: The batch that the outputs belong to.
      label_smoothing: From 0 (none) to 1.
    """

  @abc.abstractmethod
  def eval_stats(self, model: Model, batch: Batch) -> dict[str, Array]:
    """Return evaluation-mode statistics per example, each [B, ...]."""

  def with_text(self, data_dir: str | None) -> 'Workload':
    """Return this workload with the tables that turn its tokens into text.

    Text metrics (BLEU, word error rate) of some workloads need tables that are
    stored with the data. Other workloads return themselves.

    Raises:
      ValueError: The data are missing or changed, as in `source`.
    """
    del data_dir
    return self

  def with_aux_dropout(self, rate: float) -> 'Workload':
    """Return this workload with AlgoPerf's second dropout rate (up to v0.6).

    Workloads without a second rate return themselves; see aux_dropout.py.
    """
    del rate
    return self

  def padding(self, batch: Batch) -> float:
    """Return the share of padding among the values that the model processes."""
    del batch
    return 0.0

  @abc.abstractmethod
  def summarize(self, stats: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the metrics of a whole split from its statistics [N, ...]."""


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
  """Return the mean training loss of a batch, and the new model state.

  Args:
    workload: Defines model and loss.
    params: Parameters.
    state: Model state, such as batch statistics.
    batch: Arrays with leading axis B, including 'weights' [B].
    key: Random key for dropout.
    dropout: Rate from 0 to 1.
    label_smoothing: From 0 (none) to 1.

  Returns:
    The mean over all terms (examples, tokens or pixels), and the new state.
  """
  outputs, state = workload.forward(Model(params, state), batch, key, dropout)
  losses, counts = workload.losses(outputs, batch, label_smoothing)
  weights = batch[WEIGHTS]  # [B]
  return (losses * weights).sum() / (counts * weights).sum(), state
