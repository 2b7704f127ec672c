"""The contract of a submission: a training loop, and the model to evaluate.

`from_optax` makes both from an optax transformation, `from_steps` from pure
functions of one step. A generator passed to `Submission` controls its own loop.
The harness controls time, data order, evaluation and files.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from submissions import extra_args, shared_programs, writer
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
  """Facts that an algorithm may use before training starts."""

  workload: Workload  # Public methods only; no data, no target.
  steps: int  # Steps that the reference algorithm makes within the budget.
  batch_size: int  # The default; an algorithm may choose its own.
  train_examples: int
  per_dispatch: int = 1  # Steps that `from_steps` sends to the device at once.
  record_every: int = 1  # Steps from one record of scalars to the next.

  @property
  def shapes(self) -> Model:
    """Shapes and dtypes of parameters and model state; allocates nothing."""
    return jax.eval_shape(self.workload.init, jax.random.key(0))

  @property
  def roles(self) -> PyTree:
    """A tree like the parameters: 'embedding', 'head', 'vector', 'weight'."""
    return roles(self.shapes.params)

  @property
  def input_axes(self) -> PyTree:
    """A tree like the parameters: the number of leading input axes."""
    return input_axes(self.shapes.params)

  def mask(self, *wanted: str) -> PyTree:
    """A tree like the parameters: True where the role is in `wanted`."""
    return jax.tree.map(lambda role: role in wanted, self.roles)


class Batches(Protocol):
  """Endless training data, spread over all devices.

  No example is drawn twice: the next call continues where the last call
  stopped, whatever its batch size. A resumed trial continues there, too.
  """

  def __call__(self, size: int, stack: int = 1) -> Iterator[Batch]:
    """Yield batches [size, ...], or [stack, size, ...] if stack > 1."""
    ...


def _anywhere(state: PyTree) -> PyTree:
  return state


class Start(NamedTuple):
  """Arguments of a training loop, passed when the clock starts."""

  model: Model  # Real initial parameters. Copy them before donating.
  key: Key
  batches: Batches
  evals: Sequence[Any] = ()  # Evaluations so far; grows during the trial.
  elapsed: Callable[[], float] = lambda: 0.0  # Charged seconds.
  progress: Callable[[], float] = lambda: 0.0  # Charged share of the budget.
  state: PyTree = None  # The last state yielded, when resuming.
  # Sets a state's sharding over the devices; call it in compiled functions.
  place: Callable[[PyTree], PyTree] = _anywhere
  # Points that differ only in numbers should have one program: no seconds are
  # counted, and the next point's trial then finds it compiled.
  share_programs: bool = False


def _nothing(state: PyTree) -> Scalars:
  del state
  return {}


def _all_kept(state: PyTree) -> str:
  del state
  return ''


class Submission(NamedTuple):
  """A training algorithm.

  Attributes:
    train: Yields its state wherever the harness may interrupt it. The clock
      runs only while the loop does. The state must be complete: a resumed loop
      gets the last state as `start.state`. Returning ends the trial.
    model: Returns the model to evaluate in a state. Training continues from
      the state itself, so averaged weights need no swapping back.
    scalars: Returns values of a state to record, still on the device: 'loss',
      'grad_norm', 'learning_rate' and any others.
    lost: Names what a checkpoint of a state cannot hold, or returns ''. A
      trial with such a state starts over instead of resuming.
    schedule: The learning rate by step, for the record; None: not known.
  """

  train: Callable[[Start], Iterator[PyTree]]
  model: Callable[[PyTree], Model]
  scalars: Callable[[PyTree], Scalars] = _nothing
  lost: Callable[[PyTree], str] = _all_kept
  schedule: optax.Schedule | None = None


class Progress(NamedTuple):
  """The state of a submission made by `from_steps`."""

  state: PyTree  # Donated to the next step: copy it to keep it longer.
  scalars: Scalars  # Values of the last step; never donated.
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
  """Return a submission made from pure functions, which are compiled here.

  Args:
    init: Makes the first state; may keep the model's arrays.
    step: Makes one step; the old state is donated. The key is the same at
      every step: fold a counter into it.
    model: Returns the model to evaluate in a state.
    batch_size: Examples in every step.
    per_dispatch: Steps sent to the device at once.
    steps: Steps until the loop ends; None means it never ends by itself.
  """

  @functools.partial(jax.jit, static_argnums=0)
  def fresh(place, model: Model, key: Key) -> PyTree:
    # The first step donates this state, so it must not share arrays.
    return place(jax.tree.map(jnp.copy, init(model, key)))

  def several(state, batches, key):
    # Unrolled: XLA runs convolutions in a loop on one core of a CPU.
    state, scalars = jax.lax.scan(
      lambda state, batch: step(state, batch, key), state, batches, unroll=True
    )
    return state, jax.tree.map(lambda x: x[-1], scalars)

  @functools.cache
  def advancing(place, constants_at: jax.sharding.Sharding | None) -> Callable:
    go = several if per_dispatch > 1 else step

    def advance(state, batches, key):
      state, scalars = go(state, batches, key)
      return place(state), scalars

    if constants_at is None:
      return jax.jit(advance, donate_argnums=0)
    return shared_programs.jit(
      advance, donate_argnums=(0,), sharding=constants_at
    )

  def train(start: Start) -> Iterator[Progress]:
    place = start.place
    # Constants are on all devices, like the key.
    shared = start.key.sharding if start.share_programs else None
    advance = advancing(place, shared)
    last = start.state or Progress(fresh(place, start.model, start.key), {}, 0)
    state, done = last.state, int(last.done)
    batches = start.batches(batch_size, per_dispatch)
    while steps is None or done < steps:
      state, scalars = advance(state, next(batches), start.key)
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
  norm: Array  # Gradient norm, when it was last recorded.


def _typed(new: PyTree, old: PyTree) -> PyTree:
  """Cast a new state to its old dtypes, or the next step would recompile."""
  if jax.tree.structure(new) != jax.tree.structure(old):
    return new

  def cast(x, like):
    x = jnp.asarray(x)  # A rate of 32 bits widens moments of 16 bits.
    return x if x.dtype == like.dtype else x.astype(like.dtype)

  return jax.tree.map(cast, new, old)


def from_optax(
  task: Task,
  tx: writer.Transformation,
  *,
  schedule: optax.Schedule | None = None,
  eval_params: Callable[[PyTree, PyTree], PyTree] | None = None,
  steps: int | None = None,
  batch_size: int | None = None,
  dropout: float = 0.0,
  label_smoothing: float = 0.0,
  grad_clip: float | None = None,
) -> Submission:
  """Return a submission that trains with an optax transformation or a writer.

  A writer's `write` returns new parameters instead of updates, see writer.py.
  `tx.update` or `tx.write` gets those keywords that it accepts: value=, the
  loss; grad=, the gradient before clipping; value_fn= and obj_fn=, the loss as
  a function of the parameters (same batch, same dropout); grad_fn=, its
  gradient as a function of the parameters and an unused number; key=, new in
  every step.

  Args:
    task: The task passed to `build`.
    tx: The transformation, or the writer.
    schedule: The learning rate by step, from 0 on; only recorded.
    eval_params: (optimizer state, parameters) -> parameters to evaluate.
    steps: Steps until the loop ends; None means it never ends by itself.
    batch_size: Examples in a batch; None means the task's batch size.
    dropout: Dropout rate; no effect on models without dropout.
    label_smoothing: Share of the label spread evenly over all classes.
    grad_clip: Largest global norm of the gradient; None means no limit.
  """
  writer.check(tx)
  if isinstance(tx, optax.GradientTransformation):  # MultiSteps is none.
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
    # A norm reads the whole gradient, so it is computed only when recorded.
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
      jax.random.fold_in(key, 1),  # Independent of the dropout key.
    )
    if grad_clip is not None:
      grads = clip(grads, norm, grad_clip)
    if isinstance(tx, writer.Writer | writer.Writing):
      found = extra_args.call(tx.write, grads, state.opt, params, told)
      params, opt = writer.written(found, params)
    else:
      updates, opt = extra_args.call(tx.update, grads, state.opt, params, told)
      params = optax.apply_updates(params, updates)
    opt = _typed(opt, state.opt)
    model = Model(params, inner)
    scalars = {'loss': value, 'grad_norm': norm}
    if schedule is not None:
      scalars['learning_rate'] = jnp.asarray(schedule(state.step))
    return State(model, opt, count, norm), scalars

  average = jax.jit(eval_params) if eval_params else None

  def model(state: State) -> Model:
    if average is None:
      return state.model
    return Model(average(state.opt, state.model.params), state.model.state)

  made = from_steps(
    init,
    step,
    model,
    batch_size=batch_size or task.batch_size,
    per_dispatch=task.per_dispatch,
    steps=steps,
  )
  return made._replace(schedule=schedule)
