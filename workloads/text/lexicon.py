"""Words and word pieces of the two generated languages.

Both languages share one vocabulary, since translations copy names. Frequent
words are one piece. Rare nouns and verbs are spelled with two pieces that other
words share, as in subword vocabularies (Sennrich et al. 2016, "Neural Machine
Translation of Rare Words with Subword Units", arXiv:1508.07909).
"""

import functools
from typing import NamedTuple

import numpy as np

NOUNS, VERBS, ADJECTIVES, ADVERBS, NAMES = 200, 100, 60, 24, 40
WHOLE_NOUNS, WHOLE_VERBS = 100, 50  # Frequent words, spelled with one piece.
TWO_VERBS, TWO_ADJECTIVES = 12, 8  # Words with a second, animate translation.
SYLLABLES = 32  # First syllables, and second syllables, of rare words.
GENDERS, TENSES, RELATIONS = 3, 3, 3

# Pieces: '▁' is the space before a word. In the source language a prefix starts
# a word and the stem follows; in the target language suffixes end a word.
FIXED = (
  *('▁⁇', '▁⁇', '', '.', '?'),  # Padding, unknown, the end, marks.
  *('▁le', '▁un', '▁not', '▁who', '▁does'),  # Source: words
  *('▁in', '▁by', '▁for'),  # and prepositions,
  *('▁o', '▁me', '▁ga', '▁na', '▁mu'),  # prefixes of number and of tense.
  *('▁ta', '▁ti', '▁tu'),  # Target: articles by gender,
  *('us', 'eb', 'om', 'im', 'ske', 'ski', 'lo', 'lu', 'nar', 'nir'),  # case,
  *('a', 'ax', 'ar', 'ak', 'al'),  # endings of adjectives by gender
  *('i', 'ix', 'ir', 'ik', 'il'),  # and role,
  *('u', 'ux', 'ur', 'uk', 'ul'),
  *('en', 'anen', 'id', 'anid', 'ush', 'anush'),  # tense and negation,
  *('ya', 'yaz', 'yo', 'yoz', 'ye', 'yez'),  # persons of verbs,
  *('nta', 'nti', 'ntu', 'ko'),  # participles, and the ending of questions.
)
PAD, EOS, STOP, MARK = 0, 2, 3, 4
THE, A, NOT, WHO, DOES, PREPOSITION, NUMBER, TENSE = 5, 6, 7, 8, 9, 10, 13, 15
ARTICLE, CASE, ADJECTIVE_END, VERB_END, PERSON = 18, 21, 31, 46, 52
PARTICIPLE, QUESTION = 58, 61
SUBJECT, OBJECT, PLACE = 0, 1, 2  # Roles; each relation adds one to PLACE.
ROLES = PLACE + RELATIONS
NOTHING = -1

SIZES = (  # Number of pieces in every group, in order.
  len(FIXED),
  NAMES,
  *(WHOLE_NOUNS, WHOLE_VERBS, ADJECTIVES, ADVERBS, SYLLABLES, SYLLABLES),
  *(WHOLE_NOUNS, WHOLE_VERBS + TWO_VERBS, ADJECTIVES + TWO_ADJECTIVES),
  *(ADVERBS, SYLLABLES, SYLLABLES),
)
STARTS = np.cumsum((0, *SIZES))
VOCAB = int(STARTS[-1])
NAME, SOURCE, TARGET = STARTS[1], STARTS[2:8], STARTS[8:14]
# Groups that begin a word. Stems of source nouns and verbs follow a prefix, and
# the last group of a language contains second syllables.
WORDS = (1, 4, 5, 8, 9, 10, 11, 12)


class Lexicon(NamedTuple):
  """Two pieces, or one piece and NOTHING, for every word of a language."""

  noun: np.ndarray  # [NOUNS + NAMES, 2]
  verb: np.ndarray  # [VERBS + TWO_VERBS, 2]; second translations come last.
  adjective: np.ndarray  # [ADJECTIVES + TWO_ADJECTIVES, 2]; likewise.
  adverb: np.ndarray  # [ADVERBS, 2]


@functools.cache
def pieces() -> tuple[str, ...]:
  """Return the text of every piece; '▁' is the space before a word."""
  rng = np.random.default_rng(2)
  letters = [list(kind) for kind in ('bdfgkmprvz', 'aeiou', 'lnrst')]
  stems = (
    ''.join(rng.choice(letters[n]) for n in (0, 1, 0, 1, 2))
    for _ in range(2 * VOCAB)
  )
  unique = list(dict.fromkeys(stems))[: VOCAB - len(FIXED)]
  groups = np.repeat(np.arange(len(SIZES)), SIZES)[len(FIXED) :]
  return FIXED + tuple(
    f'▁{stem}' if group in WORDS else stem
    for stem, group in zip(unique, groups, strict=True)
  )


def spell(rng: np.random.Generator, starts: np.ndarray) -> Lexicon:
  """Spell the words of a language.

  Args:
    rng: Source of random numbers.
    starts: First piece of each of the language's six groups.
  """
  noun, verb, adjective, adverb, first, second = starts
  rare = rng.choice(
    SYLLABLES**2, NOUNS + VERBS, replace=False
  )  # All different.
  spelt = np.stack([first + rare // SYLLABLES, second + rare % SYLLABLES], 1)
  return Lexicon(
    noun=np.concatenate(
      [
        _whole(noun, WHOLE_NOUNS),
        spelt[: NOUNS - WHOLE_NOUNS],
        _whole(NAME, NAMES),
      ]
    ),
    verb=np.concatenate(
      [
        _whole(verb, WHOLE_VERBS),
        spelt[NOUNS : NOUNS + VERBS - WHOLE_VERBS],
        _whole(verb + WHOLE_VERBS, TWO_VERBS),
      ]
    ),
    adjective=_whole(adjective, ADJECTIVES + TWO_ADJECTIVES),
    adverb=_whole(adverb, ADVERBS),
  )


def dealt(rng: np.random.Generator, words: Lexicon) -> Lexicon:
  """Return the target language with its one-piece words dealt out anew.

  Another world has another dictionary for frequent words, too.

  Args:
    rng: Source of random numbers.
    words: The target language.
  """
  piece = np.arange(VOCAB + 1)
  piece[NOTHING] = NOTHING
  for start, size in zip(TARGET[:4], SIZES[8:12], strict=True):
    piece[start : start + size] = start + rng.permutation(size)
  return Lexicon(*(piece[spelt] for spelt in words))


def _whole(first: int, count: int) -> np.ndarray:
  """Return words of one piece each, [count, 2]."""
  return np.stack([first + np.arange(count), np.full(count, NOTHING)], axis=1)
