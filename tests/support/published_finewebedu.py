"""Write a few documents in FineWeb-Edu's published and tokenized formats."""

import json

import numpy as np
import pyarrow as pa
from pyarrow import ipc, parquet

FILES = [f'{n:03}_00000.parquet' for n in range(14)]
END = 50_256  # Token at the end of a text.
# Pairs that become one token, the most frequent first. The vocabulary writes a
# space as 'Ġ'.
MERGES = [('t', 'h'), ('th', 'e'), ('Ġ', 'the'), ('a', 'n'), ('Ã', '¼')]
WORDS = (
  *('the', 'other', 'than', 'über', 'can', 'breathe', '42', '<|endoftext|>'),
  *(',\n', '', 'naïve'),
)


def fineweb(folder, each=9):
  """Write all files and the vocabulary; return the texts in order."""
  rng = np.random.default_rng(1)
  made = []
  for name in FILES:
    texts = [' '.join(rng.choice(WORDS, n)) for n in rng.integers(1, 400, each)]
    write(folder / name, texts)
    made += texts
  vocabulary(folder)
  return made


def write(path, texts, rows=4):
  """Write texts as Parquet, with a second column.

  Args:
    path: The file to write.
    texts: The documents.
    rows: Rows per group.
  """
  table = pa.table({'url': ['-'] * len(texts), 'text': pa.array(texts, 'str')})
  parquet.write_table(table, path, row_group_size=rows)


def vocabulary(folder):
  """Write GPT-2's two vocabulary files, with the tokens used here."""
  lines = [f'{first} {second}\n' for first, second in MERGES]
  (folder / 'vocab.bpe').write_text('#version: 0.2\n' + ''.join(lines))
  names = {name: n for n, name in enumerate(letters().values())}
  for first, second in MERGES:
    names[first + second] = len(names)
  names['<|endoftext|>'] = END
  (folder / 'encoder.json').write_text(json.dumps(names))


def letters():
  """Return the vocabulary's letter for each byte, in the order of tokens.

  A visible character of Latin-1 stands for itself. All other bytes get the
  letters from 'Ā' on.
  """
  visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
  others = [byte for byte in range(256) if byte not in visible]
  return {byte: chr(byte) for byte in visible} | {
    byte: chr(256 + n) for n, byte in enumerate(others)
  }


def saved(folder, parts, files=2):
  """Write tokenized documents as Hugging Face's datasets save them.

  Args:
    folder: The folder to write to.
    parts: Documents (lists of tokens) by name of the subfolder.
    files: Number of files per subfolder.
  """
  for name, documents in parts.items():
    home = folder / name
    home.mkdir(parents=True)
    names = [f'data-{n:05}-of-{files:05}.arrow' for n in range(files)]
    shares = np.array_split(np.arange(len(documents)), files)
    for file, share in zip(names, shares, strict=True):
      arrow(home / file, [documents[n] for n in share])
    state = {'_data_files': [{'filename': file} for file in names]}
    (home / 'state.json').write_text(json.dumps(state))


def arrow(path, documents, rows=3):
  """Write documents as one Arrow stream.

  Args:
    path: The file to write.
    documents: Lists of tokens.
    rows: Documents per record batch.
  """
  schema = pa.schema({'input_ids': pa.list_(pa.int32())})
  with ipc.new_stream(str(path), schema) as stream:
    for n in range(0, len(documents), rows):
      stream.write_batch(
        pa.record_batch({'input_ids': documents[n : n + rows]}, schema)
      )
