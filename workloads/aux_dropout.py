"""AlgoPerf's second dropout rate, which some models had up to v0.6.

Its places: the attention probabilities of wmt, the inputs of both speech
models. A submission named it `aux_dropout_rate`; without a name it was a tenth,
whatever `dropout_rate` was. Later versions have one rate (Dahl et al. 2023,
arXiv:2306.07179; tag v0.5.0 of mlcommons/algorithmic-efficiency).
"""

from collections.abc import Sequence

QUIRK = 'aux_dropout'
UNNAMED = 0.1


def rate(named: float | None, quirks: Sequence[str]) -> float | None:
  """The second rate; None where a model has only one."""
  if named is None and QUIRK in quirks:
    return UNNAMED
  return named
