"""What docs/differences.md says of quirks is what rules and workloads say."""

import pathlib
import re

import pytest

import workloads
from runner.protocol.suites import suite

DOCUMENT = pathlib.Path(__file__).parents[2] / 'docs' / 'differences.md'
BOARDS = ('algoperf_v05', 'algoperf_v06', 'algoperf_a100')
FAMILIES = [name for name in workloads.names() if '/' not in name]


def _rows() -> dict[str, list[str]]:
  """Cells of the table of quirks, by quirk."""
  text = DOCUMENT.read_text(encoding='utf-8')
  [table] = re.findall(r'\| quirk \|.*\n\|[-|]+\|\n((?:\|.*\n)+)', text)
  cells = [
    [cell.strip() for cell in line.strip('|').split('|')]
    for line in table.splitlines()
  ]
  return {cell[0].strip('`'): cell[1:] for cell in cells}


def test_every_quirk_is_in_the_table_with_its_workloads():
  found: dict[str, list[str]] = {}
  for family in FAMILIES:
    for quirk in workloads.get(family).QUIRKS:
      found.setdefault(quirk, []).append(family)
  said = {quirk: cells[0].split(', ') for quirk, cells in _rows().items()}
  assert said == found


@pytest.mark.parametrize(('column', 'board'), list(enumerate(BOARDS, start=1)))
def test_the_table_says_which_board_asks_for_which_quirk(column, board):
  read = suite.load(board)
  asked = {
    quirk
    for row in (*read.workloads.values(), *read.unscored.values())
    for quirk in row.quirks
  }
  said = {quirk for quirk, cells in _rows().items() if cells[column] == 'yes'}
  assert said == asked


@pytest.mark.parametrize('board', BOARDS)
def test_variants_have_the_quirks_of_their_base(board):
  read = suite.load(board)
  rows = read.workloads | read.unscored
  for name, row in rows.items():
    base = name.partition('/')[0]
    if base in rows:
      assert row.quirks == rows[base].quirks
