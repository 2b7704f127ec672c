"""Hours that stops have saved in a race, from `timetrial replay --json`."""

import json
from collections.abc import Callable, Mapping
from typing import Any


def hours(text: str, policy: str) -> float:
  """Return the charged hours of a race under a policy.

  Args:
    text: What `timetrial replay --json` prints.
    policy: One of advice.POLICIES.

  Raises:
    LookupError, TypeError, ValueError: the text is no replay.
  """
  table = json.loads(text)
  races = {one['what']: float(one['hours']) for one in table['cheaper']}
  return _OF[policy](races, table['pruned'])


_Of = Callable[[Mapping[str, float], Mapping[str, Any]], float]
_OF: Mapping[str, _Of] = {
  'none': lambda races, pruned: races['stop at the target'],
  'beaten': lambda races, pruned: (
    races['stop at the target'] - pruned['beaten']
  ),
  'exact': lambda races, pruned: races['exact pruning'],
  'safe': lambda races, pruned: races['safe stopping'],
}
