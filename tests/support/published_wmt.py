"""Write a few pairs of sentences in the format of WMT's archives."""

import io
import tarfile

import numpy as np

ARCHIVES = {  # Files of each archive, German first.
  'training-parallel-europarl-v7.tgz': (
    'training/europarl-v7.de-en.de',
    'training/europarl-v7.de-en.en',
  ),
  'training-parallel-commoncrawl.tgz': (
    'commoncrawl.de-en.de',
    'commoncrawl.de-en.en',
  ),
  'training-parallel-nc-v12.tgz': (
    'training/news-commentary-v12.de-en.de',
    'training/news-commentary-v12.de-en.en',
  ),
  'rapid2016.tgz': ('rapid2016.de-en.de', 'rapid2016.de-en.en'),
}
YEARS = (2013, 2014, 2016, 2017)  # Years of news, to validate and test.
LONG = ' '.join(['unübersetzbar'] * 300)  # A sentence above 256 tokens.
WORDS = (
  *('haus', 'baum', 'straße', 'über', 'grün', 'schön', 'Ärger', '42'),
  *('the', 'house', 'tree', 'street', 'above', 'green', 'x&amp;y', '%'),
)


def wmt(folder, each=150, news=7):
  """Write all archives and return pairs by archive, or by year for news.

  Args:
    folder: The folder to write to.
    each: Pairs per archive.
    news: Pairs per year of news.
  """
  rng = np.random.default_rng(0)
  made = {}
  for archive, names in ARCHIVES.items():
    pairs = _pairs(rng, each)
    pairs[3] = ('', 'Nothing is left out of this.')
    pairs[5] = (LONG, 'Short.')
    made[archive] = pairs
    write(folder / archive, dict(zip(names, texts(pairs), strict=True)))
  files = {}
  for year in YEARS:
    made[year] = pairs = _pairs(rng, news)
    names, bodies = news_names(year), texts(pairs)
    if year != 2013:
      bodies = [sgml(side) for side in zip(*pairs, strict=True)]
    files |= dict(zip(names, bodies, strict=True))
  write(folder / 'dev.tgz', {'dev/readme': b'Not this.\n'} | files)
  return made


def texts(pairs):
  """Return the files of both languages, one sentence per line."""
  return [
    ''.join(f'{text}\n' for text in side).encode()
    for side in zip(*pairs, strict=True)
  ]


def sgml(sentences):
  """Return sentences as an SGML file in bytes."""
  lines = [f'<seg id="{n}">{s}</seg>\n' for n, s in enumerate(sentences, 1)]
  return ''.join(['<srcset>\n<p>\n', *lines, '</p>\n</srcset>\n']).encode()


def news_names(year):
  """Return the names of a year's German and English files."""
  if year == 2013:
    return 'dev/newstest2013.de', 'dev/newstest2013.en'
  start = f'dev/newstest{year}-deen'
  return f'{start}-src.de.sgm', f'{start}-ref.en.sgm'


def write(path, files):
  """Write {name: bytes} as an archive."""
  with tarfile.open(path, 'w:gz') as archive:
    for name, content in files.items():
      member = tarfile.TarInfo(name)
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))


def _pairs(rng, count):
  return [
    tuple(
      ' '.join(rng.choice(WORDS, rng.integers(3, 30))) + '.' for _ in range(2)
    )
    for _ in range(count)
  ]
