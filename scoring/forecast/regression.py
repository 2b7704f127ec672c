"""A bank of curves, each linear in its coefficients, weighted by likelihood.

A shape is a set of K features of the share of the steps. Its coefficients have
a normal prior, so their posterior and the likelihood of the shape have closed
forms: no sample of curves has to be lucky. If there are finished trials of the
workload, their coefficients make the prior narrower (empirical Bayes).

The likelihood is tempered: evaluations count for less than independent ones,
and old ones for less than new ones. Real curves are none of the bank, and the
full likelihood would leave one shape, too sure of itself.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scoring.forecast.curve import FARTHEST, Case, Curve
from scoring.forecast.paths import Paths, normal, picks

NOISES = (0.002, 0.007, 0.025, 0.08)  # Scatter of evaluations, each as likely.
TEMPER = 0.3  # Exponent of the likelihood.
MEMORY = 0.5  # Share of all steps, in which weights fall by e.
MOST_SEEN = 24  # Evaluations that count; more are thinned.
DOUBT = 4.0  # Finished trials that the general prior is worth.

# Features of a curve at shares [N], for all shapes: [J, N, K].
Features = Callable[[Curve, np.ndarray], np.ndarray]


class Prior(NamedTuple):
  """Normal prior of the coefficients of each shape."""

  mean: np.ndarray  # [J, K]
  cov: np.ndarray  # [J, K, K]


def futures(
  case: Case,
  features: Features,
  prior: Prior,
  coefficients: Callable[[Curve], np.ndarray],
  positive: Sequence[int] = (),
) -> Paths:
  """Return futures from the bank.

  Args:
    case: The trial so far.
    features: Features of a curve.
    prior: General prior.
    coefficients: Most likely coefficients of a finished trial, [J, K].
    positive: Coefficients that are not below zero.
  """
  if case.finished:
    found = np.array([coefficients(one) for one in case.finished])
    prior = _narrowed(prior, found)
  weights, means, covs = _posterior(case.seen, features, prior)
  chosen = picks(weights.ravel())
  shapes, noises = np.unravel_index(chosen, weights.shape)
  roots = np.linalg.cholesky(covs[shapes, noises])
  draws = normal(len(chosen), roots.shape[-1] + case.ahead.size)
  size = roots.shape[-1]
  drawn = means[shapes, noises] + np.einsum(
    'skl,sl->sk', roots, draws[:, :size]
  )
  drawn[:, list(positive)] = np.maximum(drawn[:, list(positive)], 0)
  ahead = features(case.seen, case.ahead)[shapes]  # [S, G, K]
  scatter = np.array(NOISES)[noises][:, None] * draws[:, size:]
  found = np.einsum('sgk,sk->sg', ahead, drawn) + scatter
  return Paths(case.ahead, np.minimum(found, FARTHEST))


def most_likely(seen: Curve, features: Features, prior: Prior) -> np.ndarray:
  """Return the posterior means at a middling noise, [J, K].

  Args:
    seen: A finished trial.
    features: Features of a curve.
    prior: General prior.
  """
  return _posterior(seen, features, prior)[1][:, len(NOISES) // 2]


def _posterior(
  seen: Curve, features: Features, prior: Prior
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Return weights [J, Q], means [J, Q, K] and covariances [J, Q, K, K]."""
  at = np.unique(
    np.linspace(0, seen.shares.size - 1, MOST_SEEN).round().astype(int)
  )
  if not seen.shares.size:
    at = at[:0]
  shares, y = seen.shares[at], seen.distances[at]
  rows = features(seen, shares)  # [J, N, K]
  counts = TEMPER * np.exp((shares - shares.max(initial=0)) / MEMORY)
  sigma2 = np.array(NOISES)[:, None, None] ** 2
  inverse = np.linalg.inv(prior.cov)
  inner = np.einsum('jnk,n,jnl->jkl', rows, counts, rows)
  outer = np.einsum('jnk,n->jk', rows, counts * y)
  precision = inner[:, None] / sigma2 + inverse[:, None]
  right = outer[:, None] / sigma2[..., 0] + np.einsum(
    'jkl,jl->jk', inverse, prior.mean
  )[:, None]  # fmt: skip
  covs = np.linalg.inv(precision)
  means = np.einsum('jqkl,jql->jqk', covs, right)
  # log ∫ N(y | rows w, σ²)^counts N(w | prior) dw, without what all share.
  fit = (counts * y**2).sum() / sigma2[:, 0, 0]
  quadratic = np.einsum('jk,jkl,jl->j', prior.mean, inverse, prior.mean)
  log = -0.5 * (
    fit
    + quadratic[:, None]
    - np.einsum('jqk,jqk->jq', means, right)
    - np.linalg.slogdet(covs)[1]
    + np.linalg.slogdet(prior.cov)[1][:, None]
  ) - counts.sum() * np.log(NOISES)
  weights = np.exp(log - log.max())
  return weights / weights.sum(), means, covs


def _narrowed(prior: Prior, found: np.ndarray) -> Prior:
  """Return the prior after the coefficients of finished trials, [M, J, K]."""
  share = DOUBT / (DOUBT + len(found))
  mean = share * prior.mean + (1 - share) * np.median(found, axis=0)
  apart = found - mean
  cov = np.einsum('mjk,mjl->jkl', apart, apart) / len(found)
  return Prior(mean, share * prior.cov + (1 - share) * cov)
