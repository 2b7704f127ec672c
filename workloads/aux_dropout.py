"""AlgoPerf's second dropout rate, which some models had up to v0.6.

The second rate applies to the attention probabilities of wmt and to the inputs
of both speech models. A submission could set it as `aux_dropout_rate`; the
default was 0.1 for every `dropout_rate`. Later versions have one rate (Dahl et
al. 2023, arXiv:2306.07179; tag v0.5.0 of mlcommons/algorithmic-efficiency).
"""

from collections.abc import Sequence

QUIRK = 'aux_dropout'
UNNAMED = 0.1


def rate(named: float | None, quirks: Sequence[str]) -> float | None:
  """Return the second rate; None if the model has only one."""
  if named is None and QUIRK in quirks:
    return UNNAMED
  return named
