"""AlgoPerf's parameter types, inferred from parameter names and shapes."""

import jax

from workloads.roles import PROJECTIONS, roles
from workloads.workload import PyTree

LETTERS = dict(zip(PROJECTIONS, 'QKV', strict=True)) | {'out': 'OUT'}


def types(params: PyTree, known) -> PyTree:
  """Return a tree like params whose leaves are parameter types.

  Args:
    params: Arrays or their shapes.
    known: The enumeration ParameterType from which to take the leaves.
  """

  def kind(path, leaf, role: str):
    names = [key.key for key in path]
    return known[_name(names, leaf.ndim, role)]

  return jax.tree_util.tree_map_with_path(kind, params, roles(params))


def _name(names: list[str], axes: int, role: str) -> str:
  bias = names[-1].startswith('bias')
  norms = [name.lower() for name in names if 'norm' in name.lower()]
  if norms:
    layer = 'BATCH' if 'batch' in norms[-1] else 'LAYER'
    return f'{layer}_NORM_{"BIAS" if bias else "SCALE"}'
  if part := _attention(names):
    return 'ATTENTION_BIAS' if bias else f'ATTENTION_{part}'
  if bias:
    return 'BIAS'
  if role == 'embedding':
    return 'EMBEDDING'
  return 'CONV_WEIGHT' if axes > 2 else 'WEIGHT'


def _attention(names: list[str]) -> str:
  """Return the attention projection that a parameter belongs to, or ''.

  Gated MLP layers also have an 'out', which is no attention projection.
  """
  if len(names) < 3 or 'mlp' in names[-3].lower():
    return ''
  return LETTERS.get(names[-2], '')
