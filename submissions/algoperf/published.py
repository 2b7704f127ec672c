"""Facts of AlgoPerf's own workloads that its submissions may read."""

import jax

import workloads

# Published default dropout rates; other families have no dropout.
DROPOUT = dict.fromkeys(
  ('librispeech_conformer', 'librispeech_deepspeech', 'ogbg', 'wmt'), 0.1
)
# Families whose models use no randomness, so that rng may be None.
CERTAIN = ('cifar', 'finewebedu_lm', 'imagenet_resnet', 'mnist')
# Published mean and standard deviation of each channel of the training images.
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
  """Return AlgoPerf's name: 'criteo1tb/layernorm' is 'criteo1tb_layernorm'."""
  return workloads.canonical(ours).replace('/', '_')
