"""Programs that all points of a submission share, since numbers are arguments.

A hyperparameter is a constant of the program that JAX traces, so a new point is
a new program to compile: seconds for a mini, minutes for a published model.
`jit` makes the constants arguments. Points that differ only in numbers then
have the same program, which the compilation cache of a race holds.

Its steps take up to 3 % longer and its results differ by rounding, see
docs/benchmarks/harness.md. So the harness uses it where seconds are not counted
and points are tried.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from workloads.workload import Array

# XLA computes less where it knows these numbers.
KEPT = {0.0, 0.5, 1.0, 2.0, -0.5, -1.0, -2.0}
CALLS = ('jit', 'closed_call', 'custom_jvp_call', 'custom_vjp_call')


class Shared(NamedTuple):
  """A program and its constants.

  Attributes:
    call: (constants, *arguments) -> results.
    constants: A vector of constants by dtype.
  """

  call: Callable
  constants: Mapping[str, np.ndarray | Array]


def jit(
  function: Callable,
  *,
  donate_argnums: Sequence[int] = (),
  sharding: jax.sharding.Sharding | None = None,
) -> Callable:
  """Return a compiled function whose constants are arguments of its program.

  Constants are numbers: floating-point ones, and integers from which only
  numbers are computed. Those in KEPT and in kernels stay in the program, and so
  do arrays.

  Args:
    function: Takes and returns pytrees of arrays.
    donate_argnums: Arguments whose memory may be used for results.
    sharding: Where the constants are; None: on the default device.
  """
  programs: dict[Any, Shared] = {}

  def call(*args):
    leaves, tree = jax.tree.flatten(args)
    kinds = tree, tuple(map(jax.typeof, leaves))
    if kinds not in programs:
      program = shared(function, args, donate_argnums)
      there = jax.device_put(program.constants, sharding)
      programs[kinds] = program._replace(constants=there)
    program = programs[kinds]
    return program.call(program.constants, *args)

  return call


def shared(
  function: Callable, args: Sequence[Any], donate_argnums: Sequence[int] = ()
) -> Shared:
  """Trace a function, and return its program without constants.

  Args:
    function: Takes and returns pytrees of arrays.
    args: Arguments like those of later calls.
    donate_argnums: Arguments whose memory may be used for results.
  """
  traced, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
  tree = jax.tree.structure(shapes)
  places: dict[int, tuple[str, int]] = {}  # By the identity of a literal.
  numbers: dict[str, list[Any]] = {}
  for literal in _constants(traced.jaxpr):
    if id(literal) not in places:
      kind = _type(literal).dtype.name
      same = numbers.setdefault(kind, [])
      places[id(literal)] = kind, len(same)
      same.append(literal.val)

  def call(constants, *args):
    def value(literal):
      place = places.get(id(literal))
      if place is None:
        return np.asarray(literal.val, _type(literal).dtype)
      kind, index = place
      return constants[kind][index]

    found = _run(traced, value, *jax.tree.leaves(args))
    return jax.tree.unflatten(tree, found)

  donated = tuple(n + 1 for n in donate_argnums)
  constants = {kind: np.array(same, kind) for kind, same in numbers.items()}
  return Shared(jax.jit(call, donate_argnums=donated), constants)


def _constants(jaxpr: core.Jaxpr) -> Iterator[core.Literal]:
  """Yield the literals that become arguments, also those of inner programs."""
  for eqn in jaxpr.eqns:
    numbers = all(_type(var).shape == () for var in eqn.outvars)
    for var in eqn.invars:
      if isinstance(var, core.Literal) and _is_constant(var, numbers):
        yield var
    for inner in _inner(eqn):
      yield from _constants(inner.jaxpr)
  for var in jaxpr.outvars:
    if isinstance(var, core.Literal) and _is_constant(var, numbers=True):
      yield var


def _type(var: core.Var | core.Literal) -> Any:
  """Return the shape and dtype of a variable, or of a literal."""
  return var.aval


def _is_constant(literal: core.Literal, numbers: bool) -> bool:
  """Test whether a literal is an argument.

  Args:
    literal: The literal.
    numbers: Whether only numbers are computed from it. Integers from which
      arrays are computed are mostly indices, whose values make programs fast.
  """
  kind = _type(literal).dtype
  if _type(literal).shape:
    return False
  if not jnp.issubdtype(kind, jnp.floating):
    return numbers and kind == jnp.int32 and int(literal.val) not in KEPT
  value = float(literal.val)
  return math.isfinite(value) and value not in KEPT


def _inner(eqn: core.JaxprEqn) -> list[core.ClosedJaxpr]:
  """Return the programs in an equation whose constants are arguments, too."""
  name, params = eqn.primitive.name, eqn.params
  if name in CALLS:
    return [params['jaxpr' if 'jaxpr' in params else 'call_jaxpr']]
  if name == 'scan':
    return [params['jaxpr']]
  if name == 'while':
    return [params['cond_jaxpr'], params['body_jaxpr']]
  if name == 'cond':
    return _branches(eqn)
  return []


def _branches(eqn: core.JaxprEqn) -> list[core.ClosedJaxpr]:
  """Return the branches, or the only one that this platform has."""
  platforms = eqn.params.get('branches_platforms')
  branches = list(eqn.params['branches'])
  if not platforms:
    return branches
  here = jax.default_backend()
  fits = [i for i, p in enumerate(platforms) if p is None or here in p]
  return [branches[fits[0]]]


def _run(
  program: core.ClosedJaxpr, value: Callable[[core.Literal], Any], *args: Any
) -> list[Any]:
  """Compute a program's results, with values of literals from elsewhere."""
  known = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
  known |= dict(zip(program.jaxpr.invars, args, strict=True))

  def read(var):
    return value(var) if isinstance(var, core.Literal) else known[var]

  for eqn in program.jaxpr.eqns:
    with eqn.ctx.manager:
      found = _results(eqn, value, [read(var) for var in eqn.invars])
    known |= dict(zip(eqn.outvars, found, strict=True))
  return [read(var) for var in program.jaxpr.outvars]


def _results(
  eqn: core.JaxprEqn, value: Callable[[core.Literal], Any], args: list[Any]
) -> Sequence[Any]:
  name, params = eqn.primitive.name, eqn.params
  inner = [functools.partial(_run, one, value) for one in _inner(eqn)]
  if name in CALLS:
    return inner[0](*args)
  if name == 'scan':
    return _scan(params, inner[0], args)
  if name == 'while':
    return _while(params, inner[0], inner[1], args)
  if name == 'cond' and len(inner) == 1:
    return inner[0](*args[1:])
  if name == 'cond':
    return jax.lax.switch(args[0], inner, *args[1:])
  found = eqn.primitive.bind(*args, **eqn.primitive.get_bind_params(params))
  return found if eqn.primitive.multiple_results else [found]


def _scan(params: dict, body: Callable, args: list[Any]) -> list[Any]:
  fixed, more = params['num_consts'], params['num_carry']
  consts, rest = args[:fixed], args[fixed:]

  def step(carry, x):
    found = body(*consts, *carry, *x)
    return found[:more], found[more:]

  carry, stacked = jax.lax.scan(
    step,
    [jnp.asarray(x) for x in rest[:more]],
    rest[more:],
    length=params['length'],
    reverse=params['reverse'],
    unroll=params['unroll'],
  )
  return [*carry, *stacked]


def _while(
  params: dict, cond: Callable, body: Callable, args: list[Any]
) -> list[Any]:
  a, b = params['cond_nconsts'], params['body_nconsts']
  tested, fixed, first = args[:a], args[a : a + b], args[a + b :]
  return jax.lax.while_loop(
    lambda carry: cond(*tested, *carry)[0],
    lambda carry: body(*fixed, *carry),
    [jnp.asarray(x) for x in first],
  )
