"""Initial values of the models that are too large for the tests.

python -m tests.benchmarks.initial_values

About ten minutes; says where one differs from AlgoPerf's record.
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
