"""Benchmarks take too long to run here; that they would begin is tested."""

import importlib
import pathlib

import pytest

from tests.benchmarks import throughput

FOLDER = pathlib.Path(__file__).parents[1] / 'benchmarks'
ROOMS = [path.parent.name for path in FOLDER.glob('*/__main__.py')]
NAMES = sorted([*ROOMS, *(path.stem for path in FOLDER.glob('[!_]*.py'))])
NEEDS = {'fleet_ray': 'ray'}  # What is installed for a benchmark only.


@pytest.mark.parametrize('name', NAMES)
def test_it_can_be_imported(name):
  if name in NEEDS:
    pytest.importorskip(NEEDS[name])
  main = f'{name}.__main__' if name in ROOMS else name
  importlib.import_module(f'tests.benchmarks.{main}')


def test_steps_of_a_workload_that_does_not_count_are_measured(
  monkeypatch, capsys
):
  """`digits` left the scored workloads, and `make benchmarks` crashed."""
  monkeypatch.setattr(throughput, 'STEPS', {'digits': 4})
  throughput.measure('digits', rounds=2, size=2)
  ways = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
  assert ways == ['bare', 'harness', 'published', 'grouped']
