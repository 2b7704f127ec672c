"""Training batches on their way: the same whether made ahead or not."""

import threading
import time

import jax
import numpy as np
import pytest

from runner.trial import devices, feed as feeds
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from workloads import batches
from workloads.batches import Arrays
from workloads.images.small_images import Pixels


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


def test_what_counts_for_no_steps_gets_one_batch_again_and_again():
  feed = Feed(Slow(2), 3, Clock())
  [whole] = drawn(Feed(Slow(2), 3, Clock()), 4)
  again = feed.first(4)
  assert [np.asarray(next(again)['inputs']).tolist() for _ in range(3)] == (
    3 * [whole]
  )
  feed.steps, feed.examples = 1, 4  # The stream goes on where it was.
  assert drawn(feed, 4) == drawn(Feed(Slow(2), 3, Clock()), 4, 4)[1:]


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


@pytest.fixture
def accelerated(monkeypatch):
  """Feeds take this CPU for an accelerator."""
  monkeypatch.setattr(jax, 'default_backend', lambda: 'tpu')
  assert devices.accelerated()


PIXELS = np.random.default_rng(4).integers(0, 256, (24, 4, 4, 3), np.uint8)
SOURCES = {
  'memory': Arrays({'inputs': np.arange(24)}),
  'read ahead': Slow(3, size=24),
  'bytes': Pixels(PIXELS, np.arange(24), (0.5, 0.4, 0.3), (0.2, 0.3, 0.2)),
}


def taken(source, *draws, done=0):
  """Return the batches of draws (size, stack), and the feed."""
  feed = Feed(source, 7, Clock())
  feed.examples = done
  return [next(feed(*draw)) for draw in draws], feed


@pytest.mark.parametrize('source', SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(
  'draws', [[(4, 1)] * 5, [(2, 2), (2, 2), (4, 1), (8, 3), (8, 3), (1, 1)]]
)
@pytest.mark.parametrize('done', [0, 12])
def test_an_accelerator_gets_the_same_batches(source, draws, done, request):
  usual, one = taken(source, *draws, done=done)
  request.getfixturevalue('accelerated')
  there, two = taken(source, *draws, done=done)
  for a, b in zip(usual, there, strict=True):
    assert a.keys() == b.keys()
    for name, rows in b.items():
      assert isinstance(rows, jax.Array) and rows.committed
      assert rows.dtype == jax.numpy.asarray(a[name]).dtype
      np.testing.assert_array_equal(rows, a[name])
  assert (one.steps, one.examples) == (two.steps, two.examples)


def test_an_accelerator_gets_batches_where_the_step_wants_them(accelerated):
  [batch, stack], _ = taken(SOURCES['bytes'], (4, 1), (4, 2))
  assert {x.sharding for x in batch.values()} == {devices.splitting()}
  assert {x.sharding for x in stack.values()} == {devices.splitting(True)}


def test_images_travel_as_bytes(accelerated, monkeypatch):
  sent = []
  monkeypatch.setattr(
    devices, 'split', lambda batch, stacked: sent.append(batch) or batch
  )
  [batch], _ = taken(SOURCES['bytes'], (4, 1))
  # The thread of an earlier test's feed may still make its batches.
  images = [made['inputs'] for made in sent if made['inputs'].ndim == 4]
  assert {rows.dtype for rows in images} == {np.dtype(np.uint8)}
  assert batch['inputs'].dtype == np.float32


def test_for_an_accelerator_a_thread_makes_two_batches_ahead(accelerated):
  """Sources in memory, too; then the step never waits."""
  source = Slow(0)
  _, feed = taken(source, (4, 1), (4, 1))
  feed._ahead._thread.shutdown()
  assert [first for first, *_ in source.asked] == [0, 4, 8, 12]
  assert {name.split('_')[0] for *_, name in source.asked} == {'feed'}
  assert feed.examples == 8


@pytest.mark.parametrize(('room', 'ahead'), [(1.9, 1), (0.9, 0), (9, 2)])
def test_batches_ahead_are_bounded_in_bytes(
  accelerated, monkeypatch, room, ahead
):
  each = 4 * (8 + 4)  # Bytes of four examples: an int64 and a weight each.
  monkeypatch.setattr(feeds, 'AHEAD_BYTES', int(room * each))
  source = Slow(0)
  _, feed = taken(source, (4, 1), (4, 1))
  feed._ahead._thread.shutdown()
  assert len(source.asked) == 2 + ahead


def test_batches_of_another_size_are_cancelled(accelerated):
  source = Slow(0, size=100)
  begun, go = threading.Event(), threading.Event()
  draw = source.draw

  def slow(seed, first, count):
    if first == 4:
      begun.set()
      go.wait(30)
    return draw(seed, first, count)

  source.draw = slow
  feed = Feed(source, 0, Clock())
  next(feed(4))
  begun.wait(30)  # The batch at 4 is being made, the batch at 8 waits.
  threading.Timer(0.05, go.set).start()
  next(feed(2))
  feed._ahead._thread.shutdown()
  made = [(first, count) for first, count, _ in source.asked]
  assert made == [(0, 4), (4, 4), (4, 2), (6, 2), (8, 2)]


def test_an_error_of_the_thread_reaches_who_draws(accelerated):
  source = Slow(0)
  source.broken = 8
  feed = Feed(source, 0, Clock())
  drawn(feed, 4, 4)
  with pytest.raises(ValueError, match='record 7 is damaged'):
    drawn(feed, 4)


def test_for_an_accelerator_only_the_wait_is_charged(accelerated):
  source, clock = Slow(0), Clock()
  draw = source.draw
  source.draw = lambda *place: time.sleep(0.1) or draw(*place)
  feed = Feed(source, 0, clock)
  for _ in range(3):
    next(feed(4))
    time.sleep(0.25)  # A step.
  assert 0.1 <= clock.accounts()['data'] < 0.2
