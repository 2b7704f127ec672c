"""Kinds of the submissions that come with TimeTrial, for filters and tables."""

KINDS = {
  'baselines': (
    'baseline', 'nadamw', 'adamw', 'momentum', 'nesterov', 'sgd', 'restarts',
  ),
  'sign and layers': ('lion', 'lamb', 'lars'),
  'second order': ('muon', 'shampoo', 'soap', 'sophia'),
  'no learning rate': (
    'dadapt_adamw', 'prodigy', 'dog', 'dowg', 'mechanic', 'momo', 'momo_adam',
    'cocob',
  ),
  'averages': ('schedule_free', 'ema', 'lawa'),
  'refinements of Adam': ('ademamix', 'cautious', 'sam'),
  'schedules': (
    'refined', 'wsd_s', 'auto_lrs', 'hypergradient', 'scaled_batch', 'step_law',
  ),
  'eight bits a number': (
    'adam_8bit', 'adamw_8bit', 'momentum_8bit', 'lion_8bit', 'lamb_8bit',
  ),
  'other batches': ('data_echoing', 'growing_batches', 'multigrid'),
}  # fmt: skip
OTHER = 'others'


def kind(name: str) -> str:
  """Return the kind of a submission; OTHER if it does not come with TimeTrial.

  Args:
    name: Name of the submission, also with a point: 'adamw@linear'. A point of
      `adamw` is a schedule.
  """
  base, _, point = name.partition('@')
  if base == 'adamw' and point:
    return 'schedules'
  return next((kind for kind, names in KINDS.items() if base in names), OTHER)
