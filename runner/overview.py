"""Plans and results folders as text."""

import pathlib
from typing import Any

from runner import plan as plans, progress, records, results


def of_plan(plan: plans.Plan) -> str:
  """What would run, a line for each submission and workload."""
  lines = [
    f'Suite {plan.suite.name} {plan.suite.version}, ruleset {plan.ruleset}, '
    f'on {plan.machine["name"]}, plan {plan.hash[:12]}:'
  ]
  widest = max(map(len, plan.suite.workloads), default=0)
  for name in plan.entries:
    for workload in plan.suite.workloads:
      some = [
        t for t in plan.trials if (t.submission, t.workload) == (name, workload)
      ]
      budget = plan.budgets.get(workload)
      time = 'not calibrated' if budget is None else f'{budget:.1f} s each'
      lines.append(
        f'  {name:<20} {workload:<{widest}} {len(some):>3} trials, {time}'
      )
  hours = plan.predicted_seconds / 3600
  known = set(plan.budgets) == set(plan.suite.workloads)
  lines.append(
    f'{len(plan.trials)} trials, at most {hours:.2f} h of training.'
    if known
    else f'{len(plan.trials)} trials; `python -m runner calibrate` tells hours.'
  )
  return '\n'.join(lines)


def trials(out: pathlib.Path, table: dict[str, Any]) -> list[dict[str, Any]]:
  """Where every planned trial stands."""
  rows = []
  running = results.in_use(out)
  for trial in table['trials']:
    folder = results.place(out, trial)
    status = records.status(folder)
    begun = 'running' if running else 'interrupted'
    state = status.outcome or (begun if status.attempts else 'missing')
    rows.append(
      {
        'submission': trial['submission'],
        'workload': trial['workload'],
        'study': trial['study'],
        'trial': trial['trial'],
        'state': state,
        'reason': status.reason,
        'seconds': status.seconds,
        'attempts': status.attempts,
        'folder': str(folder),
      }
    )
  return rows


def of_trials(rows: list[dict[str, Any]]) -> str:
  """Counts of every state, and a line for each trial that is not done."""
  counts: dict[str, int] = {}
  for row in rows:
    counts[row['state']] = counts.get(row['state'], 0) + 1
  lines = [', '.join(f'{n} {state}' for state, n in sorted(counts.items()))]
  for row in rows:
    if row['state'] not in (*records.SCORED, 'missing', 'running'):
      lines.append(f'{progress.title(row)}: {row["state"]}. {row["reason"]}')
      lines.append(f'  {row["folder"]}')
  return '\n'.join(lines)
