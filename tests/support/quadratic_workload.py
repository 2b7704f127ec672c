"""A workload with known gradients, to check algorithms by their formulas."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

import submissions
from submissions.submission import Start, Task
from workloads.workload import Model, Workload

SHAPES = {  # Parameters of every role, which names and shapes decide.
  'Embed_0': {'embedding': (6, 2)},
  'Dense_0': {'kernel': (5, 3), 'bias': (3,)},
  'Attention_0': {'query': {'kernel': (3, 2, 2)}},
  'head': {'kernel': (3, 4)},
}
STEPS = 10


def drawn(seed, scale=1.0):
  """Return random arrays of SHAPES: float64 that float32 can represent."""
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
  """Workload with the loss <w, g> + curvature |w|^2 / 2.

  The gradient is g + curvature w.
  """

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
  """Yield one batch with the known gradients per step."""
  for grads in GRADS:
    yield {'g': jax.tree.map(jnp.float32, grads), 'weights': jnp.ones(1)}


def task(curvature=0.0):
  """Return a task of 2 * STEPS steps."""
  return Task(Given(curvature), 2 * STEPS, 1, 100)


def cosine(share):
  """Return the cosine decay after a share of the steps."""
  return (1 + np.cos(np.pi * share)) / 2


def constant(share):
  """Return 1: no decay."""
  return 1.0


def moving(peak, warmup, steps, shape=cosine, start=1):
  """Return the learning rates of STEPS steps: linear warmup, then `shape`.

  Args:
    peak: The rate at the end of the warmup.
    warmup: The warmup's share of the steps.
    steps: All steps of the schedule.
    shape: (share of the steps after the warmup) -> share of the peak.
    start: The numerator of the first step's rate, 0 or 1.
  """
  first = max(1, int(warmup * steps))
  return [
    peak * (t + start) / first
    if t < first
    else peak * shape(min(1.0, (t - first) / (steps - first)))
    for t in range(STEPS)
  ]


def train(name, curvature=0.0, shape=cosine, start=1, **changes):
  """Train STEPS steps and return each step's rate and parameters.

  The rates rise in the first steps and fall afterwards, so a formula that takes
  the rate of another step gives other parameters.

  Args:
    name: The submission's name.
    curvature: The workload's curvature.
    shape: The expected decay of the rate, see `moving`.
    start: The expected begin of the warmup, see `moving`.
    **changes: Hyperparameters that differ from the submission's own point.

  Returns:
    Rates [STEPS], and a list of the parameters after each step.
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
  """Yield the parameters of the same steps, computed by `update` in float64.

  Args:
    rates: The learning rate of each step.
    update: Function (t, w, g, memory, role) -> direction of one tensor. The
      dictionary `memory` belongs to the tensor.
    curvature: The workload's curvature.
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
  """Assert that two trees of arrays are equal within `rtol` and 1e-5.

  Args:
    found: Tree of arrays.
    expected: Tree of arrays of the same structure.
    rtol: Relative tolerance.
  """
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5),
    found,
    expected,
  )


def adam(t, g, memory, b1, b2, eps=1e-8, mean=None):
  """Return Adam's direction.

  Args:
    t: Number of the step, from 1 on.
    g: The gradient.
    memory: The tensor's own dictionary, which keeps both moments.
    b1: Decay of the first moment.
    b2: Decay of the second moment.
    eps: Added to the root of the second moment.
    mean: Bias-corrected first moment to use instead of Adam's.
  """
  m = memory['m'] = b1 * memory.get('m', 0) + (1 - b1) * g
  v = memory['v'] = b2 * memory.get('v', 0) + (1 - b2) * g**2
  mean = m / (1 - b1**t) if mean is None else mean
  return mean / (np.sqrt(v / (1 - b2**t)) + eps)


def nadam(t, g, memory, b1, b2):
  """Return the direction of AlgoPerf's NAdam; for arguments see `adam`.

  Args:
    t: Number of the step, from 1 on.
    g: The gradient.
    memory: The tensor's own dictionary, which keeps both moments.
    b1: Decay of the first moment.
    b2: Decay of the second moment.
  """
  m = b1 * memory.get('m', 0) + (1 - b1) * g
  ahead = (b1 * m + (1 - b1) * g) / (1 - b1**t)
  return adam(t, g, memory, b1, b2, mean=ahead)


def check(name, update, curvature=0.0, rtol=1e-4, **changes):
  """Assert that a submission's steps are those of `update`.

  Args:
    name: The submission's name.
    update: The formula, see `follow`.
    curvature: The workload's curvature.
    rtol: Relative tolerance.
    **changes: Changes of hyperparameters, see `train`.
  """
  rates, path = train(name, curvature, **changes)
  for found, expected in zip(
    path, follow(rates, update, curvature), strict=True
  ):
    assert_close(found, expected, rtol)


ADAM = {'one_minus_beta1': 0.1, 'weight_decay': 0.1, 'grad_clip': None}
