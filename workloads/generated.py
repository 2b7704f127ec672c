"""Generated data, made by one process and kept in files for later ones.

Data are kept as numpy files that are named by their SHA-256, and an index names
the file of every array. A process that knows the hash of an index maps the
files into its memory, instead of generating the data again. It believes no file
whose content has another hash.
"""

import functools
import hashlib
import io
import json
import math
import mmap
import os
import pathlib
import secrets
from collections.abc import Callable, Mapping
from typing import NamedTuple, ParamSpec

import numpy as np

from workloads.batches import Arrays

FOLDER = 'data'  # In the folder that is passed to `write` and `read`.

_Arguments = ParamSpec('_Arguments')
_Index = Mapping[str, Mapping[str, str]]  # Hash by array, by call.


class _Kept(NamedTuple):
  """Files of generated data that this process may use."""

  folder: pathlib.Path
  index: _Index


class DamagedError(ValueError):
  """A file of generated data is missing or changed; the message names it."""


_made: dict[str, Arrays] = {}  # Data that this process has generated, by call.
_kept: list[_Kept] = []  # At most one.


def kept(make: Callable[_Arguments, Arrays]) -> Callable[_Arguments, Arrays]:
  """Decorate a function that generates data; every call is made once a process.

  Args:
    make: The function. Its result depends on its arguments only.
  """

  @functools.cache
  @functools.wraps(make)
  def found(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Arrays:
    call = f'{make.__module__}.{make.__qualname__}{args}{kwargs or ""}'
    for place in _kept:
      try:
        return _mapped(place, call)
      except DamagedError as error:
        print(f'{error} The data are generated again.', flush=True)
      except LookupError:
        pass  # Nobody has generated these data yet.
    _made[call] = make(*args, **kwargs)
    return _made[call]

  return found  # pyrefly: ignore


def stream(*numbers: int, world: int) -> np.random.Generator:
  """Return a random stream of a world.

  Streams of world 0 are older than worlds, and have no number of a world.

  Args:
    *numbers: Numbers that tell the streams of a world apart.
    world: Number of the world.
  """
  return np.random.default_rng([*numbers, world] if world else list(numbers))


def write(folder: str | os.PathLike) -> str:
  """Write all data that this process has generated; return the index's hash.

  Args:
    folder: The folder, for `read`.

  Raises:
    OSError: the files cannot be written.
  """
  place = pathlib.Path(folder, FOLDER)
  place.mkdir(parents=True, exist_ok=True)
  index = {
    call: {name: _write(place, _file(x)) for name, x in arrays.rows.items()}
    for call, arrays in _made.items()
  }
  return _write(place, json.dumps(index).encode())


def read(folder: str | os.PathLike, sha256: str) -> None:
  """Use data that another process has written, from now on.

  Args:
    folder: The folder that was passed to `write`.
    sha256: Hash that `write` has returned; '': use none.
  """
  _kept.clear()
  if not sha256:
    return
  place = pathlib.Path(folder, FOLDER)
  try:
    index = json.loads(bytes(_content(place, sha256)))
  except DamagedError as error:
    print(f'{error} Data are generated again.', flush=True)
  else:
    _kept.append(_Kept(place, index))


def _mapped(place: _Kept, call: str) -> Arrays:
  """Return the data of a call as arrays that are views of files.

  Raises:
    LookupError: the index does not have the call.
    DamagedError: a file is not as it was written.
  """
  names = place.index[call]
  return Arrays(
    {name: _array(_content(place.folder, sha)) for name, sha in names.items()}
  )


def _content(folder: pathlib.Path, sha256: str) -> mmap.mmap:
  path = folder / sha256
  try:
    with path.open('rb') as file:
      content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
  except (OSError, ValueError) as error:  # ValueError: the file is empty.
    raise DamagedError(f'{path} cannot be read: {error}.') from error
  if hashlib.sha256(content).hexdigest() != sha256:
    raise DamagedError(f'{path} is damaged: its hash is not its name.')
  return content


def _array(content: mmap.mmap) -> np.ndarray:
  np.lib.format.read_magic(content)
  shape, _, kind = np.lib.format.read_array_header_1_0(content)
  flat = np.frombuffer(content, kind, math.prod(shape), content.tell())
  return flat.reshape(shape)


def _file(array: np.ndarray) -> bytes:
  """Return the content of a numpy file with an array in C order."""
  content = io.BytesIO()
  np.lib.format.write_array(
    content, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False
  )
  return content.getvalue()


def _write(folder: pathlib.Path, content: bytes) -> str:
  """Write a file that is named by its hash, unless it is there; return it."""
  sha256 = hashlib.sha256(content).hexdigest()
  path = folder / sha256
  try:
    _content(folder, sha256).close()
  except DamagedError:
    # Examiners on several hosts may share the folder.
    part = folder / f'{sha256}.{secrets.token_hex(4)}'
    try:
      part.write_bytes(content)
      os.replace(part, path)
    finally:
      part.unlink(missing_ok=True)
  return sha256
