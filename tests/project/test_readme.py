"""README and docs/submitting.md: what they tell newcomers works."""

import itertools
import pathlib
import re

import jax

import submissions
from scoring.report import markdown
from submissions.submission import Start, Task
from workloads import batches
from workloads.images.digits import Digits

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
SUBMITTING = (ROOT / 'docs' / 'submitting.md').read_text(encoding='utf-8')


def test_readme_is_short_and_its_picture_small():
  assert len(README.splitlines()) <= 120
  assert (ROOT / 'docs' / 'report.png').stat().st_size < 400_000


def test_the_leaderboard_of_readme_can_be_renewed():
  """`timetrial score --into=README.md` needs one pair of markers."""
  assert README.count(markdown.BEGIN) == README.count(markdown.END) == 1
  assert README.index(markdown.BEGIN) < README.index(markdown.END)


def test_the_ten_lines_train(tmp_path):
  [code] = re.findall(r'```python\n(.*?)```', README, re.S)
  assert code in SUBMITTING
  lines = [line for line in code.splitlines() if line.strip()]
  assert len(lines) <= 10
  path = tmp_path / 'mine.py'
  path.write_text(code)
  entry = submissions.find(str(path))
  submissions.check_point(entry, entry.self_point, 'SELF')

  tiny = Digits(widths=(16,))
  source = tiny.source('train', None)

  def draw(size, stack=1):
    return (batches.train_batch(source, 0, n * size, size) for n in range(99))

  submission = submissions.make(
    path, Task(tiny, 40, 16, 1197), entry.self_point
  )
  start = Start(jax.jit(tiny.init)(jax.random.key(0)), jax.random.key(1), draw)
  losses = [
    float(submission.scalars(state)['loss'])
    for state in itertools.islice(submission.train(start), 40)
  ]
  assert sum(losses[-10:]) < sum(losses[:10])


def test_every_submission_is_in_the_table_and_no_other():
  [section] = re.findall(r'## What is entered\n(.*?)\n## ', SUBMITTING, re.S)
  rows = [line for line in section.splitlines() if line.startswith('|')]
  named = re.findall(r'`(\w+)`', '\n'.join(rows))
  assert len(named) == len(set(named))
  assert sorted(named) == sorted(submissions.names())
