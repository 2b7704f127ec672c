"""The rest of a schedule, from its past."""

import json
import math

import numpy as np
import pytest

from scoring.forecast import schedule
from scoring.forecast.schedule import Rates

LAST = 500
STEPS = np.arange(2, LAST + 1, 2)


def warm(form, horizon=LAST, warmup=25):
  """Return the rates of all steps: a warmup, then a decay."""
  every = np.arange(1, LAST + 1)
  way = np.clip((every - warmup) / (horizon - warmup), 0, 1)
  rates = np.where(every < warmup, every / warmup, form(way))
  return 0.003 * rates


def cosine(way):
  return (1 + np.cos(math.pi * way)) / 2


def linear(way):
  return 1 - way


@pytest.mark.parametrize('form', [cosine, linear])
@pytest.mark.parametrize('horizon', [300, 500, 600])
@pytest.mark.parametrize('until', [150, 250])
def test_a_decay_is_continued(form, horizon, until):
  rates = warm(form, horizon)
  past = STEPS[: until // 2]
  found = schedule.foreseen(Rates(past, rates[past - 1]), LAST)
  assert found is not None
  # The first step has no record.
  assert found[1:] == pytest.approx(rates[1:] / rates.max(), abs=0.03)


@pytest.mark.parametrize(
  'form',
  [
    np.ones_like,  # Constant so far: a decay may come.
    lambda way: (1 - way) / (1 - way / 2),  # Rex.
    lambda way: 1 / np.sqrt(1 + 5 * way),
    lambda way: 0.6 + 0.4 * np.cos(40 * way),  # Restarts.
  ],
)
def test_other_schedules_are_unknown(form):
  past = STEPS[:100]
  assert schedule.foreseen(Rates(past, warm(form)[past - 1]), LAST) is None


@pytest.mark.parametrize('rates', [[], [0.1] * 3, [0.0] * 20, [-1.0] * 20])
def test_too_little_is_unknown(rates):
  steps = np.arange(1, len(rates) + 1)
  assert schedule.foreseen(Rates(steps, np.array(rates)), LAST) is None


@pytest.mark.parametrize(
  'form', [np.ones_like, lambda way: 0.6 + 0.4 * np.cos(40 * way)]
)
def test_a_schedule_that_is_recorded_as_a_whole_is_known(form, tmp_path):
  rates = warm(form)
  at = np.linspace(1, LAST, 200).round().astype(int)
  whole = {
    'steps': at.tolist(),
    'rates': (rates[at - 1] / rates.max()).tolist(),
  }
  (tmp_path / 'schedule.json').write_text(json.dumps(whole))
  past = STEPS[:30]
  rows = [f'{n},{rates[n - 1]}' for n in past]
  (tmp_path / 'measurements.csv').write_text(
    '\n'.join(['global_step,learning_rate', *rows])
  )
  known = schedule.recorded(tmp_path)
  found = schedule.foreseen(known, LAST)
  assert found == pytest.approx(rates / rates.max(), abs=0.03)
  other = known._replace(rates=known.rates * np.linspace(1, 2, len(past)))
  assert schedule.foreseen(other, LAST) is None


@pytest.mark.parametrize(
  'text', ['', '[]', '{}', '{"steps": [1], "rates": []}',
           '{"steps": [2, 1], "rates": [1, 1]}',
           '{"steps": [1], "rates": ["x"]}', '{"steps": [1], "rates": [NaN]}'],
)  # fmt: skip
def test_a_damaged_whole_schedule_says_nothing(tmp_path, text):
  (tmp_path / 'schedule.json').write_text(text)
  assert not schedule.recorded(tmp_path)


def test_recorded_rates_are_read(tmp_path):
  path = tmp_path / 'measurements.csv'
  path.write_text('global_step,learning_rate,loss\n2,0.1,3\n4,nan,2\n6,0.3,1\n')
  steps, rates, _ = schedule.recorded(tmp_path)
  assert steps.tolist() == [2, 6]
  assert rates.tolist() == [0.1, 0.3]


@pytest.mark.parametrize(
  'text', ['', 'global_step,loss\n1,2\n', 'global_step,learning_rate\n1,x\n',
           'global_step,learning_rate\n1\n', '\0\n', None],
)  # fmt: skip
def test_files_without_rates_say_nothing(tmp_path, text):
  if text is not None:
    (tmp_path / 'measurements.csv').write_text(text)
  steps, rates, _ = schedule.recorded(tmp_path)
  assert not steps.size
  assert not rates.size
