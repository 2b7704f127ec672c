"""Tests a submission before hours are spent on it.

One written for AlgoPerf must find all that it uses; what looks like more than
training is pointed at. Then each workload of the suite is trained for a few
steps, in processes like those of a race: once looking often, once seldom, once
interrupted and resumed. All must end with the same state, to the bit.
"""

import pathlib
import tempfile
from typing import Any, NamedTuple

import submissions
from runner import (
  checkpoint,
  conduct,
  engine,
  hardware,
  plan,
  records,
  results,
  rules,
  storage,
)

STEPS = 8


class Finding(NamedTuple):
  ok: bool
  text: str


def main(
  suite: rules.Rules, requests: tuple[str, ...], terms: engine.Terms
) -> int:
  """Prints findings; 1 if any is bad."""
  good = True
  machine = hardware.describe()
  for request in requests:
    entry = submissions.find(request)
    if lacking := _lacking(entry):
      print('\n'.join(f'FAIL {entry.name}: {text}' for text in lacking))
      good = False
      continue
    for one in conduct.look(entry.path):
      print(f'look {entry.name}: {one.file}, line {one.line}: {one.text}')
    for ruleset in _rulesets(entry):
      made = plan.make_endless(suite, ruleset, [request], machine)
      for name in suite.workloads:
        [trial, *_] = [t for t in made.trials if t.workload == name]
        for finding in _findings(made, trial, terms):
          mark = 'ok  ' if finding.ok else 'FAIL'
          title = f'{entry.name} ({ruleset}) on {name}'
          print(f'{mark} {title}: {finding.text}', flush=True)
          good = good and finding.ok
  return 0 if good else 1


def _lacking(entry: submissions.Entry) -> list[str]:
  """What it uses and does not get, where it was written for AlgoPerf."""
  if not entry.algoperf:
    return []
  from submissions.algoperf import missing  # noqa: PLC0415  Imports JAX.

  found = missing.find(entry.path)
  return [f'{one.file}, line {one.line}: {one.text}' for one in found]


def _rulesets(entry: submissions.Entry) -> list[str]:
  found = [
    name
    for name, points in (('self', entry.self_point), ('external', entry.space))
    if points is not None
  ]
  if not found:
    raise submissions.SubmissionError(
      f'{entry.path} has neither SELF (its point in the self-tuning ruleset) '
      'nor SPACE (its search space in the external one). Write one of them.'
    )
  return found


def _findings(made: plan.Plan, trial: plan.Trial, terms: engine.Terms):
  """Yields findings as they are made; stops where nothing works."""
  per_dispatch = made.suite.workloads[trial.workload].steps_per_dispatch
  steps = STEPS * per_dispatch
  with tempfile.TemporaryDirectory() as folder:
    out = pathlib.Path(folder)

    def attempt(name: str, steps: int, eval_steps: int) -> records.Status:
      limits = {'steps': steps, 'eval_steps': eval_steps}
      table = plan.table(made) | {'limits': limits}
      return _run(out / name, table, trial._asdict(), terms)

    seldom = attempt('seldom', steps, steps)
    if seldom.outcome != 'ended':
      yield Finding(False, f'{seldom.outcome}: {seldom.reason}')
      return
    spent = seldom.accounts
    step = (spent['train'] + spent['data']) / steps
    yield Finding(
      True,
      f'trains; compiles in {spent["compile"]:.1f} s, '
      f'about {step * 1e3:.1f} ms a step.',
    )
    attempt('often', steps, per_dispatch)
    yield _same(out, trial, 'often', 'looking does not change training')
    attempt('resumed', steps // 2, steps // 2)
    attempt('resumed', steps, steps // 2)
    yield _same(out, trial, 'resumed', 'a resumed run is the same run')


def _run(
  out: pathlib.Path, table: dict[str, Any], trial: dict, terms: engine.Terms
):
  """Runs a trial, or goes on with it under new limits."""
  path = results.place(out, trial) / records.TRIAL
  if path.exists():
    facts = storage.read_json(path)
    facts['budget'] |= table['limits']
    storage.write_json(path, facts)
  folder = engine.prepare(out, table, trial, terms)
  return engine.run_attempt(out, folder, lambda news: None, terms)


def _same(
  out: pathlib.Path, trial: plan.Trial, name: str, text: str
) -> Finding:
  final = [_final(trial.folder(out / kind)) for kind in ('seldom', name)]
  if final[0] == final[1]:
    return Finding(True, text)
  return Finding(
    False,
    f'not so: {text}. The states differ after the last step: {final[0]} '
    f'against {final[1]}. Does the yielded state say everything?',
  )


def _final(folder: pathlib.Path) -> str:
  """Step and hash of the last state, or why there is none."""
  status = records.status(folder)
  if status.outcome != 'ended':
    return f'{status.outcome}: {status.reason}'
  last = checkpoint.load(folder / records.CHECKPOINT)
  if last is None:
    return 'no checkpoint'
  digest = checkpoint.digest(last.arrays)
  return f'step {last.facts["steps"]}, {digest[:12]}'
