"""A last line without its end is kept as far as anybody can tell what it is.

Logs lose it by a copy, an editor or a full disk. It was dropped without a word,
also in finished logs, and a hit became a miss.
"""

import math

import pytest

from runner.protocol import layout, storage
from runner.protocol.suites import suite
from scoring import verify
from scoring.load import last_line, results as read
from scoring.rank import board
from scoring.report import tensorboard
from tests.scoring.load import test_verify
from tests.support import made_results

HEAD = 'accumulated_submission_time,global_step,preemption_count,score,'
# By suite's workload: the columns of its metrics in AlgoPerf's order, a miss
# and a hit in them. The target's column is the last one of some.
METRICS = {
  'ogbg': (
    'validation/accuracy,validation/mean_average_precision,'
    'validation/num_examples',
    '0.98,0.24108913,43793',
    '0.98,0.28412345,43793',
  ),
  'librispeech_conformer': (
    'validation/ctc_loss,validation/num_examples,validation/wer',
    '0.31,5348,0.12108913',
    '0.21,5348,0.08512345',
  ),
  'fastmri': (
    'validation/loss,validation/num_examples,validation/ssim',
    '0.31,3554,0.71108913',
    '0.21,3554,0.72412345',
  ),
  'finewebedu_lm': (
    'validation/loss,validation/num_examples,validation/ppl',
    '3.31,100000,24.51108913',
    '3.01,100000,21.52412345',
  ),
}


def log(out, workload, rows, end):
  """AlgoPerf's log of one trial, its text without the last `end` characters."""
  columns, miss, hit = METRICS[workload]
  lines = [HEAD + columns]
  for n, reached in enumerate(rows, start=1):
    lines.append(f'{n}00.25,{n}0,0,{n}00.25,{hit if reached else miss}')
  place = out / 'theirs' / 'study_0' / f'{workload}_jax' / 'trial_1'
  place.mkdir(parents=True, exist_ok=True)
  text = '\n'.join([*lines, ''])
  (place / layout.EVALS).write_text(text[: len(text) - end])
  return text


def scored(out, workload):
  """State of the cell, its seconds, and what is told of its file."""
  results = read.read(out, 'algoperf_a100', 'self')
  cell = board.make(results).standings[0].cells[workload]
  told = [p.reason for p in results.problems if workload in p.path]
  return cell.state, cell.seconds, told


@pytest.mark.parametrize('workload', METRICS)
def test_a_hit_in_a_line_without_its_end_is_a_hit(tmp_path, workload):
  log(tmp_path, workload, [False, True], end=1)
  state, seconds, [told] = scored(tmp_path, workload)
  assert (state, seconds) == ('reached', 200.25)
  assert 'its last line has no end' in told


@pytest.mark.parametrize('workload', METRICS)
@pytest.mark.parametrize('rows', [[False, True], [True, True], [False, False]])
def test_cut_anywhere_a_line_gives_no_other_state(tmp_path, workload, rows):
  """It is what it was, or the cell is open and says so."""
  text = log(tmp_path, workload, rows, end=0)
  whole = scored(tmp_path, workload)
  last = len(text) - text.rindex('\n', 0, -1) - 1
  states = set()
  for end in range(1, last):
    log(tmp_path, workload, rows, end)
    state, seconds, [*_, told] = scored(tmp_path, workload)
    assert 'last line' in told or 'the middle of a line' in told
    states.add(state)
    assert state == 'open' or (state, seconds) == whole[:2]
  # What is cut behind an earlier hit changes nothing.
  assert states == ({'reached'} if rows[0] else {'open', whole[0]})


def test_without_a_row_that_is_whole_the_cell_is_open_too(tmp_path):
  """It was a study that was not run, and left out of the median."""
  log(tmp_path, 'ogbg', [True], end=30)
  assert scored(tmp_path, 'ogbg')[0] == 'open'
  place = tmp_path / 'theirs' / 'study_0' / 'ogbg_jax' / 'trial_1'
  (place / layout.EVALS).write_text(HEAD + 'validation/accur')
  state, _, [told] = scored(tmp_path, 'ogbg')
  assert state == 'open' and 'in the middle of its header' in told


def test_lines_that_end_as_windows_ends_them_have_their_end(tmp_path):
  text = log(tmp_path, 'ogbg', [False, True], end=0)
  place = tmp_path / 'theirs' / 'study_0' / 'ogbg_jax' / 'trial_1'
  (place / layout.EVALS).write_bytes(text.replace('\n', '\r\n').encode())
  assert scored(tmp_path, 'ogbg') == ('reached', 200.25, [])


@pytest.mark.parametrize(
  ('text', 'bounds'),
  [
    ('0.085', (0.085, 0.086)),
    ('0.0', (0.0, 0.1)),
    ('-0.05', (-0.06, -0.05)),
    ('21.5', (21.5, 21.6)),
    ('nan', (math.nan, math.nan)),
    # One digit before the point may be that of a number with an exponent, and
    # without a point more digits may come.
    *((text, (-math.inf, math.inf)) for text in ('1.5', '21', '', '0.', '1e')),
    *((text, (-math.inf, math.inf)) for text in ('na', 'x', '٠.١', '1.5e-0')),
  ],
)
def test_what_a_number_may_become(text, bounds):
  assert last_line.completions(text) == pytest.approx(bounds, nan_ok=True)


@pytest.fixture
def whole(tmp_path):
  """A trial of ours that reached its target with its last evaluation."""
  out = test_verify.left_behind(tmp_path / 'results', ['lion'], studies=1)
  [place] = out.glob('lion/study_0/*/trial_1')
  values = [(2.0, 0.9), (3.0, 0.8), (4.0, 0.4)]
  made_results._write_evals(place / layout.EVALS, values, 'loss')
  made_results._write_attempts(place / layout.ATTEMPTS, 4.0, 'reached', 'x')
  return out


def without_end(path):
  path.write_bytes(path.read_bytes().rstrip(b'\r\n'))


def test_the_last_word_on_a_trial_of_ours_needs_no_end(whole):
  """Its `end` event was dropped, and the trial was run again."""
  [path] = whole.glob('lion/*/*/*/attempts.jsonl')
  lines = path.read_text().splitlines()
  for count in (2, 3):  # Until it ended, and until its process left.
    path.write_text('\n'.join(lines[:count]))
    assert layout.status(path.parent).outcome == 'reached'
    [trial] = read.read(whole).trials
    assert trial.hit == 4.0
  assert not any(one.doubt for one in verify.verify(read.read(whole)))
  # And what comes next does not take its place.
  layout.event(path.parent, 'end', 0, outcome='invalid')
  kinds = [event['event'] for event in storage.read_lines(path)]
  assert kinds == ['start', 'end', 'exit', 'end']


def test_rows_of_ours_are_kept_without_their_end_and_told(whole):
  """The file was called damaged, though nothing of it was lost."""
  [path] = whole.glob('lion/*/*/*/eval_measurements.csv')
  without_end(path)
  results = read.read(whole)
  assert [t.hit for t in results.trials] == [4.0]
  [doubt] = [one for one in verify.verify(results) if one.doubt]
  assert 'its last line has no end' in doubt.text
  assert storage.read_rows(path)[-1]['score'] == '4.0'


def test_a_row_without_its_end_is_never_lost(tmp_path):
  """Written or resumed over, it is there, or put aside."""
  path, names = tmp_path / 'rows.csv', ('global_step', 'score')
  rows = [{'global_step': n, 'score': n / 2} for n in (1, 2, 3)]
  storage.append_rows(path, rows[:2], names)
  without_end(path)
  storage.append_rows(path, rows[2:], names)
  found = storage.read_rows(path)
  assert [row['score'] for row in found] == ['0.5', '1.0', '1.5']
  without_end(path)
  storage.set_rows(path, rows[:2], names, attempt=3)
  kept = storage.read_rows(tmp_path / 'rows_before_3.csv')
  assert [row['score'] for row in kept] == ['0.5', '1.0', '1.5']


def test_a_line_being_written_is_waited_for(whole):
  """While a trial runs, its last line may be half there: nothing is wrong."""
  [place] = whole.glob('lion/*/*/trial_1')
  made_results._write_attempts(place / layout.ATTEMPTS, 4.0, None, '')
  path = place / layout.EVALS
  content = path.read_bytes()
  for size in (2, 5, 30):
    path.write_bytes(content[:-size])
    results = read.read(whole)
    assert [trial.state for trial in results.trials] == ['unfinished']
    assert [len(trial.evals.steps) for trial in results.trials] == [2]
    assert results.problems == []


def test_scalars_without_their_end_are_shown(whole, tmp_path):
  [place] = whole.glob('lion/*/*/trial_1')
  (place / layout.SCALARS).write_text(
    'accumulated_submission_time,global_step,loss\n1.0,10,0.5\n2.0,20,0.25'
  )
  [trial] = read.read(whole).trials
  values = [
    value for *_, name, value in tensorboard._values(trial) if name == 'loss'
  ]
  assert values == [0.5, 0.25]


def test_targets_decide_what_a_part_of_a_number_says():
  row = suite.load('algoperf_a100').workloads['librispeech_conformer']
  assert row.target == 0.085884
  for text, decided in (('0.0858', False), ('0.0857', True), ('0.0859', True)):
    low, high = last_line.completions(text)
    assert (row.reached(low) == row.reached(high)) is decided
