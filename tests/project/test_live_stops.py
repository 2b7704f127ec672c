"""The table of the benchmark of live stops, on made-up races."""

import math

from runner.protocol.records import advice
from scoring.load.trial import BEATEN, HOPELESS
from tests.benchmarks import live_stops
from tests.support import made_boards


def race(**states):
  """Return a race of two submissions; `b` misses its target."""
  suite = made_boards.rules('w')
  made = made_boards.results(
    suite, {('a', 'w', 0, 1): (20.0, 2), ('b', 'w', 0, 1): (math.inf, 6)}
  )
  second = made.trials[1]
  made.trials[1] = second._replace(**states)
  return made


def test_a_line_for_each_policy():
  whole = race()
  part = whole.trials[1].evals.first(4)
  found = {
    'none': whole,
    'exact': race(state=BEATEN, evals=part),
    'safe': race(state=HOPELESS, evals=part),
  }
  _, _, *lines = live_stops.table(found)
  assert lines == [
    '| `none` | 100% | 0 | 0 | 0 | 0.0000 |',
    '| `exact` | 70% | 1 | 0 | 0 | 0.0000 |',
    '| `safe` | 70% | 0 | 1 | 0 | 0.0000 |',
  ]


def test_a_stopped_trial_that_would_have_reached_its_target_is_counted():
  late = made_boards.results(
    made_boards.rules('w'), {('a', 'w', 0, 1): 20.0, ('b', 'w', 0, 1): 30.0}
  )
  [*_, line] = live_stops.table({'none': late, 'safe': race(state=HOPELESS)})
  *_, false, moved, _ = line.split('|')
  assert (int(false), float(moved) > 0) == (1, True)


def test_policies_are_those_of_the_command():
  assert set(live_stops.POLICIES) <= set(advice.POLICIES)
