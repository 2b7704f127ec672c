"""Training batches on their way: the same whether made ahead or not."""

import threading
import time

import numpy as np
import pytest

from runner.trial.clock import Clock
from runner.trial.feed import Feed
from workloads import batches


class Slow:
  """Numbers of the stream; remembers what was asked for."""

  def __init__(self, ahead, size=10):
    self.ahead = ahead
    self.size = size
    self.asked = []
    self.broken = None

  def __len__(self):
    return self.size

  def __getitem__(self, indices):
    return {'inputs': np.asarray(indices)}

  def draw(self, seed, first, count):
    self.asked.append((first, count, threading.current_thread().name))
    if first == self.broken:
      raise ValueError('record 7 is damaged')
    indices = batches.stream(self.size, seed, first, count)
    return self[indices]


def drawn(feed, *sizes):
  return [np.asarray(next(feed(size))['inputs']).tolist() for size in sizes]


@pytest.mark.parametrize('sizes', [[4] * 6, [2, 2, 4, 4, 4, 8], [1, 3, 1, 3]])
def test_batches_made_ahead_are_those_made_when_drawn(sizes):
  at_once, ahead = Slow(0), Slow(2)
  one, two = Feed(at_once, 7, Clock()), Feed(ahead, 7, Clock())
  assert drawn(one, *sizes) == drawn(two, *sizes)
  assert (one.steps, one.examples) == (two.steps, two.examples)
  assert two.examples == sum(sizes) and two.steps == len(sizes)


def test_no_more_is_made_ahead_than_the_source_says():
  """Memory stays bounded, and what is ahead is not counted."""
  source = Slow(2)
  feed = Feed(source, 0, Clock())
  drawn(feed, 4, 4)
  feed._ahead._thread.shutdown()
  assert [first for first, *_ in source.asked] == [0, 4, 8, 12]
  assert {name.split('_')[0] for *_, name in source.asked} == {'feed'}
  assert feed.examples == 8


def test_in_memory_nothing_is_made_ahead():
  source = Slow(0)
  drawn(Feed(source, 0, Clock()), 4, 4)
  assert [first for first, *_ in source.asked] == [0, 4]
  assert {name for *_, name in source.asked} == {'MainThread'}


def test_resumed_the_stream_goes_on():
  whole = drawn(Feed(Slow(2), 3, Clock()), *[4] * 5)
  feed = Feed(Slow(2), 3, Clock())
  feed.steps, feed.examples = 2, 8
  assert drawn(feed, 4, 4, 4) == whole[2:]


def test_stacked_batches_are_those_drawn_one_by_one():
  single = drawn(Feed(Slow(2), 3, Clock()), 4, 4)
  feed = Feed(Slow(2), 3, Clock())
  assert np.asarray(next(feed(4, 2))['inputs']).tolist() == single
  assert feed.steps == 2


def test_what_cannot_be_read_is_told_when_it_is_drawn_and_not_before():
  source = Slow(2)
  source.broken = 8
  feed = Feed(source, 0, Clock())
  drawn(feed, 4, 4)
  with pytest.raises(ValueError, match='record 7 is damaged'):
    drawn(feed, 4)


def test_padding_is_measured_of_one_batch_and_charged_to_nobody():
  asked, clock = [], Clock()

  def measure(batch):
    time.sleep(0.05)
    asked.append(batch['inputs'].tolist())
    return 0.25

  feed = Feed(Slow(0), 0, clock, measure)
  assert feed.padding is None
  with clock.account('train'):
    drawn(feed, 4, 4, 4)
  assert feed.padding == 0.25
  assert [len(batch) for batch in asked] == [4]
  assert clock.accounts()['record'] >= 0.05
