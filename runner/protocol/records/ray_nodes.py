"""Nodes of a Ray cluster, as `ray.nodes()` tells them."""

from collections.abc import Iterable, Mapping
from typing import Any


def resources(nodes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, float]]:
  """Return the resources of every node that runs: 'CPU', 'GPU' and others."""
  return [node['Resources'] for node in nodes if node['Alive']]
