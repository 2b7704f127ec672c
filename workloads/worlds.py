"""Worlds: other problems of the same kind, for workloads with generated data.

A world is a whole number. World 0 is the problem of every published board.
Another world has another hidden truth (rules, languages, figures, bodies) and
other examples. Sizes and shapes are the same. This module imports only the
standard library.
"""

import re

# Mini versions are the workloads whose data are generated.
_MINI = re.compile(r'[/_]mini(_.+)?$')


def exist(name: str) -> bool:
  """Test whether a workload, by TimeTrial's or AlgoPerf's name, has worlds."""
  return bool(_MINI.search(name))


def check(name: str, world: int) -> None:
  """Raise ValueError if a workload does not have this world.

  Args:
    name: Name of the workload.
    world: Number of the world; all workloads have world 0.
  """
  if world and not exist(name):
    raise ValueError(
      f'world = {world}: {name} has no worlds, because its data are not '
      'generated. Leave out the world, or use workloads with generated data, '
      'such as ogbg/mini.'
    )
