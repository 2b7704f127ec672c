"""Shrink every workload, so that it compiles in seconds and can learn.

FIELDS has only sizes and data. Fields that distinguish a variant from its base
workload stay unchanged.
"""

import dataclasses

import workloads
from workloads.clicks import synthetic as clicks
from workloads.graphs import synthetic as molecules
from workloads.speech import synthetic as utterances
from workloads.text import lexicon, synthetic_text
from workloads.workload import Workload

SPEECH = {
  'vocab': len(utterances.PIECES),
  'samples': utterances.SAMPLES,
  'length': utterances.LENGTH,
  'channels': 4,
  'width': 16,
  'momentum': 0.9,
  'time_masks': 2,
  'frequency_masks': 1,
  'data': 'utterances',
}
FIELDS = {
  'cifar': {'widths': (16, 32), 'blocks': (1, 1), 'data': 'drawings'},
  'criteo1tb': {
    'vocab': clicks.VOCAB,
    'embed_dim': 32,  # Fewer ReLUs make a loss with kinks.
    'bottom': (32, 32),
    'top': (64, 64),
    'data': 'clicks',
  },
  'digits': {'widths': (4, 8)},
  'fastmri': {'channels': 4, 'levels': 1, 'size': 16, 'data': 'phantoms'},
  'finewebedu_lm': {
    'vocab': synthetic_text.VOCAB,
    'width': 64,
    'layers': 2,
    'heads': 2,
    'length': 96,
    'init_std': 0.08,
    'dtype': 'float32',
    'data': 'grammar',
  },
  'imagenet_resnet': {
    'widths': (4, 8),
    'blocks': (1, 1),
    'image_size': 32,
    'classes': 20,
    'data': 'drawings',
  },
  'imagenet_vit': {
    'patch': 8,
    'width': 16,
    'layers': 2,
    'heads': 2,
    'image_size': 32,
    'classes': 20,
    'data': 'drawings',
  },
  'librispeech_conformer': SPEECH | {'hidden': 16, 'blocks': 1, 'heads': 2},
  'librispeech_deepspeech': SPEECH | {'recurrent': 1, 'feed_forward': 1},
  'mnist': {'width': 8, 'data': 'drawings'},
  'ogbg': {
    'latent': 16,
    'width': 16,
    'steps': 2,
    'tasks': molecules.TASKS,
    'max_nodes': molecules.ATOMS,
    'max_edges': molecules.EDGES,
    'pool_nodes': 21,
    'pool_edges': 44,
    'data': 'molecules',
  },
  'wmt': {
    'vocab': lexicon.VOCAB,
    'width': 16,
    'layers': 1,
    'heads': 2,
    'hidden': 16,
    'length': 20,
    'data': 'languages',
  },
}


def tiny(name: str) -> Workload:
  """Return a shrunk workload."""
  family = name.partition('/')[0]
  return dataclasses.replace(workloads.get(name), **FIELDS[family])
