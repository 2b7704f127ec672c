"""Processor limits and usage of a control group.

Containers and schedulers limit processes by control groups. This module reads
versions 1 and 2 of Linux's control groups; other systems have no limit. It
imports only the standard library.
"""

import pathlib

ROOT = pathlib.Path('/sys/fs/cgroup')
OWN = pathlib.Path('/proc/self/cgroup')


def quota() -> float | None:
  """Return the smallest limit of processors, such as 1.5; None: no limit."""
  limits = map(_limit, _groups('cpu'))
  return min((limit for limit in limits if limit is not None), default=None)


def used() -> float | None:
  """Return the processor seconds that the control group has used so far.

  None means that there is no limit, or that the system does not count.
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
  """Return the folders of this process's group and of all its parents."""
  for line in _text(OWN).splitlines():
    _, names, path = line.split(':', 2)
    if names and controller not in names.split(','):
      continue
    base = ROOT / names if (ROOT / names).is_dir() else ROOT / controller
    inner = base / path.lstrip('/')
    if not inner.is_dir():  # A container may see the path of its host.
      return [base]
    return [one for one in (inner, *inner.parents) if one.is_relative_to(base)]
  return []


def _limit(folder: pathlib.Path) -> float | None:
  words = _text(folder / 'cpu.max').split()  # File of version 2.
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
