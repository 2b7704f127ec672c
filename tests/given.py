"""A workload of given gradients, to check algorithms by their formulas."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

import submissions
from submissions.submission import Start, Task
from workloads.workload import Model, Workload

SHAPES = {  # By names and shapes, parameters of every role.
  'Embed_0': {'embedding': (6, 2)},
  'Dense_0': {'kernel': (5, 3), 'bias': (3,)},
  'Attention_0': {'query': {'kernel': (3, 2, 2)}},
  'head': {'kernel': (3, 4)},
}
STEPS = 10


def drawn(seed, scale=1.0):
  """Random numbers of those shapes, float64 of float32."""
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda shape: (scale * rng.normal(size=shape)).astype('f').astype(float),
    SHAPES,
    is_leaf=lambda x: isinstance(x, tuple),
  )


FIRST = drawn(0)
GRADS = [drawn(1 + t) for t in range(STEPS)]


@dataclasses.dataclass(frozen=True)
class Given(Workload):
  """The loss is <w, g> + curvature |w|^2 / 2: its gradient, g + curvature w."""

  curvature: float = 0.0
  loss_kind = 'absolute'

  def source(self, split, data_dir):
    raise NotImplementedError

  def fake_batch(self, key, batch_size):
    raise NotImplementedError

  def init(self, key):
    return Model(jax.tree.map(jnp.float32, FIRST))

  def forward(self, model, batch, key, dropout):
    linear = jax.tree.map(lambda w, g: (w * g).sum(), model.params, batch['g'])
    square = jax.tree.map(lambda w: (w**2).sum(), model.params)
    total = sum(jax.tree.leaves(linear))
    return total + self.curvature / 2 * sum(jax.tree.leaves(square)), ()

  def losses(self, outputs, batch, label_smoothing):
    return outputs[None], jnp.ones(1)

  def predict(self, model, batch):
    raise NotImplementedError

  def examine(self, model, batch):
    raise NotImplementedError

  def summarize(self, stats):
    raise NotImplementedError


def batches(size, stack=1):
  for grads in GRADS:
    yield {'g': jax.tree.map(jnp.float32, grads), 'weights': jnp.ones(1)}


def task(curvature=0.0):
  return Task(Given(curvature), 2 * STEPS, 1, 100)


def train(name, curvature=0.0, **changes):
  """Rates and parameters of a submission in each of ten steps."""
  entry = submissions.find(name)
  point = {k: v for k, v in entry.self_point.items() if k != 'label_smoothing'}
  submission = submissions.make(entry.path, task(curvature), point | changes)
  start = Start(Given().init(None), jax.random.key(0), batches)
  rates, path = [], []
  loop = submission.train(start)
  for _ in range(STEPS):
    state = next(loop)
    rates.append(float(submission.scalars(state)['learning_rate']))
    path.append(jax.tree.map(np.array, submission.model(state).params))
  return rates, path


def follow(rates, update, curvature=0.0):
  """Parameters of the same ten steps by `update`, float64.

  update(t, w, g, memory, role) is the step of one tensor, to be multiplied by
  the rate; memory is a dictionary of its own.
  """
  roles = jax.tree.leaves(task().roles)
  leaves, structure = jax.tree.flatten(FIRST)
  memories = [{} for _ in leaves]
  for t, (rate, grads) in enumerate(zip(rates, GRADS, strict=True), start=1):
    grads = [
      g + curvature * w
      for w, g in zip(leaves, jax.tree.leaves(grads), strict=True)
    ]
    leaves = [
      w - rate * update(t, w, g, memory, role)
      for w, g, memory, role in zip(leaves, grads, memories, roles, strict=True)
    ]
    yield jax.tree.unflatten(structure, leaves)


def assert_close(found, expected, rtol=1e-4):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5),
    found,
    expected,
  )


def adam(t, g, memory, b1, b2, eps=1e-8, mean=None):
  """Adam's direction; `mean` is put in place of its own, already corrected."""
  m = memory['m'] = b1 * memory.get('m', 0) + (1 - b1) * g
  v = memory['v'] = b2 * memory.get('v', 0) + (1 - b2) * g**2
  mean = m / (1 - b1**t) if mean is None else mean
  return mean / (np.sqrt(v / (1 - b2**t)) + eps)


def nadam(t, g, memory, b1, b2):
  """AlgoPerf's."""
  m = b1 * memory.get('m', 0) + (1 - b1) * g
  ahead = (b1 * m + (1 - b1) * g) / (1 - b1**t)
  return adam(t, g, memory, b1, b2, mean=ahead)


def check(name, update, curvature=0.0, rtol=1e-4, **changes):
  rates, path = train(name, curvature, **changes)
  assert len(set(rates)) > 5
  for found, expected in zip(
    path, follow(rates, update, curvature), strict=True
  ):
    assert_close(found, expected, rtol)


ADAM = {'one_minus_beta1': 0.1, 'weight_decay': 0.1, 'grad_clip': None}
