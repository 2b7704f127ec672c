"""Write a few dozen utterances in the format of LibriSpeech's archives."""

import io
import tarfile

import numpy as np
import soundfile

SUBSETS = {  # Number of utterances by subset.
  'train-clean-100': 14,
  'train-clean-360': 7,
  'train-other-500': 6,
  'dev-clean': 5,
  'dev-other': 4,
  'test-clean': 5,
}
EACH = 3  # Utterances per chapter.
WORDS = (
  *('THE', 'OF', 'AND', 'TO', "DON'T", 'QUICK', 'BROWN', 'FOX', 'JUMPED'),
  *('OVER', 'LAZY', 'DOGS', 'VEXING', 'WIZARDS', 'PACK', 'BOX', 'FIVE', 'MY'),
)
# Samples and letters of utterances at and just above the allowed lengths.
SAMPLES = {'103-1240-0001': 320_000, '103-1240-0002': 320_001}
SAMPLES |= {'2277-149896-0000': 320_001}
LETTERS = {'103-1241-0000': 256, '103-1241-0001': 257}
FIRST = {  # First speaker and chapter by subset.
  'train-clean-100': (103, 1240),
  'train-clean-360': (14, 208),
  'train-other-500': (20, 205),
  'dev-clean': (2277, 149_896),
  'dev-other': (116, 288_045),
  'test-clean': (1089, 134_686),
}


def librispeech(folder):
  """Write all archives and return {subset: {name: (waveform, transcript)}}."""
  rng = np.random.default_rng(0)
  made = {}
  for subset, count in SUBSETS.items():
    made[subset] = {}
    files = {'LibriSpeech/README.TXT': b'Read me.\n'}
    for start in range(0, count, EACH):
      speaker, chapter = FIRST[subset]
      chapter = f'{speaker}-{chapter + start // EACH}'
      names = [f'{chapter}-{n:04}' for n in range(min(EACH, count - start))]
      spoken = {name: _utterance(rng, name) for name in names}
      files |= _chapter(subset, chapter, spoken, start)
      made[subset] |= spoken
    write(folder / f'{subset}.tar.gz', files)
  return made


def flac(wave, rate=16_000, **how):
  """Return a 16-bit waveform as FLAC; `rate` is in Hz."""
  file = io.BytesIO()
  soundfile.write(file, wave, rate, format='FLAC', subtype='PCM_16', **how)
  return file.getvalue()


def write(path, files):
  """Write {name: bytes} to an archive; folders are members, as published."""
  with tarfile.open(path, 'w:gz', compresslevel=1) as archive:
    for name, content in files.items():
      folder = tarfile.TarInfo(name.rpartition('/')[0])
      folder.type = tarfile.DIRTYPE
      archive.addfile(folder)
      member = tarfile.TarInfo(name)
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))


def read(path):
  """Return the content of an archive's files by name."""
  with tarfile.open(path) as archive:
    return {
      member.name: archive.extractfile(member).read()
      for member in archive
      if member.isfile()
    }


def _utterance(rng, name):
  size = SAMPLES.get(name, int(rng.integers(3000, 9000)))
  wave = np.zeros(size, np.int16)
  wave[:9000] = rng.normal(0, 3000, 9000)[:size]
  text = ' '.join(rng.choice(WORDS, rng.integers(3, 12)))
  if name in LETTERS:
    text = ' '.join(rng.choice(WORDS, 90))[: LETTERS[name] - 1] + 'S'
  return wave, text


def _chapter(subset, chapter, spoken, position):
  """Return a chapter's files; the transcript is first, in between or last."""
  speaker, number = chapter.split('-')
  home = f'LibriSpeech/{subset}/{speaker}/{number}'
  lines = [f'{name} {text}\n' for name, (_, text) in spoken.items()]
  files = [(f'{home}/{n}.flac', flac(wave)) for n, (wave, _) in spoken.items()]
  text = f'{home}/{chapter}.trans.txt', ''.join(lines).encode()
  files.insert(position // EACH % 3, text)
  return dict(files)
