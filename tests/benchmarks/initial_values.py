"""Check initial values of the models that are too large for the tests.

python -m tests.benchmarks.initial_values

Fails if a model differs from AlgoPerf's recorded values. About ten minutes.
"""

from tests.workloads.test_published_sizes import (
  QUICK,
  RECORDED,
  check_initial_values,
)

if __name__ == '__main__':
  for name in RECORDED:
    if name not in QUICK:
      check_initial_values(name)
      print(f'{name}: as published', flush=True)
