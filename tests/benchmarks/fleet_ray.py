"""Run thirty trials on a real Ray cluster of three nodes, and kill one node.

The nodes are virtual: processes on this machine.

    .venv/bin/pip install 'ray>=2.50'
    .venv/bin/python -m tests.benchmarks.fleet_ray

The benchmark ends the cluster afterwards.
"""

import pathlib
import signal
import tempfile

import ray
from ray.cluster_utils import Cluster

from runner.machine import hardware
from runner.protocol import layout
from tests.benchmarks import fleet

NODES = 3


def main() -> None:
  """Run the race on Ray."""
  home = pathlib.Path(tempfile.mkdtemp(prefix='timetrial-ray-'))
  cores = hardware.describe().facts['cores']
  cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 0})
  nodes = [cluster.add_node(num_cpus=cores) for _ in range(NODES)]
  by_id = {node.node_id[:8]: node for node in nodes}

  def slot(start: dict) -> str:
    return start['job'].partition('@')[2]

  def lose(name: str) -> None:
    """Kill a node; its trial is stopped first, so it cannot react."""
    own = fleet.with_variable(layout.JOB, f'@{name}')
    fleet.kill(own, signal.SIGSTOP)
    cluster.remove_node(by_id[name], allow_graceful=False)
    fleet.kill(own)

  try:
    options = f'address={cluster.address}'
    fleet.race(home, 'ray', slot, lose, engine_options=options)
  finally:
    ray.shutdown()
    cluster.shutdown()


if __name__ == '__main__':
  main()
