"""Docstrings stand by themselves, and say the arguments.

A docstring's first sentence begins with an imperative or a noun phrase. Public
functions of three parameters or more say them in an `Args` section.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FILES = [
  path.relative_to(ROOT).as_posix()
  for package in ('workloads', 'submissions', 'runner', 'scoring')
  for path in sorted(ROOT.glob(f'{package}/**/*.py'))
  if path.parent.name != 'exported'  # AlgoPerf's contract, copied there.
]
# Prepositions and relative words, with which no sentence stands by itself.
OPENINGS = {
  'Of', 'By', 'As', 'To', 'For', 'Where', 'What', 'Whether', 'Who', 'Whose',
  'Which', 'In', 'With', 'At', 'On', 'From', 'How', 'Until', 'Without',
  'Within', 'Than', 'That', 'Since', 'Because', 'Whatever', 'Whoever', 'Else',
}  # fmt: skip
FEW = 3  # Parameters from which on they are said.


def documented(tree: ast.Module):
  """Yield name, docstring and node of all that has a docstring."""
  for node in ast.walk(tree):
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
      continue
    if text := ast.get_docstring(node):
      yield getattr(node, 'name', 'the module'), text, node


def parameters(node: ast.FunctionDef) -> list[str]:
  every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
  return [one.arg for one in every if one.arg not in ('self', 'cls')]


@pytest.mark.parametrize('path', FILES)
def test_a_first_sentence_stands_by_itself(path):
  tree = ast.parse((ROOT / path).read_text(encoding='utf-8'))
  bad = [
    f'{name}: {text.split()[0]}'
    for name, text, _ in documented(tree)
    if text.split()[0].rstrip(',') in OPENINGS
  ]
  assert bad == []


@pytest.mark.parametrize('path', FILES)
def test_public_functions_say_their_arguments(path):
  """Methods have the contract of their class, which says them once."""
  tree = ast.parse((ROOT / path).read_text(encoding='utf-8'))
  bad = [
    node.name
    for node in tree.body
    if isinstance(node, ast.FunctionDef)
    and not node.name.startswith('_')
    # Hyperparameters are those of the paper, which the module names.
    and node.name != 'build'
    and len(parameters(node)) >= FEW
    and 'Args:' not in (ast.get_docstring(node) or '')
  ]
  assert bad == []


def test_what_is_wrong_is_found():
  source = 'def f(a, b, c):\n  """Of all things."""\n'
  [(name, text, node)] = documented(ast.parse(source))
  assert name == 'f' and text.split()[0] in OPENINGS
  assert len(parameters(node)) == FEW
