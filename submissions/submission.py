"""What a submission is: a loop that trains, and a view of what to evaluate.

Most files never write either: `from_optax` does, for an optax transformation,
and `from_steps`, for pure functions that own their step. A generator owns its
loop. The harness owns the rest: time, data order, evaluation, files.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from submissions import extra_args
from submissions.norm import clip, global_norm
from workloads.roles import input_axes, roles
from workloads.workload import (
  Array,
  Batch,
  Key,
  Model,
  PyTree,
  Workload,
  mean_loss,
)

Scalars = Mapping[str, Array]


class Task(NamedTuple):
  """What an algorithm may know before it starts."""

  workload: Workload  # Its public methods; no data, no target.
  steps: int  # Steps the reference algorithm makes within the budget.
  batch_size: int  # The default; an algorithm may choose its own.
  train_examples: int
  per_dispatch: int = 1  # Steps that `from_steps` gives the device at once.
  record_every: int = 1  # Steps from one record of scalars to the next.

  @property
  def shapes(self) -> Model:
    """Shapes and types of parameters and model state; allocates nothing."""
    return jax.eval_shape(self.workload.init, jax.random.key(0))

  @property
  def roles(self) -> PyTree:
    """A tree like the parameters: 'embedding', 'head', 'vector', 'weight'."""
    return roles(self.shapes.params)

  @property
  def input_axes(self) -> PyTree:
    """A tree like the parameters: how many leading axes are inputs."""
    return input_axes(self.shapes.params)

  def mask(self, *wanted: str) -> PyTree:
    """A tree like the parameters: True where the role is one of these."""
    return jax.tree.map(lambda role: role in wanted, self.roles)


class Batches(Protocol):
  """Endless training data, spread over the devices where there are several.

  Every example drawn is gone: the next call goes on where the last one
  stopped, whatever its batch size, and so does a resumed trial.
  """

  def __call__(self, size: int, stack: int = 1) -> Iterator[Batch]:
    """Batches [size, ...]; with stack > 1, several at once.

    Those have one axis more, [stack, size, ...].
    """
    ...


def _anywhere(state: PyTree) -> PyTree:
  return state


class Start(NamedTuple):
  """What a training loop is handed when the clock starts."""

  model: Model  # Real initial parameters. Copy before donating.
  key: Key
  batches: Batches
  evals: Sequence[Any] = ()  # Results so far; grows as evaluations come in.
  elapsed: Callable[[], float] = lambda: 0.0  # Charged seconds.
  progress: Callable[[], float] = lambda: 0.0  # Charged share of the budget.
  state: PyTree = None  # The last state yielded, when resuming.
  # Has a state lie on the devices as it is to; within compiled functions.
  place: Callable[[PyTree], PyTree] = _anywhere


def _nothing(state: PyTree) -> Scalars:
  del state
  return {}


def _all_kept(state: PyTree) -> str:
  del state
  return ''


class Submission(NamedTuple):
  """A training algorithm.

  Attributes:
    train: Yields its state whenever the harness may look. The clock runs only
      while the loop does. The state says everything: a resumed loop is handed
      the last one as `start.state`. Returning ends the trial.
    model: The model to evaluate in a state. A view: training goes on from the
      state itself, so averaged weights need no swapping back.
    scalars: What to record of a state, still on the device: 'loss',
      'grad_norm', 'learning_rate' and whatever else.
    lost: What of a state a checkpoint cannot hold, in words: such a trial is
      not resumed but starts over. Nothing, unless other people's code runs.
  """

  train: Callable[[Start], Iterator[PyTree]]
  model: Callable[[PyTree], Model]
  scalars: Callable[[PyTree], Scalars] = _nothing
  lost: Callable[[PyTree], str] = _all_kept


class Progress(NamedTuple):
  """The state of a submission made by `from_steps`."""

  state: PyTree  # Donated to the next step: copy what is to outlive it.
  scalars: Scalars  # Of the last step; stays.
  done: int  # Steps so far.


def from_steps(
  init: Callable[[Model, Key], PyTree],
  step: Callable[[PyTree, Batch, Key], tuple[PyTree, Scalars]],
  model: Callable[[PyTree], Model],
  *,
  batch_size: int,
  per_dispatch: int = 1,
  steps: int | None = None,
) -> Submission:
  """A submission from pure functions, compiled here, the old state donated.

  Args:
    init: Makes the first state; may keep the model's arrays.
    step: One step; the key is the same at every step, fold a counter in.
    model: The view.
    batch_size: Examples in every step.
    per_dispatch: Steps given to the device at once.
    steps: The loop ends after so many; None: goes on until it is stopped.
  """

  @functools.partial(jax.jit, static_argnums=0)
  def fresh(place, model: Model, key: Key) -> PyTree:
    # Copied: the step donates it.
    return place(jax.tree.map(jnp.copy, init(model, key)))

  def several(state, batches, key):
    # Unrolled: XLA runs convolutions in a loop on one core of a CPU.
    state, scalars = jax.lax.scan(
      lambda state, batch: step(state, batch, key), state, batches, unroll=True
    )
    return state, jax.tree.map(lambda x: x[-1], scalars)

  @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
  def advance(place, state, batches, key):
    go = several if per_dispatch > 1 else step
    state, scalars = go(state, batches, key)
    return place(state), scalars

  def train(start: Start) -> Iterator[Progress]:
    place = start.place
    last = start.state or Progress(fresh(place, start.model, start.key), {}, 0)
    state, done = last.state, int(last.done)
    batches = start.batches(batch_size, per_dispatch)
    while steps is None or done < steps:
      state, scalars = advance(place, state, next(batches), start.key)
      done += per_dispatch
      yield Progress(state, scalars, done)

  return Submission(
    train,
    lambda progress: model(progress.state),
    lambda progress: progress.scalars,
  )


class State(NamedTuple):
  """The state of a submission made by `from_optax`."""

  model: Model
  opt: PyTree
  step: Array
  norm: Array  # Of the gradient, when it was last recorded.


def _typed(new: PyTree, old: PyTree) -> PyTree:
  """A state with the types it had, so that the next step is the same program.

  A rate of 32 bits makes moments of 32 bits of those of 16.
  """
  if jax.tree.structure(new) != jax.tree.structure(old):
    return new

  def cast(x, like):
    x = jnp.asarray(x)
    return x if x.dtype == like.dtype else x.astype(like.dtype)

  return jax.tree.map(cast, new, old)


def from_optax(
  task: Task,
  tx: optax.GradientTransformation,
  *,
  schedule: optax.Schedule | None = None,
  eval_params: Callable[[PyTree, PyTree], PyTree] | None = None,
  steps: int | None = None,
  batch_size: int | None = None,
  dropout: float = 0.0,
  label_smoothing: float = 0.0,
  grad_clip: float | None = None,
) -> Submission:
  """A submission that follows an optax transformation.

  Its update is told all that optax's own ask for, as far as it takes keywords:
  value=, the loss; grad=, the gradient before it is clipped; value_fn= and
  obj_fn=, the loss as a function of the parameters, on the same batch with the
  same dropout; grad_fn=, its gradient as a function of the parameters and a
  number that does not matter; and key=, a new one in every step.

  Args:
    task: As handed to `build`.
    tx: The transformation.
    schedule: The learning rate, only to be recorded.
    eval_params: (optimizer state, parameters) -> parameters to evaluate.
    steps: The loop ends after so many, as where the rate has decayed to zero.
    batch_size: Instead of the task's.
    dropout: Rate, where the model has a place for it.
    label_smoothing: Share of the label given to all classes alike.
    grad_clip: Largest global norm of the gradient.
  """
  if isinstance(tx, optax.GradientTransformation):  # As MultiSteps is not.
    tx = optax.with_extra_args_support(tx)

  def init(model: Model, key: Key) -> State:
    del key
    zero = jnp.zeros(())
    return State(model, tx.init(model.params), jnp.zeros((), jnp.int32), zero)

  def step(state: State, batch: Batch, key: Key) -> tuple[State, Scalars]:
    key = jax.random.fold_in(key, state.step)

    def loss(params):
      return mean_loss(
        task.workload,
        params,
        state.model.state,
        batch,
        key,
        dropout=dropout,
        label_smoothing=label_smoothing,
      )

    params = state.model.params
    (value, inner), grads = jax.value_and_grad(loss, has_aux=True)(params)
    # A norm takes as long as reading the gradient: only where it is recorded.
    count = state.step + 1
    norm = jax.lax.cond(
      (count % task.record_every == 0) | (grad_clip is not None) | (count == 1),
      lambda grads: global_norm(grads).astype(state.norm.dtype),
      lambda _: state.norm,
      grads,
    )
    told = extra_args.extra_args(
      lambda x: loss(x)[0],
      value,
      grads,
      jax.random.fold_in(key, 1),  # Not the one that dropout has.
    )
    if grad_clip is not None:
      grads = clip(grads, norm, grad_clip)
    updates, opt = extra_args.update(tx, grads, state.opt, params, told)
    opt = _typed(opt, state.opt)
    model = Model(optax.apply_updates(params, updates), inner)
    scalars = {'loss': value, 'grad_norm': norm}
    if schedule is not None:
      scalars['learning_rate'] = jnp.asarray(schedule(state.step))
    return State(model, opt, count, norm), scalars

  average = jax.jit(eval_params) if eval_params else None

  def model(state: State) -> Model:
    if average is None:
      return state.model
    return Model(average(state.opt, state.model.params), state.model.state)

  return from_steps(
    init,
    step,
    model,
    batch_size=batch_size or task.batch_size,
    per_dispatch=task.per_dispatch,
    steps=steps,
  )
