"""Sources that are not only training are pointed at, and only they."""

import time

import pytest

import submissions
from runner.lint import allowed
from runner.tools import source_lint
from tests.support import evasions
from tests.support.evasions import BLOCKS, EVASIONS, HEAD, HONEST, TOP, UNSEEN
from tests.support.written import HERE, IDLE

LINE = 1 + [*map(str.strip, HEAD.splitlines())].index('{}')
LINES = [
  (kind, line)
  for kind, lines in EVASIONS.items()
  for line in lines.strip().splitlines()
]
# Names of used.txt that are findings, and what they may mean.
STATED = {
  'flax.training.checkpoints': 'not known',
  'flax.training.checkpoints.restore_checkpoint': 'not known',
  'flax.training.checkpoints.save_checkpoint': 'not known',
  'jax.live_arrays': 'a look',
  'jax.tree_util.register_pytree_node': 'flattened',
}


def read(folder, text):
  for name, long in evasions.LARGE.items():
    text = text.replace(name, long)
  path = folder / 'mine.py'
  path.write_text(text)
  return source_lint.look(path)


def within(folder, line):
  return read(folder, HEAD.replace('{}', line))


def theirs(folder, **files):
  for name, text in {'submission': IDLE, **files}.items():
    (folder / f'{name}.py').write_text(text)
  return source_lint.look(folder)


def test_there_are_enough_evasions_of_every_kind():
  assert len(LINES) + len(BLOCKS) >= 62
  assert all(len(lines.split('\n')) > 10 for lines in EVASIONS.values())


@pytest.mark.parametrize('kind, line', LINES)
def test_evasions_are_seen_by_file_and_line(tmp_path, kind, line):
  found = within(tmp_path, line)
  assert {(one.file, one.line) for one in found} == {('mine.py', LINE)}, kind
  assert not any('not Python' in one.text for one in found)


@pytest.mark.parametrize('block', BLOCKS)
def test_evasions_of_several_lines_are_seen(tmp_path, block):
  found = read(tmp_path, TOP + block)
  first = TOP.count('\n') + 1
  assert found and all(one.line >= first for one in found)
  assert not any('not Python' in one.text for one in found)


@pytest.mark.parametrize('line', UNSEEN)
def test_what_is_not_seen_is_known(tmp_path, line):
  assert within(tmp_path, line) == [], UNSEEN[line]


@pytest.mark.parametrize('line', ['pass', *HONEST])
def test_honest_code_has_no_finding(tmp_path, line):
  assert within(tmp_path, line) == []


@pytest.mark.parametrize('name', submissions.names())
def test_ours_have_no_finding(name):
  assert source_lint.look(submissions.find(name).path) == []


def test_findings_say_what_may_be_meant_and_what_to_write(tmp_path):
  [one] = within(tmp_path, 'x = np.load("/x")')
  assert one.text == (
    'numpy.load may read or write files. Take data from start.batches, and '
    'write small constants in the source.'
  )
  [one] = within(tmp_path, 'import enum')
  assert 'enum is not among the imports' in one.text


@pytest.mark.parametrize('name', ['of_v06', 'of_v05', 'twin.py'])
def test_written_for_algoperf_has_no_finding(name):
  assert source_lint.look(HERE / name) == []


def test_one_that_kills_itself_is_pointed_at():
  found = source_lint.look(HERE / 'changing.py')
  assert [one.text.partition(' ')[0] for one in found] == [
    'os', 'signal', 'open', 'os.kill',
  ]  # fmt: skip


def test_what_published_submissions_use_is_allowed_but_for_what_is_stated():
  text = (HERE / 'used.txt').read_text()
  [_, specs, names] = text.split('\n\n', 2)
  used = [*names.split(), *(f'algoperf.spec.{one}' for one in specs.split())]
  assert len(used) > 150
  found = {one: allowed.fault(one, algoperf=True) for one in used}
  assert {n for n, text in found.items() if text} == set(STATED)
  assert all(STATED[name] in found[name] for name in STATED)


@pytest.mark.parametrize('name', ['algoperf.spec', 'absl.logging.info'])
def test_what_the_shims_offer_is_only_for_algoperf(name):
  assert allowed.fault(name, algoperf=True) == ''
  assert allowed.fault(name, algoperf=False) != ''


def test_own_files_are_read_and_may_be_imported(tmp_path):
  helper = 'import numpy as np\nx = np.load("/x")\ndef _mean(x): return x\n'
  text = 'from . import helper\nfrom .helper import x\ny = helper._mean(x)\n'
  [one] = theirs(tmp_path, submission=text + IDLE, helper=helper)
  assert (one.file, one.line) == ('helper.py', 2)


@pytest.mark.parametrize(
  'line',
  [
    'from .helper import np as n; n.fromfile("/x")',
    'from . import helper; helper.np.fromfile("/x")',
    'from .helper import __builtins__ as b',
    'from .helper import *',
    'from . import compiled',
    'from algoperf import spec; spec.os.kill(1, 9)',
    'import torch',
  ],
)
def test_own_files_hide_nothing(tmp_path, line):
  helper = 'import numpy as np\n'
  found = theirs(tmp_path, submission=f'{line}\n{IDLE}', helper=helper)
  assert found and {one.file for one in found} == {'submission.py'}


def test_files_that_are_no_source_are_named(tmp_path):
  (tmp_path / 'weights.npy').write_bytes(b'12')
  (tmp_path / 'table.json').write_text('1' * 5000)
  (tmp_path / 'README.md').write_text('text ' * 5000)
  found = theirs(tmp_path)
  assert [one.file for one in found] == ['table.json', 'weights.npy']


def test_literals_of_several_files_count_together(tmp_path):
  half = f'x = {"x" * 2500!r}\n'
  [one] = theirs(tmp_path, helper=half, other=half)
  assert '4096' in one.text


def test_batch_sizes_may_depend_on_the_workload(tmp_path):
  sizes = 'def get_batch_size(name): return {"wmt": 128}[name]\n'
  assert theirs(tmp_path, submission=IDLE + sizes) == []
  [one] = theirs(tmp_path, submission=IDLE + 'SIZES = {"wmt": 128}\n')
  assert 'the name of a workload' in one.text


@pytest.mark.parametrize(
  'text',
  [
    'x = ' + '-' * 5000 + '1',
    'x = ' + '(' * 90 + '1' + ')' * 90,
    'x = jax\n' + 'x = x.a or x.b\n' * 300,
    'x = "a"\n' + 'x = x + x\n' * 300,
    'def (',
    'x = "\ud800"',
    '\0',
  ],
)
def test_sources_that_are_hard_to_read_give_no_traceback(tmp_path, text):
  began = time.monotonic()
  path = tmp_path / 'mine.py'
  path.write_bytes(text.encode('utf-8', 'surrogatepass'))
  found = source_lint.look(path)
  assert all(one.file == 'mine.py' for one in found)
  assert time.monotonic() - began < 10
