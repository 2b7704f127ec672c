"""Facts of the harness in a checkpoint, beside the arrays of the state."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Stored(NamedTuple):
  """Content of a checkpoint's file, behind its hash."""

  facts: str  # JSON.
  arrays: Mapping[str, Any]  # Arrays by name.


class Facts(NamedTuple):
  """Facts that a trial needs to go on, beside its state.

  Attributes:
    steps: Number of steps of the state.
    examples: Number of training examples that were drawn.
    accounts: Seconds by account of the clock.
    rows: Rows of each CSV file, by its name.
    tree: Tree of the state, as runner.trial.state_tree describes it; None in
      checkpoints that are older than these descriptions.
    load: Load of the machine so far; None if it was not recorded.
  """

  steps: int
  examples: int
  accounts: Mapping[str, float]
  rows: dict[str, list[dict[str, Any]]]
  tree: Any = None
  load: Mapping[str, float] | None = None

  def to_json(self) -> dict[str, Any]:
    """Return the facts in the order of the file."""
    return {
      'tree': self.tree,
      'steps': self.steps,
      'examples': self.examples,
      'accounts': self.accounts,
      'load': self.load,
      'rows': self.rows,
    }


def parse(facts: Mapping[str, Any]) -> Facts:
  """Return the facts of a checkpoint, as JSON has them.

  Raises:
    LookupError: a fact is missing.
  """
  return Facts(
    steps=facts['steps'],
    examples=facts['examples'],
    accounts=facts['accounts'],
    rows=facts['rows'],
    tree=facts.get('tree'),
    load=facts.get('load'),
  )


def reached(step: int) -> dict[str, Any]:
  """Return the facts in the file of a model that has reached its target."""
  return {'step': step}


def reached_step(facts: Mapping[str, Any]) -> Any:
  """Return the step in the file of a model that has reached its target.

  A stranger may have written the file: the result is of any type, and None
  without a step.
  """
  return facts.get('step')
