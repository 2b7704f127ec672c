"""Check that the clock of one trial agrees with all else that was measured."""

import math
from collections.abc import Iterator
from typing import Any

from runner.protocol import columns, layout
from runner.protocol.quantities import apart, plain
from runner.protocol.timing import accounts
from runner.protocol.timing.accounts import Charges

CLOSE = 1e-6  # Relative tolerance for sums of seconds in another order.
# Largest difference of charged seconds counted in two ways, as a share and in
# seconds.
MOVED, MOVED_SECONDS = 0.01, 0.1
SLOWED = (  # NVIDIA's names for slowdowns by heat or missing power.
  'hw_slowdown',
  'sw_thermal_slowdown',
  'hw_thermal_slowdown',
  'hw_power_brake_slowdown',
)


def doubts(
  events: list[dict[str, Any]],
  rows: list[dict[str, str]],
  charges: Charges,
  timed: bool = True,
) -> Iterator[str]:
  """Yield what speaks against the seconds of a trial.

  Args:
    events: Events of its attempts.
    rows: Its evaluations.
    charges: What its suite charges.
    timed: Whether its seconds count.
  """
  yield from _attempts(events, rows, charges)
  yield from _moved(events)
  if timed:
    yield from _slowed(events)
    yield from _held_up(events)


def _attempts(
  events: list[dict[str, Any]], rows: list[dict[str, str]], charges: Charges
) -> Iterator[str]:
  """Check that the accounts of the clock add up."""
  ends = [event for event in events if event['event'] == 'end']
  exits = [event for event in events if event['event'] == 'exit']
  measured = {event['attempt'] for event in exits}
  for end in ends:
    number = end['attempt']
    if end['outcome'] in layout.SCORED and number not in measured:
      yield (
        f'Attempt {number} recorded its own outcome, but the runner had gone '
        'and did not measure its seconds from outside.'
      )
    if spent := end['accounts']:
      charged = charges.of(spent)
      if not math.isclose(charged, end['seconds'], rel_tol=CLOSE):
        said, summed = apart(end['seconds'], charged)
        yield (
          f'Attempt {number} charged {said} s, but its charged accounts sum to '
          f'{summed} s.'
        )
    if end.get('profiled_steps'):
      yield (
        f'{end["profiled_steps"]} steps of attempt {number} were profiled, '
        'which slows them down.'
      )
  for left in exits:
    off = left.get('residual_seconds')
    if off is not None and layout.off_account(off, left['wall_seconds']):
      lost = plain(abs(off), 3)
      yield (
        f'Clock mismatch: {lost} s of attempt {left["attempt"]} are on no '
        'account of the trial.'
      )
  if rows and ends and ends[-1]['accounts']:
    last, over = float(rows[-1][columns.SECONDS]), ends[-1]['seconds']
    if last > over * (1 + CLOSE):
      at, end = apart(last, over)
      yield f'The trial has an evaluation at {at} s, but ended at {end} s.'


def _moved(events: list[dict[str, Any]]) -> Iterator[str]:
  """Check that seconds of work are those in which the load was measured.

  Both are counted apart. Only a trial of a single attempt has all of both.
  """
  ends = [event for event in events if event['event'] == 'end']
  if len(ends) != 1 or sum(event['event'] == 'start' for event in events) != 1:
    return
  spent, seen = ends[0]['accounts'], ends[0].get('load', {})
  if 'charged_seconds' not in seen or not spent:
    return
  # These are charged without having passed in this process.
  spared = ends[0].get('compiled', {}).get('spared_seconds', 0.0)
  spared += spent.get(accounts.OVERRUN, 0.0)
  charged = accounts.ALL.of(spent) - spared
  measured = seen['charged_seconds']
  if abs(charged - measured) > max(MOVED * measured, MOVED_SECONDS):
    yield (
      f'{plain(charged, 3)} s on accounts of work passed in the process, but '
      f'its load was measured for {plain(measured, 3)} s.'
    )


def _held_up(events: list[dict[str, Any]]) -> Iterator[str]:
  """Check that other processes did not take the trial's processor time.

  The last `end` event covers the whole trial.
  """
  told = [event['load'] for event in events if 'load' in event]
  share = layout.held_up(told[-1]) if told else 0.0
  if share > layout.HELD_UP:
    yield (
      f'Other processes took {share:.0%} of the processor time that the trial '
      f'needed. Without them, the trial would take about {1 - share:.0%} of '
      'its seconds. Run the trial again on an idle machine.'
    )


def _slowed(events: list[dict[str, Any]]) -> Iterator[str]:
  """Check that GPUs did not slow down for heat or power."""
  for event in events:
    cards = event.get('cards', {})
    found = [
      f'{name} in {count} of {cards["looks"]} samples'
      for name, count in cards.get('reasons', {}).items()
      if name in SLOWED
    ]
    if found:
      yield (
        f'GPUs slowed down in attempt {event["attempt"]}, for heat or power: '
        f'{", ".join(found)}.'
      )
