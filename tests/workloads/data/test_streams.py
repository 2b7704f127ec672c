"""Batches of decoded records are a function of seed and position."""

import numpy as np
import pytest

from workloads.data.streams import Stored


class Numbers:
  """Records that are their own number."""

  def __init__(self, size):
    self.size = size

  def __len__(self):
    return self.size

  def __getitem__(self, numbers):
    return [{'number': number} for number in numbers]

  def where(self, number):
    return f'record {number}'


def source(asked=None, **options):
  def decode(record, rng):
    if asked is not None:
      asked.append(record['number'])
    noise = 0.0 if rng is None else rng.random()
    return {'inputs': np.array([record['number'], noise])}

  return Stored(Numbers(23), decode, **options)


@pytest.mark.parametrize('same_again', [False, True])
@pytest.mark.parametrize('threads', [1, 3])
def test_a_batch_is_its_parts_wherever_they_begin(same_again, threads):
  """The first example of a batch was once decoded twice, with other noise."""
  whole = source(same_again=same_again, threads=1).draw(5, 10, 12)['inputs']
  cut = source(same_again=same_again, threads=threads)
  parts = [cut.draw(5, first, 4)['inputs'] for first in (10, 14, 18)]
  np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_every_record_is_decoded_once():
  asked = []
  source(asked, threads=2).draw(0, 0, 23)
  assert sorted(asked) == list(range(23))


def test_noise_is_of_the_place_or_of_the_record():
  def noise(same_again):
    drawn = source(same_again=same_again).draw(1, 0, 46)['inputs']
    first, second = ({n: x for n, x in drawn[k : k + 23]} for k in (0, 23))
    return [first[n] == second[n] for n in range(23)]

  assert all(noise(True)) and not any(noise(False))


def test_without_training_there_is_no_noise():
  rows = source()[np.array([3, 1])]['inputs']
  np.testing.assert_array_equal(rows, [[3, 0], [1, 0]])
