"""Requests for second evaluations, and their answers: lines of JSON."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from runner.protocol.suites import workload_spec
from runner.protocol.suites.workload_spec import WorkloadSpec

DOING = 'evaluating again'  # Activity in signs of life.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """A stored model that is to be evaluated.

  Attributes:
    model: Absolute path of the model's file; '': only compile what evaluations
      of the workload need, and keep its generated data.
    step: Step that the model must be of.
    spec: The workload in the suite.
    data_dir: Folder of the datasets; None: the default one.
    splits: Splits to evaluate on.
    keep: Folder for generated data; '': they are not kept.
  """

  model: str
  step: int
  spec: WorkloadSpec
  data_dir: str | None
  splits: tuple[str, ...]
  keep: str = ''

  def to_line(self) -> str:
    """Return the line that `parse_request` turns back into this request."""
    table = {
      'model': self.model,
      'step': self.step,
      'workload': self.spec.workload,
      'row': self.spec.to_json(),
      'data_dir': self.data_dir,
      'splits': self.splits,
      'keep': self.keep,
    }
    return json.dumps(table) + '\n'


def parse_request(line: str) -> Request:
  """Return the request in a line.

  Raises:
    LookupError, TypeError, ValueError: it is not from `Request.to_line`.
  """
  table = json.loads(line)
  return Request(
    model=table['model'],
    step=table['step'],
    spec=workload_spec.from_json(table['workload'], table['row']),
    data_dir=table['data_dir'],
    splits=tuple(table['splits']),
    keep=table['keep'],
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
  """Result of a second evaluation, or a sign of life before it.

  Attributes:
    metrics: Metrics by column; None without an evaluation.
    sha256: Hash of the model's arrays.
    generated: Hash of the index of generated data, or ''.
    unfit: Why the model cannot be what the trial evaluated, or ''.
    failed: Why it could not be evaluated here, or ''.
    seconds: Seconds that it took.
    device: Kind of device that evaluated: 'cpu', 'gpu'.
    doing: Activity, in words, of a sign of life; '' in an answer.
  """

  metrics: Mapping[str, float] | None = None
  sha256: str = ''
  generated: str = ''
  unfit: str = ''
  failed: str = ''
  seconds: float = 0.0
  device: str = ''
  doing: str = ''

  def to_line(self) -> str:
    """Return the line that `parse_answer` turns back into this answer."""
    return json.dumps({k: v for k, v in vars(self).items() if v}) + '\n'


def parse_answer(line: bytes) -> Answer:
  """Return the answer in a line.

  Raises:
    TypeError, ValueError: it is not from `Answer.to_line`.
  """
  table: dict[str, Any] = json.loads(line)
  return Answer(**table)
