"""Translation: sizes, masks, decoding, BLEU and the generated languages.

Published sizes and initial statistics against a record of AlgoPerf's own
(../shared/data/param_shapes, skipped where it is not there). What is compiled
is compiled once for the module.
"""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from scipy import special

import workloads
from workloads.batches import train_batch
from workloads.data import DataError
from workloads.text import beam, bleu, lexicon, synthetic_pairs, transformer
from workloads.text.wmt import WMT
from workloads.workload import Model

PUBLISHED = ['wmt', 'wmt/post_ln', 'wmt/attention_temp', 'wmt/glu_tanh']
TINY = {
  'vocab': 29,
  'width': 8,
  'layers': 1,
  'heads': 2,
  'hidden': 8,
  'length': 9,
}


@functools.cache
def _tiny(name: str = 'wmt', **changes) -> WMT:
  return dataclasses.replace(workloads.get(name), **TINY, **changes)


@functools.cache
def _model(workload) -> Model:
  """Random parameters, norms and biases too, without compiling `init`."""
  rng = np.random.default_rng(0)
  shapes = jax.eval_shape(workload.init, jax.random.key(0))
  return jax.tree.map(
    lambda x: (0.5 * rng.standard_normal(x.shape)).astype(x.dtype), shapes
  )


@functools.partial(jax.jit, static_argnums=(0, 3))
def _logits(workload, model, batch, dropout=0.0):
  return workload.forward(model, batch, jax.random.key(1), dropout)[0]


@functools.partial(jax.jit, static_argnums=0)
def _examine(workload, model, batch):
  return workload.eval_stats(model, batch)


def test_positions_are_those_of_algoperf():
  waves = transformer.sinusoids(256, 1024)[7, [0, 1, 511, 512, 513, 1023]]
  # As many digits as were written down.
  expected = [0.656987, 0.557836, 0.0007, 0.753902, 0.829951, 1.0]
  np.testing.assert_allclose(waves, expected, atol=1e-6)


def _normed(p, x):
  mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
  return (x - mean) / np.sqrt(var + 1e-6) * p['scale'] + p['bias']


def _attention(p, x, memory, seen, temperature):
  query, key, value = (
    np.einsum('td,dhe->the', side, p[name]['kernel'])
    for name, side in (
      ('query', temperature * x),
      ('key', memory),
      ('value', memory),
    )
  )
  scores = np.einsum('the,she->hts', query, key) / np.sqrt(query.shape[-1])
  scores = np.where(seen[None], scores, -np.inf)
  mixed = np.einsum('hts,she->the', special.softmax(scores, -1), value)
  return np.einsum('the,hed->td', mixed, p['out']['kernel'])


def _perceptron(p, x, workload):
  def dense(n):
    return lambda x: x @ p[f'Dense_{n}']['kernel'] + p[f'Dense_{n}']['bias']

  if workload.glu:
    return dense(2)(np.tanh(dense(0)(x)) * dense(1)(x))
  return dense(1)(np.maximum(dense(0)(x), 0))


def _by_hand(workload, params, inputs, shifted):
  """Logits [T, V] of one sentence without padding, in float64 numpy."""
  p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
  post = workload.post_norm
  table = p['embedding']['embedding']
  waves = transformer.sinusoids(workload.length, workload.width)

  def joined(layer, number, x, sublayer):
    norm = layer[f'joints_{number}']['norm']
    if post:
      return _normed(norm, x + sublayer(x))
    return x + sublayer(_normed(norm, x))

  def attend(layer, memory, seen):
    def sublayer(x):
      asked = x if memory is None else memory
      return _attention(layer, x, asked, seen, workload.temperature)

    return sublayer

  x = table[inputs] + waves[: len(inputs)]
  everything = np.ones((len(inputs),) * 2, bool)
  layer = p['encoder_0']
  x = joined(layer, 0, x, attend(layer['own'], None, everything))
  x = joined(layer, 1, x, lambda x: _perceptron(layer['mlp'], x, workload))
  encoded = x if post else _normed(p['encoder_norm'], x)
  x = table[shifted] + waves[: len(shifted)]
  earlier = np.tri(len(shifted), dtype=bool)
  everything = np.ones((len(shifted), len(inputs)), bool)
  last = p['decoder_0']
  x = joined(last, 0, x, attend(last['own'], None, earlier))
  x = joined(last, 1, x, attend(last['cross'], encoded, everything))
  x = joined(last, 2, x, lambda x: _perceptron(last['mlp'], x, workload))
  x = x if post else _normed(p['decoder_norm'], x)
  return x @ table.T / np.sqrt(workload.width)


def _rows(side, rows, segments, length=TINY['length']):
  """The batch of some rows of tokens whose sentences have those lengths."""
  tokens, positions, numbers = np.zeros((3, len(rows), length), np.int32)
  for n, (row, sizes) in enumerate(zip(rows, segments, strict=True)):
    tokens[n, : len(row)] = row
    positions[n, : len(row)] = [k for size in sizes for k in range(size)]
    numbers[n, : len(row)] = np.repeat(np.arange(len(sizes)) + 1, sizes)
  return {
    side: tokens,
    f'{side}_position': positions,
    f'{side}_segmentation': numbers,
  }


def _pair(inputs, targets):
  """One sentence of each side in a row."""
  return _rows('inputs', [inputs], [[len(inputs)]]) | _rows(
    'targets', [targets], [[len(targets)]]
  )


@pytest.mark.parametrize('name', PUBLISHED)
def test_logits_by_hand(name):
  workload = _tiny(name)
  model = _model(workload)
  inputs, targets = [5, 3, 17, 2], [7, 7, 20, 11, 2]
  ours = _logits(workload, model, _pair(inputs, targets))[0, :5]
  shifted = [0, *targets[:-1]]
  expected = _by_hand(workload, model.params, inputs, shifted)
  # Rounding in float32 of some ten layers of numbers near one; a temperature
  # of four makes softmax steeper.
  np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


def test_padding_and_later_tokens_are_not_seen():
  workload = _tiny()
  model = _model(workload)
  batch = _pair([5, 3, 2], [7, 6, 20, 2])
  plain = _logits(workload, model, batch)[0, :4]
  # Positions of padding do not matter, nor does a segment's number.
  changed = dict(batch)
  changed['inputs_position'] = np.arange(9, dtype=np.int32)[None]
  changed['inputs_segmentation'] = np.full((1, 9), 1, np.int32)
  same = _logits(workload, model, changed)[0, :4]
  np.testing.assert_array_equal(plain, same)
  later = dict(batch, targets=batch['targets'].copy())
  later['targets'][0, 2] = 9
  other = _logits(workload, model, later)[0, :4]
  np.testing.assert_array_equal(plain[:3], other[:3])
  assert not np.array_equal(plain[3], other[3])


def test_sentences_of_a_row_do_not_know_of_each_other():
  workload = _tiny()
  model = _model(workload)
  first = _pair([5, 3, 2], [7, 6, 20, 2])
  second = _pair([9, 8, 14, 2], [11, 12, 2])
  packed = _rows('inputs', [[5, 3, 2, 9, 8, 14, 2]], [[3, 4]]) | _rows(
    'targets', [[7, 6, 20, 2, 11, 12, 2]], [[4, 3]]
  )
  together = _logits(workload, model, packed)[0]
  alone = [_logits(workload, model, b)[0] for b in (first, second)]
  # The same sums with other numbers of zeros between them.
  np.testing.assert_allclose(together[:4], alone[0][:4], rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(together[4:7], alone[1][:3], rtol=1e-4, atol=1e-5)
  odd = dataclasses.replace(workload, quirks=('previous_eos_starts_segment',))
  quirk = _logits(odd, model, packed)[0]
  np.testing.assert_array_equal(quirk[:4], together[:4])
  assert not np.allclose(quirk[4], together[4], rtol=1e-2)


@pytest.mark.parametrize('smoothing', [0.0, 0.1])
def test_loss_of_translation(smoothing):
  rng = np.random.default_rng(0)
  logits = rng.standard_normal((2, 4, 10))
  targets = np.array([[3, 5, 2, 0], [9, 2, 0, 0]], np.int32)
  wanted = (1 - smoothing) * np.eye(10)[targets] + smoothing / 10
  terms = -(wanted * special.log_softmax(logits, axis=-1)).sum(axis=-1)
  losses, counts = _tiny().losses(
    jnp.asarray(logits, jnp.float32), {'targets': targets}, smoothing
  )
  expected = (terms * (targets > 0)).sum(axis=1)
  np.testing.assert_allclose(losses, expected, rtol=1e-5)
  assert counts.tolist() == [3, 2]


def test_dropout_acts_at_its_published_places():
  """Not within attention, unless a second rate is asked for.

  The model was once made while Dropout was watched, and making it has a rate of
  0: the test passed only where JAX had it from an earlier test.
  """
  workload = _tiny()
  model, places = _model(workload), []

  def watch(call, arguments, options, context):
    if isinstance(context.module, nn.Dropout):
      places.append('/'.join(context.module.path))
      assert context.module.rate == 0.1
    return call(*arguments, **options)

  def forward(model, key):
    batch = _pair([5, 3, 2], [7, 6, 20, 2])
    return workload.forward(model, batch, key, 0.1)[0]

  with nn.intercept_methods(watch):
    jax.eval_shape(forward, model, jax.random.key(1))
  assert sorted(places) == [
    'decoder_0/joints_0/drop',
    'decoder_0/joints_1/drop',
    'decoder_0/joints_2/drop',
    'decoder_0/mlp/Dropout_0',
    'drop',
    'drop',
    'encoder_0/joints_0/drop',
    'encoder_0/joints_1/drop',
    'encoder_0/mlp/Dropout_0',
  ]


def test_dropout_of_everything_leaves_nothing_but_the_last_norm():
  workload = _tiny()
  model = _model(workload)
  batch = _pair([5, 3, 2], [7, 6, 20, 2])
  logits = _logits(workload, model, batch, 1.0)
  bias = model.params['decoder_norm']['bias']
  alone = model.params['embedding']['embedding'] @ bias / 8**0.5
  expected = np.broadcast_to(alone, logits.shape)
  # Rounding of sums of eight numbers.
  np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def _chain(vocab: int, seed: int):
  """A language of which the last two tokens tell the next one's logits."""
  rng = np.random.default_rng(seed)
  table = (2 * rng.standard_normal((3, vocab, vocab, vocab))).astype(np.float32)
  cache = (table, np.zeros(3, np.int32))
  return table.astype(np.float64), cache


def _step(tokens, position, cache):  # [B, K]
  table, last = cache
  beams = np.arange(3)[:, None], np.arange(tokens.shape[1])[None]
  return table[*beams, last, tokens], (table, tokens)


@functools.partial(jax.jit, static_argnames=('length', 'eos', 'width'))
def _search(cache, length, eos, width):
  return beam.search(_step, cache, length, eos=eos, width=width)


def _log_probability(table, sequence) -> float:
  logs = special.log_softmax(table, axis=-1)
  path = [0, 0, *sequence]
  return sum(
    logs[a, b, c] for a, b, c in zip(path, path[1:], path[2:], strict=False)
  )


EOS, VOCAB, LENGTH = 2, 5, 5  # Four tokens, the last ones EOS.


@pytest.mark.parametrize('seed', range(3))
def test_a_wide_beam_finds_what_exhaustive_search_does(seed):
  table, cache = _chain(VOCAB, seed)
  found = _search(cache, LENGTH, eos=EOS, width=4**3 + 1)
  others = [n for n in range(VOCAB) if n != EOS]
  for item in range(3):
    sequences = [
      (*start, EOS)
      for size in range(LENGTH - 1)
      for start in itertools.product(others, repeat=size)
    ]
    best = max(
      sequences,
      key=lambda s: (
        _log_probability(table[item], s) / ((5 + len(s)) / 6) ** 0.6
      ),
    )
    assert found[item].tolist() == [*best, *[0] * (LENGTH - 1 - len(best))]


def _beam_by_hand(table, width):
  """AlgoPerf's search with lists, run to full length."""
  live, done = [(0.0, ())], []
  logs = special.log_softmax(table, axis=-1)
  for size in range(1, LENGTH):
    grown = [
      (score + logs[(0, 0, *s)[-2], (0, *s)[-1], n], (*s, n))
      for score, s in live
      for n in range(VOCAB)
    ]
    grown = sorted(grown, reverse=True)[: 2 * width]
    done += [
      (score / ((5 + size) / 6) ** 0.6, s) for score, s in grown if s[-1] == EOS
    ]
    live = [(score, s) for score, s in grown if s[-1] != EOS][:width]
  best = max(done)[1] if done else live[0][1]
  return [*best, *[0] * (LENGTH - 1 - len(best))]


@pytest.mark.parametrize('width', [1, 2, 4])
def test_a_narrow_beam_keeps_the_best(width):
  for seed in range(4):
    table, cache = _chain(VOCAB, seed)
    found = _search(cache, LENGTH, eos=EOS, width=width)
    expected = [_beam_by_hand(table[item], width) for item in range(3)]
    assert found.tolist() == expected


def test_a_beam_of_one_is_greedy_where_nothing_ends():
  table, cache = _chain(VOCAB, 0)
  found = _search(cache, LENGTH, eos=VOCAB, width=1)
  for item in range(3):
    path = [0, 0]
    for _ in range(LENGTH - 1):
      path.append(int(table[item][path[-2], path[-1]].argmax()))
    assert found[item].tolist() == path[2:]


@pytest.mark.parametrize('name', ['wmt/post_ln', 'wmt/glu_tanh'])
def test_decoding_with_a_cache_has_the_logits_of_all_tokens_at_once(name):
  workload = _tiny(name)
  model = _model(workload)
  inputs, targets = [5, 3, 17, 2], [7, 7, 20, 11, 2]
  batch = _pair(inputs, targets)
  teacher = _logits(workload, model, batch)[0, :5]
  net = workload._net()

  @jax.jit
  def stepwise(params):
    def run(method, *arguments):
      return net.apply({'params': params}, *arguments, method=method)

    memory = run('remember', run('encode', batch))
    cache = net.empty_cache((1,))
    seen = jnp.asarray(batch['inputs'] > 0)[:, None]
    found = []
    for n, token in enumerate([0, *targets[:-1]]):
      own = (jnp.arange(9) <= n)[None, None]
      one = jnp.full((1, 1), token)
      logits, cache = run(
        'decode', one, jnp.full((1, 1), n), memory, (own, seen), cache, n
      )
      found.append(logits[0, 0])
    return jnp.stack(found)

  # Sums of the same numbers in another order.
  np.testing.assert_allclose(
    stepwise(model.params), teacher, rtol=1e-4, atol=1e-5
  )


def test_translations_are_as_likely_as_their_search_believes():
  """eval_stats finds the beam search of the teacher-forced model."""
  workload = _tiny(data='languages')
  model = _model(workload)
  batch = _pair([5, 3, 17, 2], [7, 7, 20, 11, 2])
  found = np.asarray(_examine(workload, model, batch)['hypothesis'][0])
  size = int(np.append(found == 2, True).argmax()) + 1
  assert found.shape == (8,)
  assert not found[size:].any()

  # Each of its tokens is among the eight likeliest that the model, shown the
  # tokens before, would say: a beam of four tells no others apart.
  again = _pair([5, 3, 17, 2], list(found[:size]))
  logits = np.asarray(_logits(workload, model, again)[0, : min(size, 8)])
  ranks = (logits > np.take_along_axis(logits, found[:, None], 1)).sum(axis=1)
  assert (ranks < 8).all()


def test_bleu_is_that_of_algoperf():
  hypotheses = [
    'The cat sat on the mat.',
    'It costs $3,500.25 -- "really"?',
    'A short one',
  ]
  references = [
    'The cat is sitting on the mat.',
    'It costs $3,500.25, "really"?',
    'A somewhat longer reference sentence',
  ]
  score = bleu.corpus_bleu(hypotheses, references)
  # As many digits as were written down.
  np.testing.assert_allclose(score, 43.65801, atol=1e-5)
  assert bleu.corpus_bleu(['', ''], ['a b c d', 'e f g h']) == 0


def test_a_sentence_ends_before_its_end():
  ids = np.array([5, 6, 2, 7, 0])
  assert bleu.sentence(ids, 2).tolist() == [5, 6]
  assert bleu.sentence(ids, 2, first_only=True).tolist() == [5, 6]
  assert bleu.sentence(ids, 9).tolist() == ids.tolist()
  assert bleu.sentence(ids, 9, first_only=True).tolist() == [5]
  pieces = ['▁un', 'seen', '▁things', '.']
  assert bleu.text(np.array([0, 1, 2, 3]), pieces) == 'unseen things.'


def test_metrics_are_means_over_tokens_and_bleu_of_the_text():
  source = synthetic_pairs.source('validation', 20)
  reference = source.rows['targets'][:3]
  stats = {
    'loss': np.array([2.0, 3.0, 7.0], np.float32),
    'tokens': np.array([4.0, 1.0, 3.0], np.float32),
    'right': np.array([4, 0, 2]),
    'hypothesis': reference[:, :-1],
    'reference': reference,
  }
  metrics = workloads.get('wmt/mini').summarize(stats)
  assert metrics['loss'] == 12 / 8
  assert metrics['accuracy'] == 6 / 8
  np.testing.assert_allclose(metrics['bleu'], 100, rtol=1e-9)
  endless = np.where(reference == 2, 5, reference)[:, :-1]
  quirk = workloads.get('wmt/mini', ['first_token_without_eos'])
  first = quirk.summarize(dict(stats, hypothesis=endless))['bleu']
  assert first < 1  # One word instead of a sentence.
  with pytest.raises(DataError, match='SentencePiece'):  # Not told its data.
    workloads.get('wmt').summarize(stats)


def test_missing_translations_are_explained(tmp_path):
  with pytest.raises(DataError, match='data prepare --workload=wmt'):
    workloads.get('wmt').source('train', str(tmp_path))


def test_pieces_are_all_different():
  pieces = lexicon.pieces()
  assert len(pieces) == lexicon.VOCAB
  assert len(set(pieces[1:])) == lexicon.VOCAB - 1  # But unknown is padding.


def test_places_in_the_table_of_pieces():
  """Every constant of lexicon points where its comment says."""
  pieces = lexicon.pieces()
  expected = {
    lexicon.STOP: '.',
    lexicon.MARK: '?',
    lexicon.THE: '▁le',
    lexicon.DOES: '▁does',
    lexicon.PREPOSITION: '▁in',
    lexicon.NUMBER: '▁o',
    lexicon.TENSE: '▁ga',
    lexicon.ARTICLE: '▁ta',
    lexicon.CASE: 'us',
    lexicon.ADJECTIVE_END: 'a',
    lexicon.VERB_END: 'en',
    lexicon.PERSON: 'ya',
    lexicon.PARTICIPLE: 'nta',
    lexicon.QUESTION: 'ko',
  }
  assert {n: pieces[n] for n in expected} == expected


def test_generated_sentences_are_well_formed():
  batch = train_batch(synthetic_pairs.source('train', 20), 0, 0, 500)
  for side in ('inputs', 'targets'):
    rows = batch[side]
    real = rows > 0
    sizes = real.sum(axis=1)
    assert (rows[np.arange(500), sizes - 1] == lexicon.EOS).all()
    assert ((rows == lexicon.EOS).sum(axis=1) == 1).all()
    assert (real == (np.arange(20)[None] < sizes[:, None])).all()
    assert (batch[f'{side}_segmentation'] == real).all()
    positions = np.where(real, np.arange(20)[None], 0)
    assert (batch[f'{side}_position'] == positions).all()
    assert 8 < sizes.mean() < 18


def test_generated_targets_say_what_the_sources_say():
  batch = train_batch(synthetic_pairs.source('train', 20), 0, 0, 500)
  verbs = lexicon.VERB_END + np.arange(6)
  negations = verbs[1::2]
  for source, target in zip(batch['inputs'], batch['targets'], strict=True):
    assert (lexicon.NOT in source) == bool(np.isin(target, negations).any())
    assert (lexicon.MARK in source) == (lexicon.QUESTION in target)
    # The main verb's tense: of its prefix, the last one of the source.
    tenses = lexicon.TENSE + np.arange(3)
    tense = source[np.isin(source, tenses)][-1] - lexicon.TENSE
    ending = target[np.isin(target, verbs)]
    assert (ending - lexicon.VERB_END).tolist()[0] // 2 == tense
    # Names are copied.
    names = lexicon.NAME + np.arange(lexicon.NAMES)
    here, there = (sorted(x[np.isin(x, names)]) for x in (source, target))
    assert here == there


def test_a_gender_belongs_to_its_noun():
  """An article and what follows it agree, in all sentences."""
  targets = synthetic_pairs.source('train', 20).rows['targets']
  articles = lexicon.ARTICLE + np.arange(3)
  where = np.isin(targets[:, :-1], articles)
  nouns = lexicon.TARGET[0] + np.arange(lexicon.WHOLE_NOUNS)
  follows = where & np.isin(targets[:, 1:], nouns)
  genders = {}
  for article, noun in zip(
    targets[:, :-1][follows], targets[:, 1:][follows], strict=True
  ):
    assert genders.setdefault(noun, article) == article
  assert len(set(genders.values())) == 3
  assert len(genders) > 90


def test_a_common_verb_has_two_translations_and_a_name_one():
  """So the right one has to be found out from the object."""
  rows = synthetic_pairs.source('train', 20).rows
  verb = lexicon.SOURCE[1]  # The most frequent.
  alive = lexicon.TARGET[1] + lexicon.WHOLE_VERBS
  said = (rows['inputs'] == verb).any(axis=1)
  first = (rows['targets'] == lexicon.TARGET[1]).any(axis=1)
  second = (rows['targets'] == alive).any(axis=1)
  assert (said == (first | second)).all()
  assert min((said & first).sum(), (said & second).sum()) > 100


def test_a_few_words_are_frequent_and_many_rare():
  inputs = synthetic_pairs.source('train', 20).rows['inputs']
  counts = np.bincount(inputs.ravel(), minlength=lexicon.VOCAB)
  whole = counts[lexicon.SOURCE[0] :][: lexicon.WHOLE_NOUNS]
  # Zipf's law: the noun of rank 1 is 50 times that of rank 50, five standard
  # errors of the smaller count aside.
  expected = whole[0] / 50
  assert abs(whole[49] - expected) < 5 * expected**0.5
