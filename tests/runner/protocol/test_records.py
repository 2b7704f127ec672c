"""Records that processes write for each other come back as they were."""

import json
import tomllib

import pytest

from runner.protocol import layout, storage
from runner.protocol.plan import Machine, Speed
from runner.protocol.records import (
  checkpoints,
  events,
  exams,
  notes,
  progress,
  speeds,
  starts,
  trees,
)
from runner.protocol.suites import suite

SPEC = suite.load('mini').workloads['criteo1tb/mini']
REQUEST = exams.Request(
  model='/a/b',
  step=7,
  spec=SPEC,
  data_dir=None,
  splits=('validation', 'test'),
  keep='/c',
)
ANSWERS = [
  exams.Answer(metrics={'validation/loss': 0.5}, sha256='ab', seconds=1.5),
  exams.Answer(unfit='It is of step 3.', device='cpu'),
  exams.Answer(failed='MemoryError: '),
  exams.Answer(generated='cd', device='cpu'),
  exams.Answer(doing=exams.DOING),
]
NEWS = [
  progress.ProgressEvent(step=3, seconds=0.5, loss=2.0),
  progress.ProgressEvent(step=0, seconds=0.0, metric=0.0, doing='training'),
  progress.ProgressEvent(over=True),
  progress.ProgressEvent(),
]
FACTS = checkpoints.Facts(
  steps=3,
  examples=96,
  accounts={'train': 1.0},
  rows={layout.EVALS: [{'global_step': 3}], layout.SCALARS: []},
  tree=['', 'array'],
  load={'charged_seconds': 1.0},
)
TREE = trees.Node(
  'builtins:dict',
  (None, trees.Leaf("['w']", 'array'), trees.Node('a:B', (), None)),
  {'list': []},
)


def test_a_request_for_an_exam_comes_back():
  assert exams.parse_request(REQUEST.to_line()) == REQUEST


@pytest.mark.parametrize('answer', ANSWERS)
def test_an_answer_of_an_exam_comes_back(answer):
  assert exams.parse_answer(answer.to_line().encode()) == answer


@pytest.mark.parametrize('event', NEWS)
def test_progress_comes_back(event):
  assert progress.parse(event.to_line().encode()) == event


def test_later_progress_covers_earlier_progress():
  earlier = progress.ProgressEvent(step=1, loss=0.5, doing='training')
  later = earlier.then(progress.ProgressEvent(step=2, metric=0.0))
  assert later == progress.ProgressEvent(
    step=2, loss=0.5, metric=0.0, doing='training'
  )


def test_facts_of_a_checkpoint_come_back():
  stored = json.loads(json.dumps(FACTS.to_json()))
  assert list(stored) == [
    'tree', 'steps', 'examples', 'accounts', 'load', 'rows',
  ]  # fmt: skip
  assert checkpoints.parse(stored) == FACTS


def test_checkpoints_from_before_trees_and_loads_are_read():
  stored = FACTS.to_json()
  del stored['tree'], stored['load']
  assert checkpoints.parse(stored) == FACTS._replace(tree=None, load=None)


def test_a_tree_comes_back():
  stored = json.loads(json.dumps(trees.dump(TREE)))
  assert stored['children'][2] == {'type': 'a:B', 'children': []}
  assert trees.parse(stored) == TREE


def test_the_start_of_a_remote_process_comes_back():
  one = starts.RemoteStart(
    secret='KEY', folder='/a', env={'A': 'b'}, command=['x', '-y']
  )
  assert starts.parse(one.to_line()) == one


def test_measured_speeds_come_back_beside_comments():
  text = '# Ours.\n[mini."old"]\ncompile_seconds = "slow"\n'
  machine = Machine(name='here', facts={'name': 'here', 'cores': 2})
  one = speeds.Measured(Speed(1.0, 0.5), 'sgd-64-1', {'driver': '580'})
  whole = speeds.added(text, machine, 'mini', {'a/b': one})
  table = tomllib.loads(whole)
  assert whole.startswith('# Ours.')
  assert speeds.rows(table, 'mini', {'a/b'}) == {'a/b': one}
  assert speeds.machine(table) == machine
  with pytest.raises(LookupError):
    speeds.rows(table, 'mini', {'a/b', 'old'})


OLD = [  # Lines as earlier versions wrote them.
  {'event': 'start', 'attempt': 0, 'time': 'T', 'pid': 3},
  {
    'event': 'end', 'attempt': 0, 'time': 'T', 'outcome': 'budget',
    'reason': '', 'seconds': 2.0, 'accounts': {'train': 2.0},
  },
  {'event': 'exit', 'attempt': 0, 'code': 0, 'wall_seconds': 3.0},
]  # fmt: skip


def test_events_of_earlier_versions_are_read():
  start, end, left = map(events.parse, OLD)
  assert isinstance(start, events.Start) and start.hardware is None
  assert isinstance(end, events.End) and end.own_seconds is None
  assert not end.again and end.load == {} and not end.is_sound()
  assert (left.kind, left.attempt) == (events.EXIT, 0)
  assert [start.line, end.line, left.line] == OLD


def test_what_a_parent_has_seen_keeps_its_order():
  seen = events.Seen(wall_seconds=2.0, processor_seconds=0.0, code=0)
  assert json.dumps(seen.to_json()) == (
    '{"wall_seconds": 2.0, "processor_seconds": 0.0, "code": 0}'
  )


@pytest.mark.parametrize(
  ('content', 'words'),
  [
    (b'{', 'is not JSON'),
    (b'\xff\xfe', 'is not text in UTF-8'),
    (b'7', 'it holds 7, and must hold'),
    (b'null', 'it holds None, and must hold'),
    (b'[[1]]', 'and must hold'),
    (b'{"a": 1}', 'and must hold'),
    (b'[' * 100_000, 'nested too deeply'),
  ],
  ids=[
    'cut',
    'bytes',
    'a number',
    'null',
    'a list of lists',
    'a table',
    'deep',
  ],
)
@pytest.mark.parametrize(
  ('name', 'read'),
  [(notes.TESTED, notes.tested), (notes.JOBS, notes.jobs)],
  ids=['tested', 'jobs'],
)
def test_damaged_notes_are_told_with_what_to_do(
  tmp_path, name, read, content, words
):
  """A list in the place of a table once ended a race in a traceback."""
  (tmp_path / name).write_bytes(content)
  with pytest.raises(storage.RecordsError) as error:
    read(tmp_path)
  assert words in str(error.value) and str(tmp_path / name) in str(error.value)
  assert 'remove' in str(error.value).lower()


def test_notes_come_back(tmp_path):
  assert notes.tested(tmp_path) == [] and notes.jobs(tmp_path) == {}
  notes.write_tested(tmp_path, ['a', 'b'])
  notes.write_jobs(tmp_path, {'a': '7'})
  assert notes.tested(tmp_path) == ['a', 'b']
  assert notes.jobs(tmp_path) == {'a': '7'}
