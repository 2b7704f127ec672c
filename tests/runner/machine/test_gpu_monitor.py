"""What is seen of NVIDIA's cards, which a script stands in for."""

import time

import pytest

from runner.machine import gpu_monitor, hardware, speeds as speeds_
from runner.protocol import layout, storage
from runner.protocol.plan import Speed
from runner.protocol.suites import suite as rules
from tests.support import suites

COOL = '580.1, 0x0000000000000004, 1980, 2619, 61, 695.20\n'
HOT = '580.1, 0x0000000000000048, 1200, 2619, 92, 410.00\n'
IDLE = '580.1, 0x0000000000000001, 345, 405, 30, 70.00\n'
BRIEF = 'def build(task):\n  raise ValueError("no more")\nSELF = {}\n'


@pytest.fixture
def card(tmp_path, monkeypatch):
  """Puts a script in the place of nvidia-smi."""

  def put(text):
    folder = tmp_path / 'bin'
    folder.mkdir()
    path = folder / gpu_monitor.PROGRAM
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    monkeypatch.setenv('PATH', str(folder), prepend=':')
    return folder

  return put


def test_extremes_of_all_looks_and_reasons_in_words():
  seen = gpu_monitor.Gauges()
  assert seen.summary() == {}
  for look in (COOL + COOL, COOL + HOT, IDLE, 'No devices were found\n'):
    seen.take(look)
  assert seen.summary() == {
    'driver': '580.1',
    'looks': 3,
    'sm_mhz': (1200, 1980),  # Not those of an idle card.
    'memory_mhz': (2619, 2619),
    'celsius': (30, 92),
    'watts': (70, 695.2),
    'reasons': {
      'sw_power_cap': 2,
      'hw_slowdown': 1,
      'hw_thermal_slowdown': 1,
      'gpu_idle': 1,
    },
  }


def test_what_a_card_does_not_tell_is_left_out():
  seen = gpu_monitor.Gauges()
  seen.take('470.2, [N/A], 1500, [N/A], 50, [Not Supported]\n')
  assert seen.summary() == {
    'driver': '470.2', 'looks': 1, 'sm_mhz': (1500, 1500), 'celsius': (50, 50),
    'reasons': {},
  }  # fmt: skip


def test_a_trial_records_what_was_seen_while_it_ran(tmp_path, card):
  folder = card(f'echo "$@" > {tmp_path}/asked; printf "{HOT}"')
  _, place = suites.trial(tmp_path, BRIEF)
  [leave] = [
    event
    for event in storage.read_lines(place / layout.ATTEMPTS)
    if event['event'] == 'exit'
  ]
  assert leave['cards']['sm_mhz'] == [1200, 1200]
  assert 'hw_thermal_slowdown' in leave['cards']['reasons']
  asked = (folder.parent / 'asked').read_text()
  assert '--query-gpu=driver_version,clocks_throttle_reasons.active' in asked
  meta = storage.read_json(place / 'meta_data_0.json')
  assert len(meta['load_average']) == 3 and 'driver' in meta


@pytest.mark.parametrize(
  'script', ['exit 9', 'echo Failed to initialize NVML', 'sleep 1000']
)
def test_nothing_is_stored_where_it_does_not_answer(script, card, monkeypatch):
  monkeypatch.setattr(gpu_monitor, 'PATIENCE', 0.2)
  card(script)
  with gpu_monitor.watched() as seen:
    time.sleep(0.1)
  assert seen.summary() == {}


@pytest.mark.parametrize(
  'module', ['UNIX x86_64 Kernel Module ', 'UNIX Open Kernel Module for x86_64']
)
def test_the_driver_tells_its_version(module):
  text = f'NVRM version: NVIDIA {module}  580.159.04  Tue Oct 7\nGCC 12.3.0\n'
  assert hardware.driver_version(text) == '580.159.04'


LIMITS = 'echo "1980, 2619"; echo "1755, 2619"'


def test_clocks_that_cards_may_reach_are_known_by_card(card):
  card(LIMITS)
  assert gpu_monitor.limits() == {
    'sm_mhz': [1980, 1755],
    'memory_mhz': [2619, 2619],
  }


@pytest.mark.parametrize(
  'says', ['exit 9', 'echo "[N/A], 2619"', 'echo no devices', 'true']
)
def test_limits_that_nobody_tells_are_none(card, says):
  card(says)
  assert gpu_monitor.limits() == {}


def test_speeds_of_other_clocks_are_measured_anew(card, tmp_path):
  """Seconds are worth less on the slower ones of a model."""
  folder = card(LIMITS)
  path = tmp_path / 'tiny.toml'
  path.write_text(suites.digits(target=0.5, steps=400))
  suite = rules.load(str(path))
  machine = hardware.describe()
  speeds = {'digits': Speed(1.0, 0.5)}
  speeds_.save(tmp_path / 'speeds', machine, suite, speeds)

  def known(name=machine.name):
    return speeds_.load(tmp_path / 'speeds', name, suite)

  assert known() == speeds
  program = folder / gpu_monitor.PROGRAM
  program.write_text(program.read_text().replace('1980', '1200'))
  assert known() == {}
