"""Runs every cheat beside honest entries, and prints what came of it.

    python -m tests.cheats [NAME ...]

Four honest entries race on the handwritten digits first. Each cheat is added
to a copy of their results, as an entry that anybody may add to a race. Exit
code 1: a cheat came to something else than tests/cheats/attacks.py says.
"""

import contextlib
import pathlib
import shutil
import sys
import tempfile
from typing import NamedTuple

from runner.protocol import layout, results_folder, storage
from runner.protocol.timing import accounts
from runner.tools import source_lint
from scoring import verify
from scoring.load import results
from tests.cheats import attacks
from tests.cheats.attacks import Attack
from tests.support import races

HONEST = ('honest', 'second', 'third', 'fourth')
STEPS = 400
BUSY = 'on an idle machine'  # In doubts that concern the machine alone.
# The race leaves compiling free, as mini does.
FREE = 'charged = ["trace", "data", "train", "view"]\nfree_compile = 120.0\n'
WARM = pathlib.Path('/tmp/timetrial-warm-start')


class Outcome(NamedTuple):
  """Results of a cheat, and of its race."""

  outcome: str
  reason: str
  charged: float  # Seconds without compilation.
  honest: float  # The same of the honest entry.
  spared: bool  # Whether the others' results are as they were.
  seen: int  # Findings of `check`.
  doubts: list[str]  # Of `verify`, on the cheat.


def base(home: pathlib.Path) -> None:
  """Race the honest entries."""
  suite = races.suite(home, target=0.0, seconds=600.0)
  suite.write_text(FREE + suite.read_text())
  for name in HONEST:
    races.share_compiled(name)
    (home / f'{name}.py').write_text(attacks.HONEST.source(STEPS))
  run(home, home / 'base', ','.join(str(home / f'{n}.py') for n in HONEST))


def run(home: pathlib.Path, out: pathlib.Path, names: str) -> str:
  """Add entries to a race; return what was printed."""
  done = races.run(
    home,
    'run',
    suite=home / 'tiny.toml',
    submissions=names,
    out=out,
    attempts=1,
  )
  return done.stdout + done.stderr


def attempt(home: pathlib.Path, name: str, attack: Attack) -> Outcome:
  """Add one cheat to a copy of the honest race."""
  out = home / name
  shutil.copytree(home / 'base', out, symlinks=True)
  path = home / f'{name}.py'
  races.share_compiled(name)
  path.write_text(attack.source(STEPS))
  before = {n: _files(out / n) for n in HONEST}
  plan = _rules(out)
  printed = run(home, out, str(path))
  place = races.folder(out, name)
  try:
    status = results_folder.status(place)
  except storage.RecordsError as error:
    status = layout.Status(outcome='damaged', reason=str(error))
  try:
    found = verify.verify(results.read(out))
    doubts = [
      f.text
      for f in found
      if f.doubt and f.path.startswith(name) and BUSY not in f.text
    ]
  except ValueError as error:
    doubts = [str(error)]
  spared = all(_files(out / n) == before[n] for n in HONEST)
  spared &= (out / layout.PLAN).exists() and _rules(out) == plan
  return Outcome(
    status.outcome or f'none: {printed[-200:]}',
    status.reason,
    charged(place),
    charged(races.folder(out, HONEST[0])) if spared else 0.0,
    spared,
    len(source_lint.look(path)),
    doubts,
  )


def charged(folder: pathlib.Path) -> float:
  """Return the charged seconds of a trial without compilation."""
  with contextlib.suppress(storage.RecordsError, OSError):
    spent = results_folder.status(folder).accounts
    return accounts.ALL.of(spent) - spent.get(accounts.COMPILE, 0.0)
  return 0.0


def judged(attack: Attack, found: Outcome) -> str:
  """Return '' where a cheat came to what it must, else what is wrong."""
  if not found.spared:
    return "others' results changed"
  if found.outcome not in layout.SCORED or found.outcome == 'diverged':
    return ''
  if found.doubts or attack.expected == attacks.KNOWN:
    return ''
  paid = found.charged - found.honest
  if attack.expected == attacks.CHARGED and (
    paid >= 0.8 * attack.works * attacks.SECONDS
  ):
    return ''
  if attack.expected == attacks.PREVENTED and found.charged > (
    0.5 * found.honest
  ):
    return ''
  return f'expected: {attack.expected}'


def _rules(out: pathlib.Path) -> object:
  with contextlib.suppress(ValueError, OSError, AttributeError):
    return storage.read_json(out / layout.PLAN).get('rules')
  return None


def _files(folder: pathlib.Path) -> dict[str, bytes]:
  return {
    path.relative_to(folder).as_posix(): path.read_bytes()
    for path in sorted(folder.rglob('*'))
    if path.is_file() and path.name != '.lock'
  }


def main(names: list[str]) -> int:
  """Run the cheats of these names, or all; return an exit code."""
  bad = 0
  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    home = pathlib.Path(folder)
    base(home)
    print('| cheat | charged, honest | outcome | check | verify | verdict |')
    print('|---|---|---|---|---|---|')
    for name in names or attacks.ATTACKS:
      attack = attacks.ATTACKS[name]
      found = attempt(home, name, attack)
      wrong = judged(attack, found)
      if attack.seen and not found.seen:
        wrong = f'{wrong} not seen by check'.strip()
      bad += bool(wrong)
      reason = found.reason.replace('|', ' ')[:60]
      print(
        f'| {name}: {attack.about} | {found.charged:.2f} s, '
        f'{found.honest:.2f} s | {found.outcome}: {reason} | {found.seen} | '
        f'{len(found.doubts)} | {wrong or "ok"} |',
        flush=True,
      )
      shutil.rmtree(home / name, ignore_errors=True)
      WARM.unlink(missing_ok=True)
  return 1 if bad else 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
