"""Kill -9 at any instant: the same trial in the end, to the bit.

A small version of tests/benchmarks/faults.py, which does it hundreds of times.
"""

import random
import time

from runner import planning
from runner.machine import hardware
from runner.protocol.suites import suite as rules
from runner.protocol.trial_file import StepLimits
from tests.support import faults, races

LIMITS = StepLimits(steps=120, eval_steps=10)
KINDS = ('training', 'writing', 'training')


def test_killed_again_and_again_it_ends_as_it_would_have(tmp_path):
  path = races.mine(tmp_path, 'mine', steps=1000, step='time.sleep(0.02)')
  suite = rules.load(str(races.suite(tmp_path)))
  made = planning.make_endless(suite, 'self', [str(path)], hardware.describe())
  began = time.monotonic()
  left = faults.alone(tmp_path / 'alone', made, LIMITS)
  longest = time.monotonic() - began
  out, luck = tmp_path / 'killed', random.Random(7)
  found, times, _ = faults.killed(
    out, made, LIMITS, iter(KINDS), left, longest, luck
  )
  assert left.outcome == 'ended' and len(left.rows) == 13
  assert times >= 1  # On a fast disk there may be nothing to catch.
  assert faults.difference(left, found) == ''
