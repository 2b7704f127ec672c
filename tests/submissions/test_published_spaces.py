"""Search spaces that say they are AlgoPerf's archived ones, name by name.

Source: algorithms/archived_paper_baselines of mlcommons/algorithmic-efficiency
at 2c90454f, `tuning_search_space.json` of each baseline.
"""

import pytest

import submissions
from runner.protocol.suites import search_space as spaces

NAMES = {'warmup_factor': 'warmup', 'dropout_rate': 'dropout'}  # Theirs: ours.


def log(low, high):
  return {'min': low, 'max': high, 'scaling': 'log'}


def one_of(*values):
  return {'feasible_points': list(values)}


REGULARIZED = {
  'warmup_factor': one_of(0.05),
  'label_smoothing': one_of(0.1, 0.2),
  'dropout_rate': one_of(0.0, 0.1),
}
ADAM = REGULARIZED | {'learning_rate': log(1e-4, 1e-2), 'beta2': one_of(0.999)}
SGD = REGULARIZED | {
  'learning_rate': log(0.02, 5.0),
  'one_minus_beta1': log(5e-3, 0.3),
  'weight_decay': log(1e-7, 5e-5),
  'decay_steps_factor': one_of(0.9),
  'end_factor': one_of(1e-3, 1e-2),
}
ARCHIVED = {
  'adamw': ADAM
  | {'one_minus_beta1': log(0.02, 0.5), 'weight_decay': log(5e-3, 1.0)},
  'nadamw': ADAM
  | {'one_minus_beta1': log(4e-3, 0.1), 'weight_decay': log(5e-3, 1.0)},
  'lamb': ADAM
  | {'one_minus_beta1': log(0.05, 0.3), 'weight_decay': log(1e-3, 1.0)},
  'shampoo': ADAM
  | {'one_minus_beta1': log(0.01, 0.15), 'weight_decay': log(5e-3, 1.0)},
  'momentum': SGD,
  'nesterov': SGD,
}
OURS = {  # What theirs do not name.
  'lamb': {'floor'},
  'shampoo': {'block', 'every', 'horizon'},
}
# Those that say whose space they have, beside what is their own.
SAME = {
  'adamw': [
    *('adam_8bit', 'adamw_8bit', 'auto_lrs', 'data_echoing'),
    *('growing_batches', 'hypergradient', 'multigrid', 'refined'),
    *('scaled_batch', 'wsd_s'),
  ],
  'nadamw': ['cautious', 'ema', 'lawa', 'sam'],
  'momentum': ['momentum_8bit'],
  'lamb': ['lamb_8bit'],
  'lion': ['lion_8bit'],
}
UNLIKE = {  # What these have no place for, or search for by themselves.
  'adam_8bit': {'weight_decay'},
  'auto_lrs': {'learning_rate', 'warmup'},
}


@pytest.mark.parametrize('name', ARCHIVED)
def test_archived_spaces_are_complete(name):
  space = submissions.find(name).space
  theirs = {NAMES.get(key, key): spec for key, spec in ARCHIVED[name].items()}
  assert space.keys() - theirs.keys() == OURS.get(name, set())
  assert {key: space[key] for key in theirs} == theirs


@pytest.mark.parametrize(
  ('name', 'other'), [(a, b) for a, others in SAME.items() for b in others]
)
def test_a_space_that_is_anothers_is_complete(name, other):
  space, borrowed = (submissions.find(n).space for n in (name, other))
  missing = space.keys() - borrowed.keys()
  assert missing == UNLIKE.get(other, set())
  assert {k: borrowed[k] for k in space.keys() - missing} == {
    k: space[k] for k in space.keys() - missing
  }


@pytest.mark.parametrize(
  ('name', 'other'),
  [
    *(
      ('adamw', n) for n in ('adamw_8bit', 'hypergradient', 'refined', 'wsd_s')
    ),
    *(('nadamw', n) for n in SAME['nadamw']),
    *(('momentum', n) for n in ('momentum_8bit', 'nesterov')),
    ('lamb', 'lamb_8bit'),
    ('lion', 'lion_8bit'),
  ],
)
def test_what_is_compared_draws_the_same_points(name, other):
  """Hyperparameters are drawn in the order of their names in the file."""
  drawn, borrowed = (
    spaces.points(submissions.find(n).space, 5, 0, n) for n in (name, other)
  )
  for point, same in zip(drawn, borrowed, strict=True):
    assert {key: same[key] for key in point} == point
