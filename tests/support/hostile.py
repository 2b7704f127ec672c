"""Make a race whose names and texts try to inject HTML, code or formulas."""

import json

from tests.support import made_results

HURT = 'window.hurt=1'
TEXT = (
  f'</script><script>{HURT}</script>"><img src=x onerror={HURT}>\'<b>bold</b>'
  f'<svg onload={HURT}>&lt;i&gt;|`x`|\u202eback\x00\x1b[31m\x07\x9b\u2028'
  f'\n# head\n| a | b |\n[x](javascript:{HURT}) **strong** ~~gone~~'
)
LONG = TEXT + 'x' * 5000
# Names are also folders, so they are short and without a slash.
NAMES = (
  f'<img src=x onerror={HURT}>',
  f'javascript:{HURT}',
  '=cmd|calc!A0',
  '-1|`x`',
  '+x',
  '@sum(1)\u202eback',
  '# a\n| b\x07|\\',
  f'"><script>{HURT}<' + 'x' * 200,
)
WORKLOADS = (
  f'"><img src=x onerror={HURT}>',
  TEXT[:180].replace('\0', ''),
  '=1+1$x_$',
)
METRIC = f'"><img src=x onerror={HURT}>' + 'm' * 5000


def race(out):
  """Write the results; most trials reach the target, every seventh crashes."""
  row = made_results.RULES['workloads']['digits'] | {'metric': METRIC}
  rules = made_results.RULES | {
    'version': TEXT,
    'reference': NAMES[0],
    'workloads': dict.fromkeys(WORKLOADS, row),
  }
  keys = [
    (name, workload, study, 1)
    for name in NAMES
    for workload in WORKLOADS
    for study in range(2)
  ]
  point = {LONG: LONG, 'learning_rate': TEXT}
  trials = made_results.write_plan(
    out,
    keys,
    rules,
    dict.fromkeys(WORKLOADS, 100.0),
    dict.fromkeys(NAMES, point),
  )
  for number, trial in enumerate(trials):
    values = [(2.0 + number, 0.9), (3.0 + number, 0.01)]
    outcome = 'crashed' if number % 7 == 6 else 'reached'
    folder = made_results.write_trial(out, trial, values, outcome, LONG, METRIC)
    meta = {
      'devices': [TEXT],
      'platform': LONG,
      'packages': {LONG: TEXT},
      'git_commit_hash': TEXT,
    }
    (folder / 'meta_data_0.json').write_text(json.dumps(meta))
  path = out / 'plan.json'
  plan = json.loads(path.read_text())
  machine = {'name': LONG, 'accelerators': [TEXT], 'cores': TEXT}
  path.write_text(json.dumps(plan | {'suite': LONG, 'hardware': machine}))
  (out / NAMES[0] / 'stray|`<b>').write_text('')
  return out
