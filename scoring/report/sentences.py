"""Describe the result in plain sentences."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from runner.protocol.suites.suite import Suite
from runner.protocol.timing.accounts import Charges
from scoring.load.details import Details
from scoring.load.results import Results
from scoring.rank import bands, bootstrap
from scoring.rank.board import Board, Cell, Standing
from scoring.rank.bootstrap import Spread
from scoring.report import formats

DRAWN = {
  'studies': 'studies',
  'workloads': 'workloads',
  'both': 'studies and workloads',
}
# Characters that control a terminal, change the direction of the text after
# them, end a line invisibly, or are not characters at all.
UNSEEN = re.compile(
  '[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200b-\\u200f\\u2028-\\u202e'
  '\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\ud800-\\udfff]'
)
NAMED = 5  # So many names are in a list, or fewer and the number of others.
RULESETS = {'self': 'self-tuning ruleset', 'external': 'external ruleset'}


def clean(value: str, instead: str = '\ufffd') -> str:
  """Return foreign text with `instead` for every unprintable character."""
  return UNSEEN.sub(instead, value)


def title(results: Results) -> str:
  """Return name and version of the suite."""
  return f'{results.rules.name} {results.rules.version}'


def page_title(results: Results, details: Iterable[Details]) -> str:
  """Return suite, ruleset, machine and date, for the title of the page."""
  found = [title(results)]
  if results.ruleset:
    found.append(RULESETS.get(results.ruleset, results.ruleset))
  if results.effort == 'steps':
    found.append('by steps')
  elif 'name' in results.machine:
    found.append(str(results.machine['name']))
  found += _dates(details)
  return ', '.join(found)


def facts(results: Results, details: Iterable[Details] = ()) -> list[str]:
  """Return short facts: what was raced, on which machine, and when.

  Compilation and dates need `details` of the trials.
  """
  rules, machine = results.rules, results.machine
  entered = len({trial.key.submission for trial in results.trials})
  held_out = len(rules.workloads) - len(rules.scored)
  found = [
    f'{_count(entered, "submission")}, '
    f'{_count(len(rules.scored), "workload")}, '
    + (f'{_count(held_out, "held-out variant")}, ' if held_out else '')
    + f'{_count(len(results.trials), "trial")}'
  ]
  found.append(f'score: {meaning(rules)}')
  if results.relaxed:
    found.append(f'targets relaxed by {formats.share(results.relaxed)}')
  if results.ruleset:
    found.insert(0, RULESETS.get(results.ruleset, results.ruleset))
  if 'name' in machine:
    found.append(_machine(machine))
  found.append(_effort(results))
  details = list(details)
  found_compiled = sum(known.found for known in details)
  if found_compiled and rules.charges.compiling:
    programs = sum(known.programs for known in details)
    found.append(
      f'{found_compiled} of {programs} programs came from the compilation '
      'cache and are charged as if compiled anew'
    )
  return found + _dates(details)


def _dates(details: Iterable[Details]) -> list[str]:
  """Return the days of the race: [], or one text."""
  dates = sorted(known.started[:10] for known in details if known.started)
  if not dates:
    return []
  first, last = dates[0], dates[-1]
  return [first if first == last else f'{first} to {last}']


def _effort(results: Results) -> str:
  """Return what times are, and what is charged."""
  if results.effort == 'steps':
    return 'by steps'
  found = policy(results.rules.charges)
  if count := results.projection.projected:
    return f'{found}; {_count(count, "trial")} with projected seconds'
  return found


def policy(charges: Charges) -> str:
  """Return in a few words whether compiling is charged."""
  if charges.compiling:
    return 'compiling is charged'
  free = formats.seconds(charges.free_compile)
  return f'compiling is not charged, up to {free} a trial'


def meaning(rules: Suite) -> str:
  """Return what the score is the mean of, as far as targets go."""
  easier = rules.ladder[1:]
  if not easier:
    return 'one target per workload'
  ends = f'{100 * easier[-1]:.4g} %'
  if len(easier) > 1:
    ends = f'{100 * easier[0]:.4g} to {ends}'
  return (
    f'mean over {len(rules.ladder)} targets: the exact one, and {ends} of the '
    'way back to where training began'
  )


def _machine(facts: Mapping[str, Any]) -> str:
  what = facts.get('accelerators') or facts.get('cpu', '')
  what = what if isinstance(what, list) else [what]
  cores = _count(facts.get('cores', '?'), 'core')
  return f'{facts["name"]}: {", ".join(map(str, what))}, {cores}'


def summary(board: Board, spread: Spread | None) -> str:
  """Return the result and its confidence in a few sentences."""
  found = [headline(board, spread), uncertainty(board, spread)]
  return ' '.join(filter(None, found))


def headline(board: Board, spread: Spread | None) -> str:
  """Return who leads, and who is not ranked."""
  found = [_leaders(board, spread), _open_cells(board)]
  return ' '.join(filter(None, found))


def _leaders(board: Board, spread: Spread | None) -> str:
  """Return who leads, and no more than the draws allow; '' without ranks."""
  ranked = [s for s in board.standings if s.rank]
  if not ranked:
    return ''
  if not any(s.rungs for s in ranked):
    return 'No ranked submission reached a target.'
  best = f'score of {ranked[0].score:.3f}, {_reached(ranked[0], board)}'
  winners = [s.submission for s in ranked if s.rank == 1]
  if spread is None:
    verb = 'has' if len(winners) == 1 else 'have'
    return f'{join(winners)} {verb} the highest {best}.'
  band = bands.bands(board, spread)[ranked[0].submission]
  if band.last == 1:
    return f'{winners[0]} leads with a {best}.'
  together = [s.submission for s in ranked[: band.last]]
  return (
    f'{join(_few(together))} lead: ranks 1 to {band.last} cannot be told '
    f'apart. The highest {best}, is that of {join(winners)}.'
  )


def _open_cells(board: Board) -> str:
  """Return who is not ranked because of open cells; '' if nobody is."""
  unranked = [s for s in board.standings if s.open_cells]
  if not unranked:
    return ''
  cells = sum(s.open_cells for s in unranked)
  ranked = any(s.rank for s in board.standings)
  return (
    f'{_count(cells, "cell")} {"is" if cells == 1 else "are"} open for '
    f'{join([s.submission for s in unranked])}, so '
    f'{"it is" if len(unranked) == 1 else "they are"} not ranked'
    + ("; closing a cell may lower others' scores." if ranked else '.')
  )


def uncertainty(board: Board, spread: Spread | None) -> str:
  """Return which submissions cannot be told apart, and why."""
  if sum(s.rank is not None for s in board.standings) < 2:
    return ''
  if spread is None:
    return (
      'Every cell has only one study, so the noise between runs is unknown and '
      'no difference is certain.'
    )
  together = bands.groups(board, spread)
  drawn = f'{spread.draws} draws of {DRAWN[spread.unit]}'
  if together:
    known = bands.bands(board, spread)
    found = f'These cannot be told apart in {drawn}: ' + '; '.join(
      f'ranks {_ranks(group, known)} ({join(_few(group))})'
      for group in together
    )
    found += '.'
  else:
    found = (
      'All neighbours in the ranking keep their order in at least '
      f'{bootstrap.SURE:.0%} of {drawn}.'
    )
  return f'{found}{_single(board, spread)}'


def _ranks(group: list[str], known: dict[str, bands.Band]) -> bands.Band:
  """Return the ranks of a group of `bands.groups`."""
  return bands.Band(known[group[-1]].first, known[group[0]].last)


def _few(names: list[str]) -> list[str]:
  """Return names; of more than NAMED the first ones and a number."""
  if len(names) <= NAMED:
    return names
  return [*names[: NAMED - 1], f'{len(names) - NAMED + 1} others']


def _single(board: Board, spread: Spread) -> str:
  """Return how many cells have a noise that no draw of studies shows, or ''."""
  single = int((board.times.counted.sum(axis=-1) == 1).sum())
  if spread.unit == 'workloads' or not single:
    return ''
  one = single == 1
  return (
    f' {_count(single, "cell")} {"has" if one else "have"} one study, and '
    f'{"its" if one else "their"} noise is not in the draws.'
  )


def cell(found: Cell) -> str:
  """Return a cell's time, or the result of its best trial if it has no time."""
  if found.state == 'reached':
    lost = f'; no credit: {found.lost}' if found.lost else ''
    also = f' ({by})' if (by := projected(found)) else ''
    return formats.effort(found.seconds, found.effort) + also + lost
  hits = f' {found.hits} of {len(found.studies)} studies reached the target'
  also = f'; {easier}' if (easier := rungs(found)) else ''
  return f'{found.state}{_got(found)}{";" + hits if found.hits else ""}{also}'


def projected(found: Cell) -> str:
  """Return how many of a cell's trials have projected seconds; '' if none."""
  if not found.projected:
    return ''
  ran = sum(bool(trial.evals) for trial in found.trials)
  few = '' if found.projected == ran else f'{found.projected} of {ran} '
  return f'{few}projected'


def rungs(found: Cell) -> str:
  """Return how near a cell without the exact target is, on a ladder; or ''."""
  if found.state != 'missed' or len(found.times) == 1:
    return ''
  credit = '' if math.isnan(found.credit) else f', credit {found.credit:.3f}'
  return f'{found.rungs} of {len(found.times)} targets reached{credit}'


def targets(standing: Standing, board: Board) -> str:
  """Return how many targets were reached, over workloads and rungs."""
  count = len(board.rules.scored) * len(board.rules.ladder)
  return f'{standing.rungs} / {count}'


def _got(found: Cell) -> str:
  """Return outcome, best value, and time of a cell's best trial."""
  if not math.isfinite(found.best):
    return f' ({found.outcome})' if found.outcome else ''
  short = ''
  if math.isfinite(found.margin) and found.margin > 0:
    short = f', {formats.share(found.margin)} short'
  best = formats.metric(found.best, found.target)
  used = formats.effort(found.used, found.effort)
  return f' ({found.outcome}), best {best}{short} in {used}'


def target(board: Board, workload: str) -> str:
  """Return the target in words, for example 'loss ≤ 0.1237'."""
  row = board.rules.workloads[workload]
  sign = '≤' if row.better == 'lower' else '≥'
  # Ten digits hide the rounding errors of relaxed targets.
  value = '?' if row.target is None else f'{row.target:.10g}'
  world = f', world {row.world}' if row.world else ''
  return f'{row.metric} {sign} {value}{world}'


def _count(number: int | str, noun: str) -> str:
  return f'{number} {noun}' + ('' if number == 1 else 's')


def join(names: list[str]) -> str:
  """Return names as a list in a sentence."""
  if len(names) < 2:
    return ''.join(names)
  return f'{", ".join(names[:-1])} and {names[-1]}'


def _reached(standing: Standing, board: Board) -> str:
  count = len(board.rules.scored)
  what = 'target' if len(board.rules.ladder) == 1 else 'exact target'
  return f'reaching {standing.reached} of {_count(count, what)}'
