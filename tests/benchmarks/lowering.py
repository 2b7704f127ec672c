"""Lower all trainings for GPUs and TPUs on a CPU; nothing of them is run.

`python -m tests.benchmarks.lowering [workloads|submissions|memory [NAME ...]]`;
all parts and workloads by default. Lowering turns the programs of a trial into
what XLA compiles for a platform. It fails where a platform lacks an operation.

`workloads`: every workload and variant with NAdamW, at the published batch of
one of eight devices, or at a mini's batch.

`submissions`: every submission on one mini of each field.

`memory`: XLA's plan of the memory of NAdamW's step, for every published model
at the published batch of one of eight devices. XLA makes this plan for a CPU;
on an accelerator, convolutions and attention need other buffers. Each model is
compiled in a process of its own.
"""

import subprocess
import sys

import jax

import submissions
import workloads
from runner.launch import environment
from runner.protocol.suites import suite
from tests.benchmarks.published_sizes import per_device, published
from tests.support import lowering
from tests.support.lowering import PLATFORMS

FIELDS = (  # A mini of each field.
  'criteo1tb/mini',
  'fastmri/mini',
  'imagenet_vit/mini',
  'librispeech_conformer/mini',
  'ogbg/mini',
  'wmt/mini',
)
MINI = 64  # Examples in a batch of a workload that no suite has.
CHILD = '--plan'


def size(name: str) -> int:
  """Return the batch size of one device."""
  if '/mini' not in name and not name.startswith('digits'):
    return per_device(name.partition('/')[0])
  found = {}
  for board in ('mini', 'mini_variants'):
    read = suite.load(board)
    found |= read.workloads | read.unscored
  return found[name].batch_size if name in found else MINI


def _workloads(names: list[str]) -> None:
  print(f'| workload | batch | {" | ".join(PLATFORMS)} |')
  print('|---|---|' + '---|' * len(PLATFORMS), flush=True)
  for name in names or workloads.names():
    found = lowering.failures('nadamw', workloads.get(name), size(name))
    cells = [found[platform] or 'ok' for platform in PLATFORMS]
    print(f'| {name} | {size(name)} | {" | ".join(cells)} |', flush=True)
    jax.clear_caches()


def _submissions(names: list[str]) -> None:
  known = submissions.names()
  print(f'| workload | of {len(known)} for {" | for ".join(PLATFORMS)} | not |')
  print('|---|' + '---|' * len(PLATFORMS) + '---|', flush=True)
  for mini in names or FIELDS:
    found = {}
    for name in known:
      found[name] = lowering.failures(
        name, workloads.get(mini), size(mini), whole=False
      )
    jax.clear_caches()
    counts = [
      str(sum(not one[kind] for one in found.values())) for kind in PLATFORMS
    ]
    bad = [
      f'{name}, {kind}: {why}'
      for name, one in found.items()
      for kind, why in one.items()
      if why
    ]
    print(f'| {mini} | {" | ".join(counts)} | {"; ".join(bad)} |', flush=True)


def _memory(names: list[str]) -> None:
  print('| workload | batch | arguments, GiB | temporary, GiB | all, GiB |')
  print('|---|---|---|---|---|', flush=True)
  for name in names or published():
    child = [sys.executable, '-m', __spec__.name, CHILD, name]
    done = subprocess.run(
      child,
      capture_output=True,
      text=True,
      check=False,
      env=environment.variables(),  # A few workloads hang without these flags.
    )
    told = done.stdout if not done.returncode else done.stderr
    last = told.splitlines()[-1] if told else f'exit code {done.returncode}'
    print(f'| {name} | {size(name)} | {last} |', flush=True)


def _plan(name: str) -> None:
  """Print the cells of one model."""
  found = lowering.step_bytes('nadamw', workloads.get(name), size(name))
  print(' | '.join(f'{count / 2**30:.2f}' for count in found.values()))


PARTS = {
  'workloads': _workloads, 'submissions': _submissions, 'memory': _memory
}  # fmt: skip


def main(words: list[str]) -> None:
  """Print the tables of all parts, or one part's for some workloads."""
  print(f'jax {jax.__version__}')
  for part in words[:1] or PARTS:
    print(f'\n{part}\n')
    PARTS[part](words[1:])


if __name__ == '__main__':
  if sys.argv[1:2] == [CHILD]:
    _plan(sys.argv[2])
  else:
    main(sys.argv[1:])
