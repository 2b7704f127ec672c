"""Make up results folders like the runner's, in milliseconds.

`python tests/support/made_results.py FOLDER` writes a whole race: five
submissions, three workloads and three studies. Some trials miss, one diverges,
and one cell is open.
"""

import csv
import json
import math
import pathlib
import random
import sys
from typing import Any

from runner.protocol.timing import accounts
from runner.protocol.timing.accounts import Charges

RULES = {
  'version': '0.1',
  'seed': 20261123,
  'cutoff': 4.0,
  'reference': 'nadamw',
  'rulesets': {
    'self': {'studies': 3, 'trials': 1, 'budget_factor': 1.5},
    'external': {'studies': 3, 'trials': 5, 'budget_factor': 1.0},
  },
  'workloads': {
    'digits': {
      'metric': 'error_rate',
      'better': 'lower',
      'target': 0.031,
      'steps': 1200,
      'batch_size': 64,
      'eval_batch_size': 300,
      'evaluations': 25,
      'train_examples': 300,
    },
    'criteo1tb/mini': {
      'metric': 'loss',
      'better': 'lower',
      'target': 0.4552,
      'steps': 600,
      'batch_size': 512,
      'eval_batch_size': 2048,
      'evaluations': 25,
      'train_examples': 16384,
    },
    'finewebedu_lm/mini': {
      'metric': 'ppl',
      'better': 'lower',
      'target': 21.5,
      'steps': 400,
      'batch_size': 32,
      'eval_batch_size': 64,
      'evaluations': 25,
      'train_examples': 256,
    },
  },
}
BUDGETS = {'digits': 17.4, 'criteo1tb/mini': 44.9, 'finewebedu_lm/mini': 121.6}
HARDWARE = {
  'name': 'cpu-2-5f8a5c', 'cpu': 'AMD EPYC', 'cores': 2, 'accelerators': [],
}  # fmt: skip
META = {
  'hardware': HARDWARE,
  'devices': ['cpu'],
  'platform': 'Linux-6.18.44-x86_64-with-glibc2.36',
  'python_version': '3.11.7',
  'packages': {'jax': '0.10.2', 'flax': '0.12.8', 'optax': '0.2.8'},
  'git_commit_hash': '545ef56c0ffee',
  'git_changes': False,
}
# First and last value of each metric.
RANGES = {
  'digits': (0.9, 0.021),
  'criteo1tb/mini': (0.71, 0.4519),
  'finewebedu_lm/mini': (9800.0, 19.6),
}
SPEEDS = {  # Relative speed of each submission on the three workloads.
  'nadamw': (1.0, 1.0, 1.0),
  'lion': (1.25, 0.8, 0.62),
  'schedule_free_adamw': (1.42, 1.21, 1.06),
  'muon': (1.8, 0.93, 1.48),
  'sgd_momentum': (0.72, 0.5, 0.35),
}
POINTS = {
  'nadamw': {'learning_rate': 0.00175, 'beta2': 0.9955, 'warmup': 0.02},
  'lion': {'learning_rate': 0.0005, 'beta1': 0.9, 'weight_decay': 0.3},
  'schedule_free_adamw': {'learning_rate': 0.0025, 'warmup': 0.05},
  'muon': {'learning_rate': 0.02, 'momentum': 0.95, 'adamw_rate': 0.003},
  'sgd_momentum': {'learning_rate': 0.1, 'momentum': 0.9, 'nesterov': True},
}


def write_plan(
  out: pathlib.Path,
  keys: list[tuple],
  rules: dict[str, Any] = RULES,
  seconds: dict[str, float] = BUDGETS,
  points: dict[str, dict] = POINTS,
) -> list[dict[str, Any]]:
  """Write plan.json and return its trials.

  Args:
    out: The results folder.
    keys: (submission, workload, study, trial) of each trial.
    rules: The suite as a table.
    seconds: Budgets in charged seconds by workload.
    points: Hyperparameters by submission.
  """
  trials = [
    {
      'submission': submission,
      'workload': workload,
      'study': study,
      'trial': trial,
      'seed': 1000 * study + trial,
      'hyperparameters': points.get(submission, {}),
      'id': f'{hash_text((submission, workload, study, trial)):012x}',
    }
    for submission, workload, study, trial in keys
  ]
  plan = {
    'suite': 'mini',
    'ruleset': 'self',
    'rules': rules,
    'hardware': HARDWARE,
    'seconds': seconds,
    'sources': {},
    'hash': 'ab12cd34ef56' * 4,
    'trials': trials,
  }
  out.mkdir(parents=True, exist_ok=True)
  (out / 'plan.json').write_text(json.dumps(plan, indent=2))
  return trials


def write_trial(
  out: pathlib.Path,
  trial: dict[str, Any],
  values: list[tuple[float, float]],
  outcome: str | None = 'budget',
  reason: str = '',
  metric: str = 'loss',
  budget: float | None = None,
) -> pathlib.Path:
  """Write the folder of a trial and return its path.

  Args:
    out: The results folder.
    trial: The trial as in plan.json.
    values: (charged seconds, metric) of each evaluation.
    outcome: The outcome; None: the trial has not ended.
    reason: The reason of the outcome.
    metric: The target metric's name.
    budget: Budget in charged seconds; None: the workload's entry in BUDGETS.
  """
  folder = (
    out
    / trial['submission']
    / f'study_{trial["study"]}'
    / (trial['workload'].replace('/', '_') + '_jax')
    / f'trial_{trial["trial"]}'
  )
  folder.mkdir(parents=True)
  seconds = BUDGETS.get(trial['workload'], 100.0) if budget is None else budget
  facts = trial | {'budget_seconds': seconds}
  (folder / 'trial.json').write_text(json.dumps(facts, indent=2))
  (folder / 'hparams.json').write_text(json.dumps(trial['hyperparameters']))
  (folder / 'meta_data_0.json').write_text(json.dumps(META, indent=2))
  if values:
    _write_evals(folder / 'eval_measurements.csv', values, metric)
  last = values[-1][0] if values else 1.5
  _write_attempts(folder / 'attempts.jsonl', last, outcome, reason)
  return folder


def race(out: pathlib.Path, seed: int = 0) -> pathlib.Path:
  """Write a whole race; equal seeds give equal outcomes."""
  rng = random.Random(seed)
  keys = [
    (submission, workload, study, 1)
    for submission in SPEEDS
    for study in range(3)
    for workload in RULES['workloads']
  ]
  for trial in write_plan(out, keys):
    key = (trial['submission'], trial['workload'], trial['study'])
    if key == ('muon', 'finewebedu_lm/mini', 2):
      continue  # Planned, but not run.
    values = _curve(rng, *key[:2])
    row = RULES['workloads'][key[1]]
    outcome, reason = 'budget', f'The budget of {BUDGETS[key[1]]} s is spent.'
    if values[-1][1] <= row['target']:
      outcome, reason = 'reached', f'{row["metric"]} reached {row["target"]}.'
    if key == ('sgd_momentum', 'finewebedu_lm/mini', 1):
      values = [(s, v * 1.4**n) for n, (s, v) in enumerate(values[:6])]
      outcome, reason = 'diverged', 'validation/ppl is nan at step 96.'
    if key == ('muon', 'finewebedu_lm/mini', 1):
      values, outcome = values[:3], 'oom'
      reason = 'XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory.'
    write_trial(out, trial, values, outcome, reason, row['metric'])
  return out


def hash_text(value: Any) -> int:
  """Return a 48-bit number that is the same in every process."""
  return random.Random(repr(value)).getrandbits(48)


def _curve(rng, submission: str, workload: str) -> list[tuple[float, float]]:
  """Return a falling noisy curve that ends at the target or the budget."""
  first, last = RANGES[workload]
  speed = SPEEDS[submission][list(RULES['workloads']).index(workload)]
  speed *= math.exp(rng.gauss(0, 0.07))
  budget = BUDGETS[workload]
  target = RULES['workloads'][workload]['target']
  found = []
  for n in range(25):
    seconds = 1.9 + (budget - 2.2) * n / 25 + rng.random() * 0.02
    progress = 0.02 + 1.75 * speed * n / 25
    share = math.exp(-3.4 * progress) / (1 + 1.8 * progress)
    if workload == 'finewebedu_lm/mini':
      value = last * (first / last) ** (share**0.8)
    else:
      value = last + (first - last) * share
    value *= 1 + rng.gauss(0, 0.004)
    found.append((seconds, value))
    if value <= target:
      break
  return found


def _write_evals(path: pathlib.Path, values, metric: str) -> None:
  columns = [
    'accumulated_compile_time', 'accumulated_data_time',
    'accumulated_eval_time', 'accumulated_logging_time',
    'accumulated_submission_time', 'accumulated_view_time', 'global_step',
    'preemption_count', 'score', f'test/{metric}', 'total_duration',
    f'train/{metric}', f'validation/{metric}', 'validation/num_examples',
  ]  # fmt: skip
  with path.open('w', newline='') as file:
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    for n, (seconds, value) in enumerate(values):
      row = {
        'accumulated_compile_time': 1.39,
        'accumulated_data_time': 0.01 * n,
        'accumulated_eval_time': 0.2 * (n + 1),
        'accumulated_logging_time': 0.01 * n,
        'accumulated_submission_time': seconds,
        'accumulated_view_time': 0.001 * n,
        'global_step': 16 * (n + 1),
        'preemption_count': 0,
        'score': seconds,
        'total_duration': seconds + 4 + 0.21 * n,
        f'validation/{metric}': value,
        'validation/num_examples': 300,
      }
      if n == len(values) - 1:
        row |= {f'test/{metric}': value * 1.01, f'train/{metric}': value * 0.97}
      writer.writerow(row)


def moved(folder: pathlib.Path, hardware: str) -> None:
  """Record in a trial that it ran on this kind of hardware."""
  path = folder / 'attempts.jsonl'
  start = '{"event": "start", '
  path.write_text(
    path.read_text().replace(start, f'{start}"hardware": "{hardware}", ')
  )


def _charges(path: pathlib.Path) -> Charges:
  """Return what the plan of a trial's file charges."""
  plan = path.parents[4] / 'plan.json'
  return accounts.from_json(
    json.loads(plan.read_text())['rules'] if plan.exists() else {}
  )


def _write_attempts(path, seconds: float, outcome: str | None, reason: str):
  time = '2026-11-23T19:34:48Z'
  events: list[dict[str, Any]] = [
    {'event': 'start', 'attempt': 0, 'pid': 7, 'time': time}
  ]
  if outcome is not None:
    compiling = 1.39 if _charges(path).compiling else 0.0
    charged = {'compile': compiling, 'data': 0.021 * seconds, 'view': 0.004}
    charged['train'] = max(0.0, seconds - _charges(path).of(charged))
    events += [
      {
        'event': 'end',
        'attempt': 0,
        'outcome': outcome,
        'reason': reason,
        'step': 400,
        'seconds': seconds,
        'accounts': charged
        | {'evaluate': 0.1 * seconds, 'checkpoint': 0.02 * seconds}
        | {'record': 0.03, 'restore': 0.0003, 'setup': 3.7},
      },
      {'event': 'exit', 'attempt': 0, 'code': 0}
      | {'wall_seconds': 1.15 * seconds + 4, 'residual_seconds': 0.05},
    ]
  path.write_text(''.join(json.dumps(event) + '\n' for event in events))


if __name__ == '__main__':
  race(pathlib.Path(sys.argv[1]))
