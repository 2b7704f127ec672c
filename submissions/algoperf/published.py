"""Facts of AlgoPerf's own workloads that its submissions may ask for."""

import jax

import workloads

# Where a submission does not say, as published; other families have none.
DROPOUT = dict.fromkeys(
  ('librispeech_conformer', 'librispeech_deepspeech', 'ogbg', 'wmt'), 0.1
)
# Families whose models draw nothing, and take None for a key.
CERTAIN = ('cifar', 'finewebedu_lm', 'imagenet_resnet', 'mnist')
# Mean and spread of a channel of the training images, as published.
IMAGES = {
  'mnist': (0.1307, 0.3081),
  'cifar': (
    tuple(255 * x for x in (0.49139968, 0.48215827, 0.44653124)),
    tuple(255 * x for x in (0.24703233, 0.24348505, 0.26158768)),
  ),
  'imagenet': (
    tuple(255 * x for x in (0.485, 0.456, 0.406)),
    tuple(255 * x for x in (0.229, 0.224, 0.225)),
  ),
}
LOSSES = {
  'softmax': ('SOFTMAX_CROSS_ENTROPY', jax.nn.softmax),
  'sigmoid': ('SIGMOID_CROSS_ENTROPY', jax.nn.sigmoid),
  'absolute': ('MEAN_ABSOLUTE_ERROR', lambda x: x),
  'ctc': ('CTC_LOSS', jax.nn.softmax),
}


def name(ours: str) -> str:
  """'criteo1tb/layernorm' is 'criteo1tb_layernorm' there."""
  return workloads.canonical(ours).replace('/', '_')
