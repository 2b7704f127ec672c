"""AdamW on small images in large batches first, on full-size images at the end.

Wu et al. 2020, "A Multigrid Method for Efficiently Training Video Models",
arXiv:1912.00998: the paper's long cycle, in space only. At half the side a
batch is four times as large, so a step costs about the same. The rate grows as
the root of the batch size; for the paper's SGD it grows linearly. Batches are
loaded with full-size images and shrunk on the device; evaluation uses full-size
images. Each size is compiled when its phase begins. If inputs are no images to
classify, or the model accepts one size only, this submission is AdamW with a
constant rate and linear decay. State: 8 bytes a parameter.
"""

import functools

import flax.errors
import jax
import optax

from submissions import phases
from submissions.submission import Task, from_optax


@functools.partial(jax.jit, static_argnums=1)
def shrink(batch, scale: float):
  """Scale the sides of a batch's inputs [..., H, W, C]; at least 1 pixel."""
  x = batch['inputs']
  sides = [max(1, round(scale * side)) for side in x.shape[-3:-1]]
  shape = (*x.shape[:-3], *sides, x.shape[-1])
  return {**batch, 'inputs': jax.image.resize(x, shape, 'linear')}


def fits(task: Task, scale: float) -> bool:
  """Return whether the model accepts images with sides scaled by `scale`."""

  def logits(key):
    batch = task.workload.fake_batch(key, 2)
    model = task.workload.init(key)
    return task.workload.forward(model, shrink(batch, scale), key, 0.0)[0]

  if task.workload.loss_kind != 'softmax':
    return False
  key = jax.random.key(0)
  inputs = jax.eval_shape(lambda: task.workload.fake_batch(key, 2))['inputs']
  if len(inputs.shape) != 4:
    return False
  try:
    jax.eval_shape(logits, key)
  except (flax.errors.FlaxError, TypeError, ValueError, ZeroDivisionError):
    return False
  return True


def build(
  task, *, shares, scales, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, **options
):  # fmt: skip
  """Return AdamW on growing images as a submission.

  Args:
    task: Workload and step budget.
    shares: Share of the examples that each phase sees.
    scales: Scale of the sides of images in each phase.
    learning_rate: Rate for the task's batch size and full-size images.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  if not all(fits(task, scale) for scale in scales):
    scales = [1.0] * len(scales)
  plan = phases.plan(task, shares, [round(1 / scale**2) for scale in scales])
  plan = [
    phase._replace(prepare=functools.partial(shrink, scale=scale))
    if scale < 1 else phase for phase, scale in zip(plan, scales, strict=True)
  ]  # fmt: skip
  # `learning_rate` is for the task's batch size, with full-size images.
  peak = learning_rate * (plan[0].batch_size / task.batch_size) ** 0.5
  schedule = phases.scaled(peak, warmup, plan, power=0.5)
  tx = optax.adamw(
    schedule, 1 - one_minus_beta1, beta2, weight_decay=weight_decay
  )
  adamw = from_optax(task, tx, schedule=schedule, **options)
  return phases.in_turn(task, adamw, plan)


SELF = {  # AdamW's point at half the rate, which the first phase doubles.
  'shares': [0.2, 0.2, 0.6], 'scales': [0.5, 0.7071, 1.0],
  'learning_rate': 0.00224, 'one_minus_beta1': 0.211, 'beta2': 0.999,
  'weight_decay': 0.0465, 'warmup': 0.05, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # AdamW's space.
  'shares': {'feasible_points': [[0.2, 0.2, 0.6]]},
  'scales': {'feasible_points': [[0.5, 0.7071, 1.0]]},
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
