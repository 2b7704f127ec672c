"""Processor limits and usage of a control group.

Containers and schedulers limit processes so. Both versions of Linux's control
groups are read; elsewhere there is no limit. The standard library only.
"""

import pathlib

ROOT = pathlib.Path('/sys/fs/cgroup')
OWN = pathlib.Path('/proc/self/cgroup')


def quota() -> float | None:
  """Processors that this process may use by the least limit; None: no limit."""
  limits = map(_limit, _groups('cpu'))
  return min((limit for limit in limits if limit is not None), default=None)


def used() -> float | None:
  """Processor seconds that all under the same limit have used so far.

  None where nothing is limited, or nobody counts.
  """
  if quota() is None:
    return None
  for folder in _groups('cpuacct'):
    for line in _text(folder / 'cpu.stat').splitlines():
      name, _, value = line.partition(' ')
      if name == 'usage_usec' and value.isdecimal():
        return int(value) / 1e6
    if (text := _text(folder / 'cpuacct.usage').strip()).isdecimal():
      return int(text) / 1e9
  return None


def _groups(controller: str) -> list[pathlib.Path]:
  """The group of this process under a controller, and those around it."""
  for line in _text(OWN).splitlines():
    _, names, path = line.split(':', 2)
    if names and controller not in names.split(','):
      continue
    base = ROOT / names if (ROOT / names).is_dir() else ROOT / controller
    inner = base / path.lstrip('/')
    if not inner.is_dir():  # In a container, it may be that outside of it.
      return [base]
    return [one for one in (inner, *inner.parents) if one.is_relative_to(base)]
  return []


def _limit(folder: pathlib.Path) -> float | None:
  words = _text(folder / 'cpu.max').split()  # Of version 2.
  if not words:
    names = ('cpu.cfs_quota_us', 'cpu.cfs_period_us')
    words = [_text(folder / name).strip() for name in names]
  if not all(map(str.isdecimal, words)):  # 'max', '-1' or nothing.
    return None
  allowed, period = map(int, words)
  return allowed / period if period else None


def _text(path: pathlib.Path) -> str:
  try:
    return path.read_text(encoding='utf-8')
  except OSError:
    return ''
