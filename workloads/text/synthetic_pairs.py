"""Two generated languages, the data of `wmt/mini`.

A sentence expresses a random meaning in both languages. The source language has
the order subject, verb, object, with articles, prepositions and prefixes. The
target language has the order place, subject, object, verb, with suffixes.
The languages keep difficulties of translation. Words move: a relative clause
follows its noun in the source and precedes it in the target. The target marks
the gender of nouns in articles, adjectives and the verb, and case (by role and
preposition) together with number; the source marks neither gender nor case.
Some adjectives and verbs have another translation for living things. Words
follow Zipf's law (Zipf 1949), rare words have two pieces, and names are copied.

All sentences are drawn together. A sentence is a row of slots; a slot has a
piece or NOTHING. All splits use the same languages, each with its own random
stream. A checksum of a sentence decides in which split it may occur.
"""

from typing import NamedTuple

import numpy as np

from workloads import generated
from workloads.batches import Arrays
from workloads.text import lexicon
from workloads.text.lexicon import NOTHING, Lexicon

SENTENCES = {'train': 6_144, 'validation': 256, 'test': 256}


class World(NamedTuple):
  """Languages and properties of nouns, shared by all sentences."""

  source: Lexicon
  target: Lexicon
  gender: np.ndarray  # [NOUNS + NAMES]
  alive: np.ndarray  # [NOUNS + NAMES]: bool


class Phrase(NamedTuple):
  """A noun phrase for all N sentences: each [N]."""

  noun: np.ndarray  # Number of a noun; from NOUNS on, a name.
  plural: np.ndarray
  definite: np.ndarray
  described: np.ndarray  # Bool: the phrase has an adjective.
  adjective: np.ndarray


class Meaning(NamedTuple):
  """Meaning of all N sentences: each [N]."""

  subject: Phrase
  object: Phrase
  place: Phrase
  thing: Phrase  # The object of the relative clause.
  verb: np.ndarray
  deed: np.ndarray  # The verb of the relative clause.
  tense: np.ndarray
  relation: np.ndarray  # Preposition of the place.
  adverb: np.ndarray
  acted: np.ndarray  # Bool: the sentence has an object.
  placed: np.ndarray  # Bool: the sentence has a place.
  related: np.ndarray  # Bool: the sentence has a relative clause.
  modified: np.ndarray  # Bool: the sentence has an adverb.
  negated: np.ndarray
  asked: np.ndarray


@generated.kept
def source(split: str, length: int, world: int = 0) -> Arrays:
  """Return N sentence pairs as WMT's batch arrays, each [N, length] int32.

  Pairs with a sentence longer than `length` are left out.

  Args:
    split: A key of SENTENCES.
    length: Pieces of the longest sentence.
    world: Number of the world, which has its own languages.
  """
  truth = _truth(world)
  number = list(SENTENCES).index(split)
  rng = generated.stream(1, number, world=world)
  size = SENTENCES[split]
  meaning = _meaning(rng, 4 * size)  # One in three may be in this split.
  inputs, targets = (
    _rows(say(truth, meaning), length + 1) for say in (_source, _target)
  )
  short = (inputs[:, -1] == lexicon.PAD) & (targets[:, -1] == lexicon.PAD)
  mine = _checksum(inputs) % len(SENTENCES) == number
  kept = np.flatnonzero(short & mine)[:size]
  inputs, targets = inputs[kept, :-1], targets[kept, :-1]
  return Arrays(_columns('inputs', inputs) | _columns('targets', targets))


def _truth(world: int) -> World:
  """Return the languages of a world."""
  found = _world(generated.stream(0, world=world))
  if not world:
    return found
  dealt = lexicon.dealt(generated.stream(2, world=world), found.target)
  return found._replace(target=dealt)


def _world(rng: np.random.Generator) -> World:
  everything = lexicon.NOUNS + lexicon.NAMES
  return World(
    source=lexicon.spell(rng, lexicon.SOURCE),
    target=lexicon.spell(rng, lexicon.TARGET),
    gender=rng.integers(0, lexicon.GENDERS, everything),
    alive=(rng.random(everything) < 0.5)
    | (np.arange(everything) >= lexicon.NOUNS),
  )


def _meaning(rng: np.random.Generator, size: int) -> Meaning:
  def some(share: float) -> np.ndarray:
    return rng.random(size) < share

  def zipf(words: int) -> np.ndarray:
    shares = 1 / np.arange(1, words + 1)
    return rng.choice(words, size, p=shares / shares.sum())

  def phrase(named: float, described: float) -> Phrase:
    name = some(named)
    return Phrase(
      noun=np.where(
        name, lexicon.NOUNS + zipf(lexicon.NAMES), zipf(lexicon.NOUNS)
      ),
      plural=some(0.35) & ~name,
      definite=some(0.6),
      described=some(described) & ~name,
      adjective=zipf(lexicon.ADJECTIVES),
    )

  return Meaning(
    subject=phrase(0.25, 0.4),
    object=phrase(0.15, 0.4),
    place=phrase(0.1, 0.3),
    thing=phrase(0.1, 0.0),
    verb=zipf(lexicon.VERBS),
    deed=zipf(lexicon.VERBS),
    tense=rng.integers(0, lexicon.TENSES, size),
    relation=rng.integers(0, lexicon.RELATIONS, size),
    adverb=zipf(lexicon.ADVERBS),
    acted=some(0.8),
    placed=some(0.35),
    related=some(0.25),
    modified=some(0.3),
    negated=some(0.25),
    asked=some(0.15),
  )


def _source(world: World, m: Meaning) -> list[np.ndarray]:
  """Return the slots of the source sentences, each [N]."""
  words, size = world.source, len(m.verb)

  def phrase(p: Phrase) -> list[np.ndarray]:
    common = p.noun < lexicon.NOUNS
    return [
      *_only(common, np.where(p.definite, lexicon.THE, lexicon.A)),
      *_only(p.described, *words.adjective[p.adjective].T),
      *_only(common, lexicon.NUMBER + p.plural),
      *words.noun[p.noun].T,
    ]

  who = [lexicon.WHO, lexicon.TENSE + m.tense, *words.verb[m.deed].T]
  return [
    *_only(m.asked, lexicon.DOES),
    *phrase(m.subject),
    *_only(m.related, *who, *phrase(m.thing)),
    *_only(m.negated, lexicon.NOT),
    lexicon.TENSE + m.tense,
    *words.verb[m.verb].T,
    *_only(m.acted, *phrase(m.object)),
    *_only(m.placed, lexicon.PREPOSITION + m.relation, *phrase(m.place)),
    *_only(m.modified, *words.adverb[m.adverb].T),
    np.where(m.asked, lexicon.MARK, lexicon.STOP),
    np.full(size, lexicon.EOS),
  ]


def _target(world: World, m: Meaning) -> list[np.ndarray]:
  """Return the slots of the target sentences, each [N]."""
  words, size = world.target, len(m.verb)

  def phrase(p: Phrase, role) -> list[np.ndarray]:
    gender, alive = world.gender[p.noun], world.alive[p.noun]
    second = alive & (p.adjective < lexicon.TWO_ADJECTIVES)
    adjective = words.adjective[p.adjective + lexicon.ADJECTIVES * second]
    ending = lexicon.ADJECTIVE_END + lexicon.ROLES * gender + role
    return [
      *_only(p.definite & (p.noun < lexicon.NOUNS), lexicon.ARTICLE + gender),
      *words.noun[p.noun].T,
      lexicon.CASE + 2 * role + p.plural,
      *_only(p.described, *adjective.T, ending),
    ]

  def verb(word, alive) -> list[np.ndarray]:
    second = alive & (word < lexicon.TWO_VERBS)
    return list(words.verb[word + lexicon.VERBS * second].T)

  gender = world.gender[m.subject.noun]
  object_alive = m.acted & world.alive[m.object.noun]
  deed = verb(m.deed, world.alive[m.thing.noun])
  return [
    *_only(m.placed, *phrase(m.place, lexicon.PLACE + m.relation)),
    *_only(
      m.related,
      *phrase(m.thing, lexicon.OBJECT),
      *deed,
      lexicon.PARTICIPLE + gender,
    ),
    *phrase(m.subject, lexicon.SUBJECT),
    *_only(m.acted, *phrase(m.object, lexicon.OBJECT)),
    *_only(m.modified, *words.adverb[m.adverb].T),
    *verb(m.verb, object_alive),
    lexicon.VERB_END + 2 * m.tense + m.negated,
    lexicon.PERSON + 2 * gender + m.subject.plural,
    *_only(m.asked, lexicon.QUESTION),
    np.where(m.asked, lexicon.MARK, lexicon.STOP),
    np.full(size, lexicon.EOS),
  ]


def _only(where: np.ndarray, *slots) -> list[np.ndarray]:
  """Return the slots, with NOTHING in sentences where `where` is False."""
  return [np.where(where, slot, NOTHING) for slot in slots]


def _rows(slots: list[np.ndarray], length: int) -> np.ndarray:
  """Return the first `length` pieces of all sentences, padded: [N, length]."""
  text = np.stack(slots, axis=1)
  order = np.argsort(text == NOTHING, axis=1, kind='stable')[:, :length]
  rows = np.take_along_axis(text, order, axis=1)
  return np.where(rows == NOTHING, lexicon.PAD, rows).astype(np.int32)


def _checksum(rows: np.ndarray) -> np.ndarray:
  """Return a number for every row, independent of the split."""
  factors = np.random.default_rng(3).integers(1, 2**20, rows.shape[1])
  return rows.astype(np.int64) @ factors


def _columns(side: str, rows: np.ndarray) -> dict[str, np.ndarray]:
  """Return the rows with their positions and segments, one sentence each."""
  real = rows != lexicon.PAD
  positions = np.arange(rows.shape[1])[None] * real
  return {
    side: rows,
    f'{side}_position': positions.astype(np.int32),
    f'{side}_segmentation': real.astype(np.int32),
  }
