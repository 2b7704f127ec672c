"""Summarize machines, package versions and commits of the trials."""

import collections
from typing import Any


def versions(trials: list[dict[str, Any]]) -> list[tuple[str, list]]:
  """Count the versions of each part over all trials.

  Args:
    trials: The recorded facts of each trial.

  Returns:
    [(part, [(version, number of trials), ...]), ...].
  """
  counts: dict[str, collections.Counter] = {}
  for noted in trials:
    for name, value in _flat(noted).items():
      counts.setdefault(name, collections.Counter())[value] += 1
  return [(name, found.most_common()) for name, found in counts.items()]


def _flat(facts: dict[str, Any]) -> dict[str, str]:
  wanted = {
    'python_version': 'Python',
    'platform': 'Platform',
    'devices': 'Devices',
    'git_commit_hash': 'Commit',
  }
  found = {
    label: ', '.join(map(str, value)) if isinstance(value, list) else str(value)
    for name, label in wanted.items()
    if (value := facts.get(name)) not in (None, [], '')
  }
  if facts.get('git_changes') and 'Commit' in found:
    found['Commit'] += ' with uncommitted changes'
  packages = facts.get('packages')
  return found | {
    str(name): str(version)
    for name, version in (
      packages.items() if isinstance(packages, dict) else ()
    )
  }
