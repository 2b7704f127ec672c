"""Shampoo, SOAP and their blocks against the papers in plain numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import workloads
from submissions import blocks
from submissions.algorithms.shampoo import scale_by_shampoo
from submissions.algorithms.soap import eigenvectors, scale_by_soap
from submissions.submission import Task
from tests.support.quadratic_workload import ADAM, adam, check, nadam

MINIS = [name for name in workloads.names() if name.endswith('/mini')]


def cuts(w):
  """Of a matrix in blocks of at most three, as even as can be: the slices."""
  parts = [np.arange(n) for n in (w.shape[0], w[0].size)]
  parts = [[p[:3]] if len(p) == 3 else [p[:half], p[half:]]
           for p in parts for half in [-(-len(p) // 2)]]  # fmt: skip
  return [np.ix_(rows, columns) for rows in parts[0] for columns in parts[1]]


def power(matrix, ridge=1e-6):
  values, vectors = np.linalg.eigh(matrix)
  values = np.maximum(values, 0) + ridge * values.max()
  return (vectors * values**-0.25) @ vectors.T


def shampoo(t, w, g, memory, role):
  b1, b2, every = 0.9, 0.8, 4
  graft = nadam(t, g, memory, b1, b2)
  if role not in ('weight', 'head'):
    return graft + 0.1 * w
  grad = g.reshape(w.shape[0], -1)
  ahead = (b1 * memory['m'] + (1 - b1) * g).reshape(grad.shape)
  found = np.zeros_like(grad)
  for number, cut in enumerate(cuts(w)):
    own = memory.setdefault(number, {'l': 0, 'r': 0})
    own['l'] = b2 * own['l'] + (1 - b2) * grad[cut] @ grad[cut].T
    own['r'] = b2 * own['r'] + (1 - b2) * grad[cut].T @ grad[cut]
    if t % every == 0:
      own['roots'] = power(own['l']), power(own['r'])
    if 'roots' in own:
      found[cut] = own['roots'][0] @ ahead[cut] @ own['roots'][1]
  if t < every:
    return graft + 0.1 * w
  found *= np.linalg.norm(graft) / np.linalg.norm(found)
  return found.reshape(w.shape) + 0.1 * w


def test_shampoo_preconditions_blocks_and_grafts_nadam():
  """Three does not divide [5, 3] and [3, 4]; NAdam until the first roots."""
  check('shampoo', shampoo, rtol=5e-3, beta2=0.8, block=3, every=4, **ADAM)


def turn_bases(own, every, turn):
  """The authors' update of the preconditioner, after the step."""
  if turn == 0:
    own['bases'] = [np.linalg.eigh(own[s])[1][:, ::-1] for s in 'lr']
  elif turn % every == 0:
    for axis, side in enumerate('lr'):
      basis = own['bases'][axis]
      order = np.argsort(-np.diag(basis.T @ own[side] @ basis))
      own['v'] = np.take(own['v'], order, axis)
      own['bases'][axis] = np.linalg.qr(own[side] @ basis[:, order])[0]


def soap(t, w, g, memory, role):
  b1, b2, every = 0.9, 0.8, 3
  if t == 1 and role not in ('weight', 'head'):
    return 0.0 * w
  if role not in ('weight', 'head'):
    return adam(t - 1, g, memory, b1, b2) + 0.1 * w
  grad = g.reshape(w.shape[0], -1)
  found = np.zeros_like(grad)
  for number, cut in enumerate(cuts(w)):
    x = grad[cut]
    own = memory.setdefault(number, {'l': 0, 'r': 0, 'm': 0, 'v': 0})
    if t > 1:
      left, right = own['bases']
      own['m'] = b1 * own['m'] + (1 - b1) * x
      own['v'] = b2 * own['v'] + (1 - b2) * (left.T @ x @ right) ** 2
      mean = left.T @ own['m'] @ right / (1 - b1 ** (t - 1))
      scale = np.sqrt(own['v'] / (1 - b2 ** (t - 1))) + 1e-8
      found[cut] = left @ (mean / scale) @ right.T
    own['l'] = b2 * own['l'] + (1 - b2) * x @ x.T
    own['r'] = b2 * own['r'] + (1 - b2) * x.T @ x
    turn_bases(own, every, t - 1)
  if t == 1:
    return 0.0 * w
  return found.reshape(w.shape) + 0.1 * w


def test_soap_is_adam_in_bases_that_turn():
  check('soap', soap, rtol=5e-3, beta2=0.8, block=3, every=3, **ADAM)


def test_soap_finds_the_basis_in_which_gradients_are_independent():
  """Gradients Q diag(noise) Q': there Adam makes all entries about as large."""
  rng = np.random.default_rng(0)
  left, right = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2))
  sizes = np.array([100.0, 10.0, 1.0, 0.1])
  tx = scale_by_soap(0.0, 0.9, every=1)
  state, update = tx.init(jnp.zeros((1, 4, 4))), jax.jit(tx.update)
  for _ in range(40):
    grad = left @ np.diag(sizes * rng.choice([-1, 1], 4)) @ right.T
    found, state = update(jnp.float32(grad)[None], state)
  turned = np.abs(left.T @ np.asarray(found[0]) @ right)
  np.testing.assert_allclose(np.diag(turned), 1, rtol=0.1)


@pytest.mark.parametrize(
  ('shape', 'inputs', 'number', 'block'),
  [
    ((300, 7), 1, 3, (100, 7)),
    ((130, 200), 1, 4, (65, 100)),
    ((3, 3, 1, 4), 3, 1, (9, 4)),
    ((5, 129, 2), 1, 3, (5, 86)),
    ((128, 1), 1, 1, (128, 1)),
  ],
)
def test_blocks_are_even_and_join_to_what_was_split(
  shape, inputs, number, block
):
  kernel = jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)
  cut = blocks.split(kernel, inputs, 128)
  assert cut.shape == (number, *block)
  assert float(cut.sum()) == float(kernel.sum())
  np.testing.assert_array_equal(blocks.join(cut, shape, inputs, 128), kernel)


def matrices(seed, *sizes):
  """Positive semidefinite, each [number, n, n] and of rank two."""
  rng = np.random.default_rng(seed)
  roots = [rng.normal(size=(number, n, 2)) for number, n in sizes]
  return [jnp.float32(x @ x.mT) for x in map(jnp.asarray, roots)]


def test_matrices_of_several_sizes_are_taken_together():
  """The eigenvectors of a singular matrix do not mix with the filling.

  Those of zero once did: SOAP's first update of a layer whose first gradient
  was zero waited for its second basis, and was seventy times too long.
  """
  tree = [*matrices(0, (2, 3), (1, 5), (3, 2)), jnp.zeros((1, 3, 3))]
  found = blocks.together(eigenvectors, tree, corner=-1.0)
  for many, bases in zip(tree, found, strict=True):
    assert bases.shape == many.shape
    for matrix, basis in zip(many, np.asarray(bases, float), strict=True):
      np.testing.assert_allclose(basis.T @ basis, np.eye(len(basis)), atol=1e-5)
      values = np.diag(basis.T @ np.asarray(matrix, float) @ basis)
      expected = np.linalg.eigvalsh(np.asarray(matrix, float))[::-1]
      np.testing.assert_allclose(values, expected, atol=1e-4)


@pytest.mark.parametrize(
  'tx', [scale_by_shampoo(0.9, 0.9, 2), scale_by_soap(0.9, 0.9, 2)]
)
def test_lapack_is_called_once_for_all_kernels(tx):
  """Two calls with batches, at a time, on two cores: SOAP never returned.

  Each call splits its batch over the threads that run the calls, and waits for
  them. Here there are five kernels and one call of either kind.
  """
  params = [jnp.ones((2, n, n + 1)) for n in range(2, 7)]
  text = str(jax.make_jaxpr(tx.update)(params, tx.init(params)))
  assert text.count(' eigh[') == 1
  assert text.count(' qr[') <= 1


@pytest.mark.parametrize('mini', MINIS)
def test_blocks_fit_every_kernel_of_the_minis(mini):
  """And stay small: a table of 34,354 rows has none."""
  task = Task(workloads.get(mini), 100, 8, 100)
  params = task.shapes.params
  tx = blocks.factored(
    task, scale_by_soap(0.9, 0.9, 2), optax.scale_by_adam(), 128
  )
  state = jax.eval_shape(tx.init, params)
  updates, _ = jax.eval_shape(tx.update, params, state, params)
  assert jax.tree.map(jnp.shape, updates) == jax.tree.map(jnp.shape, params)
  size = lambda tree: sum(x.size for x in jax.tree.leaves(tree))  # noqa: E731
  assert size(state) < 12 * size(params)
