"""Files that an attempt leaves in its folder for the next one."""

from runner.launch import leftovers
from runner.protocol import layout

OURS = (
  layout.TRIAL,
  layout.EVALS,
  layout.ATTEMPTS,
  'eval_measurements_before_1.csv',
  'reached_before_1.checkpoint',
  'meta_data_0.json',
  'traceback_12.txt',
  'trial.log',
  'trial_host_1.log',
  '.lock',
  'mine.py',
)
THEIRS = ('kept.npz', 'weights_before_0.npz', 'traceback_x.txt', '.hidden')


def test_only_the_harness_finds_its_files_again(tmp_path):
  """A submission once started over with the weights that it had kept."""
  for name in (*OURS, *THEIRS):
    (tmp_path / name).write_text('x')
  for name in ('checkpoint', 'mine', 'plugins', 'notes'):
    (tmp_path / name).mkdir()
    (tmp_path / name / 'inner').write_text('x')
  (tmp_path / 'link').symlink_to(tmp_path / 'mine')
  leftovers.discard(tmp_path, 'mine')
  assert {path.name for path in tmp_path.iterdir()} == {
    *OURS, 'checkpoint', 'mine', 'plugins'
  }  # fmt: skip
  assert (tmp_path / 'mine' / 'inner').exists()
