"""Transformations that write parameters themselves, and bad use of them."""

import itertools
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from submissions.submission import Start, from_optax
from submissions.writer import Writing
from tests.support import quadratic_workload

RATE = 0.1


def sgd(grads, state, params):
  return jax.tree.map(lambda w, g: w - RATE * g, params, grads), state + 1


WRITER = Writing(lambda params: jnp.zeros((), jnp.int32), sgd)


def trained(tx, per_dispatch=1, count=4, **options):
  task = quadratic_workload.task()._replace(per_dispatch=per_dispatch)
  submission = from_optax(task, tx, **options)

  def batches(size, stack=1):
    drawn = quadratic_workload.batches(size)
    while several := list(itertools.islice(drawn, stack)):
      several = jax.tree.map(lambda *x: jnp.stack(x), *several)
      yield jax.tree.map(lambda x: x[0], several) if stack == 1 else several

  start = Start(task.workload.init(None), jax.random.key(0), batches)
  states = submission.train(start)
  *_, last = itertools.islice(states, count // per_dispatch)
  return last.state.opt, submission.model(last).params


@pytest.mark.parametrize('per_dispatch', [1, 2])
@pytest.mark.parametrize('grad_clip', [None, 0.5])
def test_a_writer_trains_as_its_updates_would(grad_clip, per_dispatch):
  state, found = trained(WRITER, per_dispatch, grad_clip=grad_clip)
  _, expected = trained(optax.sgd(RATE), per_dispatch, grad_clip=grad_clip)
  assert state == 4
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7),
    found,
    expected,
  )


def test_a_writer_gets_the_keywords_that_it_names():
  def write(grads, state, params, value):
    return params, state + value

  state, _ = trained(Writing(lambda params: jnp.zeros(()), write))
  assert state != 0


def test_parameters_keep_their_type():
  """A rate of 32 bits would widen parameters of 16 bits."""

  def write(grads, state, params):
    return jax.tree.map(lambda w: w.astype(jnp.bfloat16), params), state

  _, params = trained(Writing(lambda params: jnp.zeros(()), write))
  assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype('float32')}


def test_the_example_of_the_documents_trains():
  text = pathlib.Path('docs/submitting.md').read_text(encoding='utf-8')
  [source] = [x for x in re.findall(r'```python\n(.*?)```', text, re.DOTALL)
              if 'Writing' in x]  # fmt: skip
  made = {}
  exec(source, made)
  task = quadratic_workload.task()
  submission = made['build'](task, **made['SELF'])
  start = Start(
    task.workload.init(None), jax.random.key(0), quadratic_workload.batches
  )
  *_, last = itertools.islice(submission.train(start), 4)
  _, expected = trained(optax.sgd(RATE))
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7),
    submission.model(last).params,
    expected,
  )


class Both:
  """Has too much."""

  init = update = write = staticmethod(lambda *_: None)


class Neither:
  """Has too little."""

  init = staticmethod(lambda params: ())


@pytest.mark.parametrize(
  ('tx', 'message'),
  [
    (Both(), 'got Both, which has init and update and write. It needs init, '),
    (Neither(), 'got Neither, which has init. It needs init, and either'),
    (3, r'got int, which has none of these.* Pass an optax transformation'),
    (optax.sgd, 'got function, which has none of these'),
  ],
)
def test_what_is_no_transformation_is_refused(tx, message):
  with pytest.raises(TypeError, match=message):
    from_optax(quadratic_workload.task(), tx)


@pytest.mark.parametrize(
  ('write', 'error', 'message'),
  [
    (lambda g, s, p: p, TypeError,
     r'returned dict instead of two values. Return \(params, state\)'),
    (lambda g, s, p: (s, p), TypeError, 'in this order, and keep the tree'),
    (lambda g, s, p: (jax.tree.map(lambda x: x[:1], p), s), ValueError,
     r"with shape \(1, 2, 2\) instead of \(3, 2, 2\). Keep"),
  ],
)  # fmt: skip
def test_what_write_returns_is_checked(write, error, message):
  with pytest.raises(error, match=message):
    trained(Writing(lambda params: jnp.zeros(()), write))
