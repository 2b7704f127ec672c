"""Generated text, the data of `finewebedu_lm/mini`.

A seeded grammar of an artificial language generates documents of tokens with
the difficulties of real text. Words follow Zipf's law (Zipf 1949): most words
are rare. The probabilities of adjectives and verbs depend on the noun, those of
objects and adverbs on the verb, those of nouns on the topic. These are more
facts than the text shows often. A verb agrees in number with its subject across
a relative clause, and a pronoun with the subject of an earlier sentence. A
sentence may end in a copy of its subject. A document names the same two persons
again and again.

All sentences are drawn together. A sentence is a row of slots, a slot has a
token or NOTHING, and the rows in order are the text.

All splits use one language, each with its own random stream.
"""

from typing import NamedTuple

import numpy as np

from workloads import generated
from workloads.batches import Arrays

# Number of words per class. The singular and the plural of a noun or verb are
# two tokens.
TOPICS, NAMES, NOUNS, VERBS, ADJECTIVES, ADVERBS = 8, 112, 240, 120, 128, 48
DOCUMENTS = {'train': 3_000, 'validation': 600, 'test': 600}
SENTENCES = (4, 13)  # Sentences per document: 4 to 12.

# Weight of the word of rank r: r**-ZIPF * exp(CHOICE * standard normal).
ZIPF = 1.0
CHOICE = 2.5

END, STOP, THE, THESE, WHICH, AND, TOO, NEAR, IT, THEY = range(10)
NAME = 16  # First name; function words have smaller numbers.
NOUN = NAME + NAMES
VERB = NOUN + 2 * NOUNS
ADJECTIVE = VERB + 2 * VERBS
ADVERB = ADJECTIVE + ADJECTIVES
VOCAB = ADVERB + ADVERBS  # 1,024
NOTHING = -1


class Choices(NamedTuple):
  """Word distributions by context, as cumulative distribution functions."""

  heights: np.ndarray  # [contexts * words]: context c's function plus c.
  words: int  # Words per context.

  def draw(self, rng: np.random.Generator, contexts: np.ndarray) -> np.ndarray:
    """Draw a word [N] for each context [N]."""
    points = contexts + rng.random(len(contexts))
    found = np.searchsorted(self.heights, points, side='right')
    return np.minimum(found - contexts * self.words, self.words - 1)


class Language(NamedTuple):
  """Word distributions of each class; comments name the context."""

  name: Choices  # Topic.
  noun: Choices  # Topic.
  adjective: Choices  # Noun.
  verb: Choices  # Noun (the subject).
  object: Choices  # Topic and verb: topic * VERBS + verb.
  adverb: Choices  # Verb.


class Scene(NamedTuple):
  """Topic and persons of all N sentences of a text: each [N]."""

  topic: np.ndarray
  hero: np.ndarray  # Token of the document's first name.
  friend: np.ndarray  # Token of the document's second name.
  first: np.ndarray  # Bool: the sentence begins its document.
  last: np.ndarray  # Bool: the sentence ends its document.


@generated.kept
def source(split: str, length: int, world: int = 0) -> Arrays:
  """Return 'inputs' and 'targets' (the next tokens), each [N, length] int32.

  The joined documents are cut into pieces of length + 1 tokens.

  Args:
    split: A key of DOCUMENTS.
    length: Tokens of a row.
    world: Number of the world, which has its own grammar.
  """
  language = _language(generated.stream(0, world=world))
  rng = generated.stream(1, list(DOCUMENTS).index(split), world=world)
  text = _write(rng, language, DOCUMENTS[split])
  pieces = text[: len(text) // (length + 1) * (length + 1)]
  pieces = pieces.reshape(-1, length + 1).astype(np.int32)
  return Arrays({'inputs': pieces[:, :-1], 'targets': pieces[:, 1:]})


def _language(rng: np.random.Generator) -> Language:
  return Language(
    name=_choices(rng, TOPICS, NAMES),
    noun=_choices(rng, TOPICS, NOUNS),
    adjective=_choices(rng, NOUNS, ADJECTIVES),
    verb=_choices(rng, NOUNS, VERBS),
    object=_choices(rng, TOPICS * VERBS, NOUNS),
    adverb=_choices(rng, VERBS, ADVERBS),
  )


def _choices(rng: np.random.Generator, contexts: int, words: int) -> Choices:
  """Draw distributions: Zipf's law with one order, reweighted per context."""
  tilt = CHOICE * rng.standard_normal((contexts, words))
  weights = np.exp(tilt - ZIPF * np.log1p(np.arange(words)))
  shares = np.cumsum(weights, axis=1)
  shares /= shares[:, -1:]
  return Choices((shares + np.arange(contexts)[:, None]).ravel(), words)


def _write(
  rng: np.random.Generator, language: Language, documents: int
) -> np.ndarray:
  """Return the tokens of `documents` documents, one after another."""
  scene = _scene(rng, language, documents)
  slots = _sentences(rng, language, scene)
  slots += _only(scene.last, np.full(len(scene.last), END))
  text = np.stack(slots, axis=1)
  return text[text != NOTHING]


def _scene(
  rng: np.random.Generator, language: Language, documents: int
) -> Scene:
  lengths = rng.integers(*SENTENCES, documents)
  ends = np.cumsum(lengths)
  numbers = np.arange(ends[-1])
  topic = rng.integers(0, TOPICS, documents)
  hero, friend = (NAME + language.name.draw(rng, topic) for _ in range(2))
  return Scene(
    topic=np.repeat(topic, lengths),
    hero=np.repeat(hero, lengths),
    friend=np.repeat(friend, lengths),
    first=np.isin(numbers, ends - lengths),
    last=np.isin(numbers, ends - 1),
  )


def _sentences(
  rng: np.random.Generator, language: Language, scene: Scene
) -> list[np.ndarray]:
  """Return the slots of all sentences, each [N]."""
  size = len(scene.topic)

  def some(share: float) -> np.ndarray:
    return rng.random(size) < share

  def phrase(noun, plural) -> list[np.ndarray]:
    adjective = ADJECTIVE + language.adjective.draw(rng, noun)
    return [
      np.where(plural, THESE, THE),
      *_only(some(0.4), adjective),
      NOUN + 2 * noun + plural,
    ]

  def clause(noun, plural) -> list[np.ndarray]:
    verb = language.verb.draw(rng, noun)
    thing = language.object.draw(rng, scene.topic * VERBS + verb)
    which, the = np.full(size, WHICH), np.full(size, THE)
    return [which, VERB + 2 * verb + plural, the, NOUN + 2 * thing]

  # A subject is a person, a pronoun or a noun. A pronoun refers to the subject
  # of the last sentence without a pronoun.
  person = np.where(some(0.7), scene.hero, scene.friend)
  pronoun = some(0.2) & ~scene.first
  named = some(0.3) & ~pronoun
  described = ~pronoun & ~named
  meant = np.maximum.accumulate(np.where(pronoun, 0, np.arange(size)))
  noun = language.noun.draw(rng, scene.topic)[meant]
  plural = (some(0.4) & described)[meant]

  verb = language.verb.draw(rng, noun)
  friend = np.where(some(0.7), scene.friend, scene.hero)
  active, placed, copied = some(0.65), some(0.25), some(0.3) & ~pronoun
  thing = language.object.draw(rng, scene.topic * VERBS + verb)
  things = some(0.4)
  subject = phrase(noun, plural)
  return [
    *_only(described, *subject),
    *_only(named, person),
    *_only(pronoun, np.where(plural, THEY, IT)),
    *_only(some(0.3) & ~pronoun, *clause(noun, plural)),
    VERB + 2 * verb + plural,
    *_only(active, *phrase(thing, things)),
    *_only(active & some(0.25), *clause(thing, things)),
    *_only(placed, np.full(size, NEAR), friend),
    *_only(some(0.3), ADVERB + language.adverb.draw(rng, verb)),
    *_only(copied, np.full(size, AND)),
    *_only(copied & described, subject[0], subject[-1]),
    *_only(copied & named, person),
    *_only(copied, np.full(size, TOO)),
    np.full(size, STOP),
  ]


def _only(where: np.ndarray, *slots: np.ndarray) -> list[np.ndarray]:
  """Return the slots, with NOTHING in sentences where `where` is False."""
  return [np.where(where, slot, NOTHING) for slot in slots]
