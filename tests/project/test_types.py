"""Runner parses files and messages in runner/protocol only, into types."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FILES = [
  path.relative_to(ROOT).as_posix()
  for path in sorted(ROOT.glob('runner/**/*.py'))
  if 'protocol' not in path.relative_to(ROOT).parts
]


def _literals(source: str) -> list[str]:
  """Subscripts with a literal text: `table['key']`."""
  return [
    ast.unparse(node)
    for node in ast.walk(ast.parse(source))
    if isinstance(node, ast.Subscript)
    and isinstance(node.slice, ast.Constant)
    and isinstance(node.slice.value, str)
  ]


@pytest.mark.parametrize('path', FILES)
def test_no_table_is_read_by_its_keys_outside_protocol(path):
  """A plan once travelled as a dictionary through 26 modules."""
  assert _literals((ROOT / path).read_text(encoding='utf-8')) == []


def test_subscripts_are_found():
  assert _literals("a['b']; c[d]; e[0]; f = [g['h']]") == ["a['b']", "g['h']"]
