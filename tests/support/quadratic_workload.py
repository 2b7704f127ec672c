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

  def eval_stats(self, model, batch):
    raise NotImplementedError

  def summarize(self, stats):
    raise NotImplementedError


def batches(size, stack=1):
  for grads in GRADS:
    yield {'g': jax.tree.map(jnp.float32, grads), 'weights': jnp.ones(1)}


def task(curvature=0.0):
  return Task(Given(curvature), 2 * STEPS, 1, 100)


def cosine(share):
  return (1 + np.cos(np.pi * share)) / 2


def constant(share):
  return 1.0


def moving(peak, warmup, steps, shape=cosine, start=1):
  """Rates of ten steps: a line up to the peak, then the shape.

  Args:
    peak: The rate of the last step of the warmup.
    warmup: Its share of the steps.
    steps: The horizon.
    shape: (share of the steps after the warmup) -> share of the peak.
    start: Of the warmup's steps, in the first one.
  """
  first = max(1, int(warmup * steps))
  return [
    peak * (t + start) / first
    if t < first
    else peak * shape(min(1.0, (t - first) / (steps - first)))
    for t in range(STEPS)
  ]


def train(name, curvature=0.0, shape=cosine, start=1, **changes):
  """Rates and parameters of a submission in each of ten steps.

  The rates are computed here: they rise in the first steps, and then fall. A
  formula that takes the rate of another step is off.
  """
  entry = submissions.find(name)
  point = {k: v for k, v in entry.self_point.items() if k != 'label_smoothing'}
  point |= {'warmup': 0.25} | changes
  submission = submissions.make(entry.path, task(curvature), point)
  begin = Start(Given().init(None), jax.random.key(0), batches)
  recorded, path = [], []
  loop = submission.train(begin)
  for _ in range(STEPS):
    state = next(loop)
    recorded.append(float(submission.scalars(state)['learning_rate']))
    path.append(jax.tree.map(np.array, submission.model(state).params))
  steps = int(point.get('horizon', 1.0) * 2 * STEPS)
  rates = moving(
    point.get('learning_rate', 1.0), point['warmup'], steps, shape, start
  )
  np.testing.assert_allclose(recorded, rates, rtol=1e-5)
  assert rates[0] < 0.5 * max(rates)
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
  """Ten steps at rates that move are those of `update`; see `follow`."""
  rates, path = train(name, curvature, **changes)
  for found, expected in zip(
    path, follow(rates, update, curvature), strict=True
  ):
    assert_close(found, expected, rtol)


ADAM = {'one_minus_beta1': 0.1, 'weight_decay': 0.1, 'grad_clip': None}
