"""Worlds differ in data and truth; world 0 is what boards were raced on."""

import dataclasses
import hashlib
import inspect

import numpy as np
import pytest

import workloads
from runner.protocol import columns
from runner.protocol.suites import suite as rules
from runner.trial import exam, task as tasks
from runner.trial.task import TrialTask
from workloads import generated, worlds
from workloads.clicks import synthetic as clicks
from workloads.graphs import synthetic as molecules
from workloads.images import synthetic as figures
from workloads.mri import synthetic as bodies
from workloads.speech import synthetic as utterances, voices
from workloads.text import synthetic_pairs, synthetic_text

MINIS = (
  'cifar/mini', 'criteo1tb/mini', 'fastmri/mini', 'finewebedu_lm/mini',
  'imagenet_resnet/mini', 'imagenet_vit/mini', 'librispeech_conformer/mini',
  'librispeech_deepspeech/mini', 'mnist/mini', 'ogbg/mini', 'wmt/mini',
)  # fmt: skip
# Checksums of all validation arrays, from the code before there were worlds.
BEFORE = {
  'cifar/mini': {
    'inputs': 3.08869903e-05,
    'targets': 0.011862508,
  },
  'criteo1tb/mini': {
    'inputs': 0.0246384205,
    'targets': -0.00344742359,
  },
  'fastmri/mini': {
    'inputs': -3.11395032e-05,
    'targets': 6.36874516e-05,
    'mean': 0.00285062813,
    'std': 0.00108898964,
    'volume_max': 0.00488482798,
  },
  'finewebedu_lm/mini': {
    'inputs': -0.539753528,
    'targets': 0.346133278,
  },
  'imagenet_resnet/mini': {
    'inputs': -4.6615906e-05,
    'targets': 0.0441887206,
  },
  'imagenet_vit/mini': {
    'inputs': -2.96437171e-05,
    'targets': 0.0441887206,
  },
  'librispeech_conformer/mini': {
    'inputs': -0.169324136,
    'input_paddings': 2.44074345e-06,
    'targets': -0.0376960338,
    'target_paddings': 0.000766647838,
  },
  'librispeech_deepspeech/mini': {
    'inputs': -0.169324136,
    'input_paddings': 2.44074345e-06,
    'targets': -0.0376960338,
    'target_paddings': 0.000766647838,
  },
  'mnist/mini': {
    'inputs': -3.7399603e-05,
    'targets': 0.0128938593,
  },
  'ogbg/mini': {
    'nodes': -0.00192527197,
    'edges': 0.000146432049,
    'senders': -0.00203263347,
    'receivers': -0.00232808161,
    'n_edge': 0.00666300884,
    'n_node': 0.00992616417,
    'targets': -0.000206956364,
    'labelled': -0.0071751988,
  },
  'wmt/mini': {
    'inputs': -1.12642447,
    'inputs_position': -0.00342249122,
    'inputs_segmentation': -9.80304811e-05,
    'targets': -1.26497493,
    'targets_position': 0.05763429,
    'targets_segmentation': 0.0050636355,
  },
}


def rows(name, split, world=0):
  source = workloads.get(name, world=world).source(split, None)
  return source[np.arange(len(source))]


def digest(arrays):
  found = hashlib.sha256()
  for name, array in sorted(arrays.items()):
    found.update(f'{name} {array.dtype} {array.shape}'.encode())
    found.update(np.ascontiguousarray(array).tobytes())
  return found.hexdigest()[:16]


def checksum(array):
  """A mean with weights: other processors may round otherwise."""
  flat = array.astype(np.float64).ravel()
  return (flat * np.cos(np.arange(len(flat)))).mean()


@pytest.mark.parametrize('name', MINIS)
def test_world_0_is_what_boards_were_raced_on(name):
  found, before = rows(name, 'validation'), BEFORE[name]
  assert found.keys() == before.keys()
  for key, array in found.items():
    assert checksum(array) == pytest.approx(
      before[key], rel=1e-6, abs=1e-5 * array.std()
    ), key


@pytest.mark.parametrize('name', MINIS)
def test_worlds_differ_in_all_splits_and_not_in_shapes(name):
  for split in columns.SPLITS:
    one, other = (rows(name, split, world) for world in (0, 1))
    assert {k: (x.shape[1:], x.dtype) for k, x in one.items()} == {
      k: (x.shape[1:], x.dtype) for k, x in other.items()
    }
    for key in ('inputs', 'nodes'):
      if key in one:
        few = min(len(one[key]), len(other[key]))
        assert (one[key][:few] != other[key][:few]).mean() > 0.1


def truths(world):
  """The truths of a world, by name."""

  def stream(*numbers):
    return generated.stream(*numbers, world=world)

  return {
    'effects of clicks': clicks._world(stream(0)).value,
    'assays': molecules._assays_of(world),
    'figures': figures._shapes(20, 0, world),
    'colours': figures._normal(stream(0, 0), 3),
    'bodies': bodies._tissues(world),
    'words': utterances._language(world)[0],
    'sounds': voices.sounds(world),
    'dictionary': synthetic_pairs._truth(world).target.noun,
    'genders': synthetic_pairs._truth(world).gender,
    'grammar': synthetic_text._language(stream(0)).noun.heights,
  }


def test_worlds_differ_in_the_truth():
  found = [truths(world) for world in (0, 1, 2, 2**40)]
  for name in found[0]:
    digests = {digest({name: np.array(one[name])}) for one in found}
    assert len(digests) == len(found), name
  assert found[0]['assays'] == molecules.ASSAYS
  again = truths(2)
  for name, truth in found[2].items():
    np.testing.assert_array_equal(truth, again[name])


@pytest.mark.parametrize('world', [1, 2, 3])
def test_worlds_have_as_many_clicks_and_positive_assays(world):
  labels = rows('criteo1tb/mini', 'validation', world)['targets']
  before = rows('criteo1tb/mini', 'validation')['targets'].mean()
  assert labels.mean() == pytest.approx(before, abs=0.02)
  both = [rows('ogbg/mini', 'validation', w)['targets'] for w in (0, world)]
  one, other = (targets.mean(axis=0) for targets in both)
  assert other.mean() == pytest.approx(one.mean(), rel=0.3)
  assert other.min() > 0.01


def test_all_workloads_with_generated_data_have_worlds_and_no_others():
  for name in workloads.names():
    plain = workloads.get(name)
    fields = {field.name: field for field in dataclasses.fields(plain)}
    usual = fields['data'].default if 'data' in fields else None
    made = usual is not None and plain.data != usual
    assert worlds.exist(name) == made, name
    assert worlds.exist(name.replace('/', '_')) == made, name


def test_other_workloads_have_no_world():
  for name in ('criteo1tb', 'digits', 'ogbg/gelu'):
    assert workloads.get(name, world=0) == workloads.get(name)
    with pytest.raises(ValueError, match=r'world = 7.*not generated'):
      workloads.get(name, world=7)


@pytest.mark.parametrize('name', MINIS)
def test_worlds_share_what_is_compiled(name):
  """A compiled program is found by the workload, which is a static argument."""
  one, other = (workloads.get(name, world=world) for world in (1, 2))
  assert (one.world, other.world) == (1, 2)
  assert one == other and hash(one) == hash(other)


def test_the_generators_name_their_world():
  for made in (
    clicks.source, molecules.source, figures.source, bodies.source,
    utterances._utterances, synthetic_pairs.source, synthetic_text.source,
  ):  # fmt: skip
    assert 'world' in inspect.signature(made).parameters


def test_a_world_never_reads_the_data_of_another(tmp_path, monkeypatch):
  monkeypatch.setattr(generated, '_made', {})
  monkeypatch.setattr(generated, '_kept', [])
  known = {
    world: generated.kept(molecules.source.__wrapped__)('test', world)
    for world in (0, 1)
  }
  generated.read(tmp_path, generated.write(tmp_path))
  generated._made.clear()
  again = generated.kept(molecules.source.__wrapped__)
  for world, before in known.items():
    after = again('test', world)
    assert digest(after.rows) == digest(before.rows)
  assert not generated._made  # Both were read.
  again('test', 2)
  assert len(generated._made) == 1  # Nobody has kept these.


def test_a_submission_is_not_told_the_world():
  """It could generate the examples on which it is judged."""
  spec = rules.load('mini').workloads['ogbg/mini']
  spec = dataclasses.replace(spec, world=2)
  workload = workloads.get(spec.workload, world=2)
  sources = {'train': workload.source('train', None)}
  task = TrialTask(workload=workload, sources=sources, spec=spec)
  seen = tasks.for_submission(task).workload
  assert seen == workload and seen.world == 0


def test_the_second_evaluation_of_a_world_is_on_its_data():
  """One process evaluates the models of all trials, and keeps their data."""
  spec = rules.load('mini').workloads['ogbg/mini']
  known = {}
  found = [
    exam._task(dataclasses.replace(spec, world=world), None, known)
    for world in (0, 1, 0)
  ]
  assert len(known) == 2
  first, second, third = (one.sources['test'].rows['nodes'] for one in found)
  assert first is third and (first != second).any()
