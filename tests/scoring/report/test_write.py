"""The command and what it writes."""

import csv
import dataclasses
import json
import math
import os
import pathlib
import re
import subprocess
import sys

import pytest
import rich.console

from scoring.load import results as read
from scoring.rank import allocation, analysis, board, bootstrap, costs
from scoring.report import (
  decision,
  export,
  formats,
  markdown,
  sentences,
  terminal,
  write,
)
from tests.support import hostile, made_results as made

ROOT = pathlib.Path(__file__).parents[3]
HOSTILE = '</script><script>alert(1)</script>'
V06 = """
version = "0.6"
seed = 1
cutoff = 4.0
reference = "x"
[rulesets.self]
studies = 2
trials = 1
budget_factor = 1.5
[workloads."criteo1tb/mini"]
metric = "loss"
better = "lower"
target = 0.5
steps = 1
batch_size = 1
eval_batch_size = 1
evaluations = 1
train_examples = 1
"""


def command(*words, cwd=ROOT):
  environment = os.environ | {'PYTHONPATH': str(ROOT), 'COLUMNS': '200'}
  return subprocess.run(
    [sys.executable, '-m', 'scoring', *map(str, words)],
    check=False,
    cwd=cwd,
    env=environment,
    capture_output=True,
    text=True,
    timeout=600,
  )


def reported(results_folder, out, rules=None):
  results = read.read(results_folder, rules)
  return write.write(results, *scored(results), out).read_text()


def scored(results):
  made_board = board.make(results)
  return made_board, analysis.make(results, made_board)


def shown(results, width):
  """On a terminal."""
  found = board.make(results)
  console = rich.console.Console(width=width)
  terminal.show(results, found, bootstrap.bootstrap(found), console)


@pytest.fixture(scope='module')
def race(tmp_path_factory):
  """The results of a race and its report."""
  top = tmp_path_factory.mktemp('race')
  made.race(top / 'results')
  reported(top / 'results', top / 'report')
  return top


def test_the_command_prints_and_writes_without_jax(race, tmp_path):
  spy = 'import sys; sys.modules["jax"] = None; import runpy; '
  spy += 'sys.argv = ["scoring", *sys.argv[1:]]; '
  spy += 'runpy.run_module("scoring", run_name="__main__", alter_sys=True)'
  out = tmp_path / 'deep' / 'report'
  done = subprocess.run(
    [sys.executable, '-c', spy, str(race / 'results'), f'--out={out}'],
    check=False,
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert 'schedule_free_adamw' in done.stdout
  assert 'oom' in done.stdout
  assert sorted(path.name for path in out.iterdir()) == [
    'index.html',
    'leaderboard.csv',
    'leaderboard.json',
    'report.md',
    'times_to_target.csv',
  ]


def test_figures_are_drawn_on_demand_and_never_of_another_board(race, tmp_path):
  folder = tmp_path / 'figures'
  command(race / 'results', f'--out={tmp_path}', '--figures')
  assert sorted(path.name for path in folder.iterdir()) == [
    'profiles.png',
    'profiles.svg',
    'times.png',
    'times.svg',
  ]
  (folder / 'mine.svg').write_text('of the user')
  command(race / 'results', f'--out={tmp_path}')
  assert [path.name for path in folder.iterdir()] == ['mine.svg']
  (folder / 'mine.svg').unlink()
  command(race / 'results', f'--out={tmp_path}')
  assert not folder.exists()


def test_the_next_command_is_the_last_line(race, tmp_path):
  done = command(race / 'results', f'--out={tmp_path}')
  report, next_command = done.stdout.splitlines()[-2:]
  assert report == f'Report: {tmp_path / "index.html"}'
  assert next_command.startswith('Next: timetrial status --out=')


def test_json_for_programs_and_no_report(race, tmp_path):
  done = command(race / 'results', '--json', '--noreport', cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  stored = (race / 'report' / 'leaderboard.json').read_text()
  assert json.loads(done.stdout) == {'schema': 1} | json.loads(stored)
  assert not list(tmp_path.iterdir())


def test_the_files_agree_with_each_other(race):
  folder = race / 'report'
  table = json.loads((folder / 'leaderboard.json').read_text())
  with (folder / 'leaderboard.csv').open() as file:
    lines = list(csv.DictReader(file))
  with (folder / 'times_to_target.csv').open() as file:
    times = {row.pop('submission'): row for row in csv.DictReader(file)}
  page = (folder / 'index.html').read_text()
  report_md = (folder / 'report.md').read_text().replace('\\', '')
  assert len(lines) == len(table['leaderboard']) == 5
  for line, row in zip(lines, table['leaderboard'], strict=True):
    name = row['submission']
    assert line['submission'] == name
    assert line['rank'] == str(row['rank'] or '')
    assert float(line['score']) == row['score']
    assert int(line['open_cells']) == row['open_cells']
    assert f'<td>{formats.score(row["score"])}' in page
    assert f'| {name} | {formats.score(row["score"])}' in report_md
    for workload, cell in row['workloads'].items():
      written = times[name][workload]
      if cell['state'] == 'reached':
        assert float(written) == cell['seconds']
        assert formats.seconds(cell['seconds']) in page
        assert formats.seconds(cell['seconds']) in report_md
      else:
        assert written == {'missed': 'inf', 'open': ''}[cell['state']]
        assert cell['seconds'] is None


def test_a_report_names_the_world_beside_the_target(race, tmp_path):
  results = read.read(race / 'results')
  assert ', world' not in (race / 'report' / 'index.html').read_text()
  rows = {
    name: dataclasses.replace(row, world=3)
    for name, row in results.rules.workloads.items()
  }
  rules = dataclasses.replace(results.rules, workloads=rows)
  results = dataclasses.replace(results, rules=rules)
  page = write.write(results, *scored(results), tmp_path).read_text()
  table = json.loads((tmp_path / 'leaderboard.json').read_text())
  assert {row['world'] for row in table['workloads'].values()} == {3}
  assert ', world 3' in page
  assert ', world 3' in (tmp_path / 'report.md').read_text()


def test_hostile_names_are_shown_as_they_are(tmp_path, capsys):
  name = 'a<b>"&\'{{7*7}}'
  points = {name: {HOSTILE: HOSTILE, 'nan': float('nan')}}
  keys = [(name, 'digits', 0, 1), ('[bold]x', 'digits', 0, 1)]
  plan = made.write_plan(tmp_path, keys, points=points)
  values = [(1.0, 0.9), (2.0, 0.01)]
  made.write_trial(tmp_path, plan[0], values, 'crashed', HOSTILE, 'error_rate')
  made.write_trial(tmp_path, plan[1], values, 'reached', '', 'error_rate')
  results = read.read(tmp_path)
  table = export.everything(results, *scored(results))
  assert name in [row['submission'] for row in table['leaderboard']]
  assert HOSTILE not in markdown.render(results, *scored(results))
  shown(results, 200)
  printed = capsys.readouterr().out
  assert '[bold]x' in printed and name in printed


def damage(folder: pathlib.Path, how: str) -> None:
  """Damages the files of a trial."""
  evaluations = folder / 'eval_measurements.csv'
  attempts = folder / 'attempts.jsonl'
  content = evaluations.read_text()
  lines = content.splitlines(keepends=True)
  actions = {
    'cut short': lambda: evaluations.write_text(content[:-9]),
    'too few fields': lambda: evaluations.write_text(content + '1,2\n'),
    'text for numbers': lambda: evaluations.write_text(
      content + 'x,' * (lines[0].count(',')) + 'x\n'
    ),
    'no header': lambda: evaluations.write_text(''.join(lines[1:])),
    'binary': lambda: evaluations.write_bytes(b'\xff\xfe\x00\x01\n'),
    'lost': evaluations.unlink,
    'empty': lambda: evaluations.write_text(''),
    'a folder': lambda: (evaluations.unlink(), evaluations.mkdir()),
    'clock turned back': lambda: evaluations.write_text(
      content + lines[1].replace(',16,', ',160,')
    ),
    'attempts not JSON': lambda: attempts.write_text('{"event": \n'),
    'attempts without keys': lambda: attempts.write_text('{"event": "end"}\n'),
    'attempts of numbers': lambda: attempts.write_text('7\n'),
    'no attempts': attempts.unlink,
    'another outcome': lambda: attempts.write_text(
      attempts.read_text().replace('"reached"', '"glory"')
    ),
    'trial not JSON': lambda: (folder / 'trial.json').write_text('{'),
    'another trial': lambda: (folder / 'trial.json').write_text('{"id": "0"}'),
    'another evaluation of a step': lambda: evaluations.write_text(
      content + lines[-1].replace(',8.0,', ',9.0,')
    ),
  }
  actions[how]()


@pytest.mark.parametrize(
  'how',
  [
    'cut short',
    'too few fields',
    'text for numbers',
    'no header',
    'binary',
    'lost',
    'empty',
    'a folder',
    'clock turned back',
    'attempts not JSON',
    'attempts without keys',
    'attempts of numbers',
    'no attempts',
    'another outcome',
    'trial not JSON',
    'another trial',
    'another evaluation of a step',
  ],
)
def test_damage_is_reported_and_opens_the_cell(tmp_path, how):
  keys = [('x', 'criteo1tb/mini', study, 1) for study in range(2)]
  for trial in made.write_plan(tmp_path / 'results', keys):
    values = [(1.0, 0.7), (8.0, 0.4)]
    folder = made.write_trial(tmp_path / 'results', trial, values, 'reached')
  damage(folder, how)
  results = read.read(tmp_path / 'results')
  table = export.everything(results, *scored(results))
  [problem] = table['problems']
  assert problem['path'] == 'x/study_1/criteo1tb_mini_jax/trial_1'
  cell = table['leaderboard'][0]['workloads']['criteo1tb/mini']
  assert cell['state'] == 'open'
  assert cell['studies'] == {'0': 8.0, '1': None}


@pytest.mark.parametrize(
  'how', ['meta not JSON', 'a row twice', 'not a number']
)
def test_damage_that_changes_no_time_is_reported_only(tmp_path, how):
  [trial] = made.write_plan(tmp_path, [('x', 'criteo1tb/mini', 0, 1)])
  odd = float('-inf') if how == 'not a number' else 0.6
  values = [(1.0, 0.7), (4.0, odd), (8.0, 0.4)]
  folder = made.write_trial(tmp_path, trial, values, 'reached')
  path = folder / 'eval_measurements.csv'
  if how == 'a row twice':
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + '\n')
  elif how == 'meta not JSON':
    (folder / 'meta_data_0.json').write_text('?')
  found, explained = scored(read.read(tmp_path))
  [problem] = explained.problems
  assert problem.path == 'x/study_0/criteo1tb_mini_jax/trial_1'
  cell = found.standings[0].cells['criteo1tb/mini']
  assert (cell.state, cell.seconds) == ('reached', 8.0)


def test_of_two_frameworks_the_one_with_more_trials_counts(tmp_path):
  folder = tmp_path / 'logs'
  keys = [('x', 'criteo1tb/mini', study, 1) for study in range(3)]
  for trial in made.write_plan(folder, keys):
    made.write_trial(folder, trial, [(8.0 + trial['study'], 0.4)])
  (folder / 'plan.json').unlink()
  for study in range(3):
    path = folder / 'x' / f'study_{study}'
    kept = path / 'criteo1tb_mini_jax' / 'trial_1'
    for other in [*kept.iterdir()]:
      if other.name != 'eval_measurements.csv':
        other.unlink()
    if study:
      kept.parent.rename(path / 'criteo1tb_mini_pytorch')
  (tmp_path / 'v06.toml').write_text(V06)
  results = read.read(folder, str(tmp_path / 'v06.toml'))
  [problem] = results.problems
  assert problem.path == 'x/study_0/criteo1tb_mini_jax/trial_1'
  assert 'Only the latter count' in problem.reason
  cell = board.make(results).standings[0].cells['criteo1tb/mini']
  assert cell.studies == {1: 9.0, 2: 10.0}


@pytest.mark.parametrize(('cores', 'said'), [(1, '1 core'), (2, '2 cores')])
def test_a_machine_is_told_in_words(race, cores, said):
  results = read.read(race / 'results')
  machine = results.plan.machine
  machine = dataclasses.replace(
    machine, facts=dict(machine.facts) | {'cores': cores}
  )
  plan = dataclasses.replace(results.plan, machine=machine)
  results = dataclasses.replace(results, plan=plan)
  assert f'cpu-2-5f8a5c: AMD EPYC, {said}' in sentences.facts(results)


def times_table(results):
  """The cells of the report's table of times, by row."""
  lines = markdown.render(results, *scored(results)).splitlines()
  start = next(n for n, line in enumerate(lines) if '| workload |' in line)
  found = lines[start : lines.index('', start)]
  return [line[2:-2].split(' | ') for line in found]


def test_a_table_of_times_has_few_columns(race):
  """One with a column for each of 42 submissions could not be read."""
  results = read.read(race / 'results')
  workloads = list(results.rules.workloads)
  head, _, targets, *rows = times_table(results)
  ranking = board.make(results).standings
  assert head == ['workload', *workloads]
  assert targets[:3] == ['target', 'error_rate ≤ 0.031', 'loss ≤ 0.4552']
  assert [row[0] for row in rows] == [s.submission for s in ranking]
  few = [t for t in results.trials if t.key.submission in ('muon', 'nadamw')]
  head, _, *rows = times_table(dataclasses.replace(results, trials=few))
  assert head == ['workload', 'target', 'nadamw', 'muon']
  assert [row[0] for row in rows] == workloads
  assert [row[1] for row in rows][:2] == targets[1:3]


def test_the_leaderboard_of_a_readme_is_renewed_between_its_markers(
  race, tmp_path
):
  path = tmp_path / 'README.md'
  results = read.read(race / 'results')
  fresh = markdown.render(results, *scored(results))
  path.write_text('# Mine\n')
  with pytest.raises(ValueError, match='Put the lines'):
    markdown.renew(path, fresh)
  assert path.read_text() == '# Mine\n'
  path.write_text(f'# Mine\n{markdown.BEGIN}\nold\n{markdown.END}\nAfter.\n')
  markdown.renew(path, fresh)
  renewed = path.read_text()
  assert renewed.startswith('# Mine') and renewed.endswith('After.\n')
  assert 'old' not in renewed and '| 1 | schedule\\_free' not in renewed
  assert '| 1 | schedule_free_adamw | 0.9700 |' in renewed
  markdown.renew(path, fresh)
  assert path.read_text() == renewed


def test_a_running_race_is_shown_as_it_stands(tmp_path):
  keys = [('x', 'criteo1tb/mini', study, 1) for study in range(2)]
  first, _ = made.write_plan(tmp_path / 'results', keys)
  folder = made.write_trial(
    tmp_path / 'results', first, [(1.0, 0.7), (2.0, 0.6)], None
  )
  path = folder / 'eval_measurements.csv'
  path.write_text(path.read_text() + '1.39,0.1,0')  # Being written.
  results = read.read(tmp_path / 'results')
  table = export.everything(results, *scored(results))
  assert not table['problems']
  cell = table['leaderboard'][0]['workloads']['criteo1tb/mini']
  assert cell['best'] == 0.6
  assert cell['open'] == [
    'Study 0, trial 1: unfinished. Attempt 1 has not ended.',
    '1 of 2 trials were not run.',
  ]


def test_stray_files_and_unplanned_trials_are_reported(race, tmp_path):
  folder = made.race(tmp_path / 'results')
  (folder / 'notes.txt').write_text('x')
  (folder / 'lion' / 'backup').mkdir()
  (folder / 'lion' / 'study_0' / 'digits_jax' / 'trial_1_old').mkdir()
  (folder / 'lion' / 'study_9' / 'digits_jax' / 'trial_1').mkdir(parents=True)
  results = read.read(folder)
  assert [problem.path for problem in results.problems] == [
    'lion/backup',
    'lion/study_0/digits_jax/trial_1_old',
    'lion/study_9/digits_jax/trial_1',
    'notes.txt',
  ]
  clean = read.read(race / 'results')
  assert export.leaderboard(*scored(results)).equals(
    export.leaderboard(*scored(clean))
  )


def test_a_tree_like_algoperfs_needs_rules_only(tmp_path):
  folder = tmp_path / 'logs'
  keys = [('x', 'criteo1tb/mini', 0, 1), ('x', 'criteo1tb/mini', 1, 1)]
  keys += [('y', 'criteo1tb/mini', 0, 1), ('y', 'criteo1tb/mini', 1, 1)]
  for trial in made.write_plan(folder, keys):
    value = 0.6 if trial['submission'] == 'y' and trial['study'] else 0.4
    made.write_trial(folder, trial, [(8.0 + trial['study'], value)])
  for path in folder.rglob('*'):
    if path.is_file() and path.name != 'eval_measurements.csv':
      path.unlink()
  (folder / 'x' / 'study_0' / 'mnist_jax' / 'trial_1').mkdir(parents=True)
  for study in (0, 1):
    odd = folder / 'x' / f'study_{study}' / 'criteo1tb_mini_jax'
    odd.rename(odd.with_name('criteo1tb_mini_pytorch'))
  suite = tmp_path / 'v06.toml'
  suite.write_text(V06)
  results = read.read(folder, str(suite))
  table = export.everything(results, *scored(results))
  found = {row['submission']: row for row in table['leaderboard']}
  assert (found['x']['rank'], found['y']['rank']) == (1, 2)
  assert found['x']['workloads']['criteo1tb/mini']['seconds'] == 8.5
  assert found['y']['workloads']['criteo1tb/mini']['state'] == 'missed'
  assert "'mnist' is not a workload" in table['problems'][0]['reason']
  with pytest.raises(read.ReadError, match='--suite=mini'):
    read.read(folder)


@pytest.mark.parametrize(
  ('prepare', 'expected'),
  [
    (lambda path: None, 'does not exist'),
    (lambda path: path.mkdir(), 'is empty'),
    (lambda path: (path / 'x').mkdir(parents=True), 'has no plan.json'),
    (lambda path: path.write_text('x'), 'is a file'),
    (lambda path: made.write_plan(path, []), 'No trials'),
    (
      lambda path: (path.mkdir(), (path / 'plan.json').write_text('{"rules":')),
      'plan.json: The plan is not JSON',
    ),
    (
      lambda path: (path.mkdir(), (path / 'plan.json').write_text('{}')),
      'plan.json: The plan is damaged',
    ),
  ],
)
def test_nothing_to_score_is_said_clearly(tmp_path, prepare, expected):
  folder = tmp_path / 'results'
  prepare(folder)
  with pytest.raises(read.ReadError) as error:
    read.read(folder)
  assert expected in str(error.value)


@pytest.mark.parametrize(
  ('words', 'expected'),
  [
    (['missing'], 'missing does not exist'),
    ([], 'Give exactly one results folder'),
    (['results', '--rules=minni'], "Did you mean 'mini'?"),
    (['results', '--ruls=mini'], "'ruls'. Did you mean: rules"),
    (['results', '--out=/dev/null'], 'Choose another --out'),
    (['results', '--out=results/report'], 'a folder outside the results'),
    (['results', '--out='], 'a folder outside the results'),
    (['replay', 'results', '--draws=3'], '`replay` does not use --draws.'),
    (['verify', 'results', '--out=x'], '`verify` does not use --out.'),
    (['results', '--board=x'], '`score` does not use --board.'),
    (['results', '--noreport', '--figures'], 'Leave out one of the two'),
  ],
)
def test_wrong_requests_are_explained(race, words, expected):
  done = command(*words, cwd=race)
  assert done.returncode == 2
  assert expected in done.stderr
  assert 'Traceback' not in done.stderr
  assert not done.stdout
  assert not (race / 'missing').exists()


def test_a_narrow_terminal_shows_the_ranking_alone(race, capsys):
  results = read.read(race / 'results')
  shown(results, 70)
  printed = capsys.readouterr().out
  assert '1  schedule_free_adamw    0.9700  0.945 – 0.980      3/3' in printed
  assert 'error_rate' not in printed


@pytest.mark.parametrize('width', [60, 80])
def test_names_are_shortened_and_scores_are_not(tmp_path, capsys, width):
  """Names of 100 letters once left three digits of a score."""
  long = [f'submission_{"x" * 80}_number_{n}' for n in range(42)]
  keys = [(name, 'digits', s, 1) for name in [*long, 'lion'] for s in (0, 1)]
  rows = {'digits': made.RULES['workloads']['digits']}
  plan = made.write_plan(tmp_path, keys, made.RULES | {'workloads': rows})
  for n, trial in enumerate(plan):
    values = [(3.0, 0.5), (4.0 + n / 50, 0.03)]
    made.write_trial(tmp_path, trial, values, metric='error_rate')
  results = read.read(tmp_path)
  shown(results, width)
  lines = capsys.readouterr().out.splitlines()
  rows = [line for line in lines if re.search(r'\d/1', line)]
  assert len(rows) == 43 and max(map(len, rows)) <= width
  for row, standing in zip(rows, board.make(results).standings, strict=True):
    assert f' {standing.score:.4f} ' in row
    assert re.search(r'\d\.\d{3} – \d\.\d{3} +\d/1$', row)
    assert row.split()[1].endswith(standing.submission[-2:])
  assert any('lion ' in row for row in rows)


def test_short_names_stay_different_and_fit():
  """Names that differ in their middle alone once looked the same."""
  long = [f'{"sub" * 20}{n}{"end" * 20}' for n in range(120)]
  names = [*long, 'lion', 'a\nb', 'a b', 'a  b']
  for most in (None, *terminal.NAMES):
    short = terminal.told_apart(names, most)
    assert list(short) == names
    assert len(set(short.values())) == len(names)
    assert short['lion'] == 'lion' and short['a\nb'] == 'a b'
    if most is not None:
      assert max(map(len, short.values())) <= most


@pytest.mark.parametrize('width', [60, 80])
def test_texts_of_any_length_leave_the_table_whole(tmp_path, capsys, width):
  """Names of several lines broke rows; a crash of 5000 letters hid the rest."""
  results = read.read(hostile.race(tmp_path / 'results'))
  shown(results, width)
  printed = capsys.readouterr().out
  lines = printed.splitlines()
  standings = board.make(results).standings
  [head] = [n for n, line in enumerate(lines) if 'submission ' in line]
  rows = lines[head + 1 : head + 1 + len(standings)]
  for row, standing in zip(rows, standings, strict=True):
    assert re.search(
      rf' \(?{standing.score:.4f}\)? .* {standing.reached}/3$', row
    )
  assert 'x' * 1000 not in ''.join(lines)
  assert lines[-1].startswith('Next: ')


def test_decide_keeps_numbers_whole_beside_long_names(tmp_path, capsys):
  keys = [(f'{"sub" * 20}{n}{"end" * 20}', 'digits', 0, 1) for n in range(3)]
  rows = {'digits': made.RULES['workloads']['digits']}
  plan = made.write_plan(tmp_path, keys, made.RULES | {'workloads': rows})
  for trial in plan:
    made.write_trial(tmp_path, trial, [(3.0, 0.01)], metric='error_rate')
  results = read.read(tmp_path)
  found = board.make(results)
  spread = bootstrap.bootstrap(found)
  told = allocation.allocate(
    found, spread, costs.study_seconds(results, found), math.inf
  )
  console = rich.console.Console(width=60)
  decision.show(told, found, spread, 1, console)
  lines = capsys.readouterr().out.splitlines()
  rows = [line for line in lines if re.search(r' \+\d+ .*\d\.\d\d h$', line)]
  assert len({row.split()[0] for row in rows}) == len(told.cells) == 3
  assert max(map(len, rows)) <= 60


def test_the_next_command_is_named(race, tmp_path, capsys):
  """Open cells come first, then ranks in doubt, then other doubts."""
  results = read.read(race / 'results')
  shown(results, 80)
  said = capsys.readouterr().out.splitlines()[-1]
  assert said.startswith(f'Next: timetrial status --out={race}')
  keys = [(name, 'digits', 0, 1) for name in ('a', 'b')]
  rows = {'digits': made.RULES['workloads']['digits']}
  plan = made.write_plan(tmp_path, keys, made.RULES | {'workloads': rows})
  for trial in plan:
    made.write_trial(tmp_path, trial, [(3.0, 0.01)], metric='error_rate')
  shown(read.read(tmp_path), 80)
  said = capsys.readouterr().out.splitlines()[-1]
  assert (
    said
    == f'Next: timetrial decide {tmp_path} shows what would tell ranks apart.'
  )
