"""Names that AlgoPerf's submissions import as `spec`.

Most of them occur only in annotations. Members of the enumerations have
AlgoPerf's names and numbers. Enumerations compare by identity, so a submission
must get all of them from one module.
"""

import enum
from typing import Any

Hyperparameters = Any
InitOptimizerFn = Any
DataSelectionFn = Any
LossFn = Any
ModelAuxiliaryState = Any
ModelInitState = Any
OptimizerState = Any
ParameterContainer = Any
ParameterKey = str
ParameterShapeTree = Any
ParameterTypeTree = Any
PrepareForEvalFn = Any
RandomState = Any
Shape = Any
Steps = int
Tensor = Any
Timing = float
UpdateParamsFn = Any
UpdateReturn = Any


class ForwardPassMode(enum.Enum):
  """Modes of `Workload.model_fn`."""

  TRAIN = 0
  EVAL = 1


class LossType(enum.Enum):
  """Kinds of training losses."""

  SOFTMAX_CROSS_ENTROPY = 0
  SIGMOID_CROSS_ENTROPY = 1
  MEAN_SQUARED_ERROR = 2
  CTC_LOSS = 3
  MEAN_ABSOLUTE_ERROR = 4


class ParameterType(enum.Enum):
  """Kinds of parameter arrays."""

  WEIGHT = 0
  BIAS = 1
  CONV_WEIGHT = 2
  BATCH_NORM_SCALE = 3
  BATCH_NORM_BIAS = 4
  LAYER_NORM_SCALE = 5
  LAYER_NORM_BIAS = 6
  EMBEDDING = 7
  ATTENTION_Q = 8
  ATTENTION_K = 9
  ATTENTION_V = 10
  ATTENTION_OUT = 11
  ATTENTION_QKV = 12
  ATTENTION_KV = 13
  ATTENTION_BIAS = 14


class ShapeTuple:
  """A shape that is one leaf of a tree; a plain tuple would be a subtree."""

  def __init__(self, shape_tuple: tuple[int, ...]):
    self.shape_tuple = shape_tuple

  def __repr__(self) -> str:
    return f'ShapeTuple({self.shape_tuple})'

  def __eq__(self, other) -> bool:
    return self.shape_tuple == other.shape_tuple

  def __hash__(self) -> int:
    return hash(self.shape_tuple)


class TrainingCompleteError(Exception):
  """Raised by a submission that wants to stop training."""


class Workload:
  """Base class for annotations; see workload_adapter.Workload."""
