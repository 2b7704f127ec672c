"""Time profiles: seconds of steps, and steps within seconds."""

import pytest

from runner.protocol.timing import time_profiles
from runner.protocol.timing.time_profiles import made


def profile(spent=False):
  """An expensive step (1 to 2) and a batch that grows after step 10."""
  return made([(1, 2.0), (2, 5.0), (10, 9.0), (20, 29.0)], spent)


@pytest.mark.parametrize(
  ('step', 'seconds'),
  [(0, 0.0), (1, 2.0), (2, 5.0), (6, 7.0), (10, 9.0), (15, 19.0), (20, 29.0)],
)
def test_seconds_lie_between_those_of_the_neighbours(step, seconds):
  assert profile().at(step) == pytest.approx(seconds)


def test_nothing_is_known_after_the_last_step():
  assert profile().at(21) is None
  assert profile().within(29.5) is None


def test_a_profile_that_has_spent_its_budget_ends_within_it():
  assert profile(spent=True).within(1e9) == 20


@pytest.mark.parametrize(
  ('seconds', 'step'), [(0.0, 0), (2.0, 1), (4.9, 1), (9.0, 10), (19.0, 15)]
)
def test_steps_within_seconds_are_the_last_that_end_in_time(seconds, step):
  assert profile().within(seconds) == step


def test_of_two_records_of_a_step_the_later_one_counts():
  """A training record is made before the device has finished the step."""
  assert made([(5, 1.0), (5, 1.5)], spent=False).at(5) == 1.5


def test_seconds_never_fall():
  assert made([(5, 3.0), (6, 2.5)], spent=False).at(6) == 3.0


def test_profiles_have_a_folder_for_each_machine(tmp_path):
  place = time_profiles.folder(tmp_path, 'h100')
  place.mkdir(parents=True)
  assert time_profiles.folders(tmp_path) == []
  (place / 'plan.json').write_text('{}')
  assert time_profiles.folders(tmp_path) == [place]
