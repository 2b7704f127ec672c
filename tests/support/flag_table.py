"""Write tables of all commands and flags into docs/running.md.

    python -m tests.support.flag_table

writes the tables between the markers of docs/running.md. Names, defaults and
descriptions come from the programs' --help. Each program runs in its own
process, because two programs may define the same flag.
"""

import json
import pathlib
import subprocess
import sys
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENT = ROOT / 'docs' / 'running.md'
BEGIN, END = '<!-- flags: begin -->', '<!-- flags: end -->'
PROGRAMS = ('runner', 'scoring', 'workloads')
ASKED = """
import json, {0}.__main__ as it
known = it.flags.FLAGS
commands = [
  [word or it.PROGRAM.unnamed, command.takes, command.about, command.flags]
  for word, command in it.PROGRAM.commands.items()
]
flags = {{
  name: [known[name].boolean, known[name].default_as_str, known[name].help]
  for *_, names in commands for name in names
}}
print(json.dumps([it.PROGRAM.about, commands, flags]))
"""


def read(program: str) -> tuple[str, list[list[Any]], dict[str, list[Any]]]:
  """Return the commands and the flags of a package.

  Returns:
    What the package is for; for each command its word in `timetrial`, its
    argument, what the command does and the names of its flags; for each flag
    whether it is boolean, its default and its description.
  """
  done = subprocess.run(
    [sys.executable, '-c', ASKED.format(program)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  about, commands, flags = json.loads(done.stdout)
  return about, commands, flags


def render(program: str) -> str:
  """Return the two Markdown tables of a program: its commands, its flags."""
  what_for, commands, flags = read(program)
  lines = [f'### {what_for.removesuffix(".")}', '']
  lines += ['| `timetrial` | what it does | flags |', '|---|---|---|']
  for word, takes, about, names in commands:
    listed = ' '.join(f'`--{name}`' for name in names)
    command = f'{word} {takes}'.strip()
    lines.append(f'| `{command}` | {_cell(about)} | {listed} |')
  lines += ['', '| flag | default | meaning |', '|---|---|---|']
  for name, (boolean, default, about) in flags.items():
    no = '[no]' if boolean and default == "'true'" else ''
    lines.append(
      f'| `--{no}{name}` | {_default(default, boolean)} | {_cell(about)} |'
    )
  return '\n'.join(lines) + '\n'


def section() -> str:
  """Return all tables, with the markers around them."""
  return '\n'.join([BEGIN, '', *map(render, PROGRAMS), END])


def _default(text: str | None, boolean: bool) -> str:
  value = (text or '').strip("'").replace(f'{ROOT}/', '')
  if boolean:
    return 'yes' if value == 'true' else 'no'
  return f'`{value}`' if value else ''


def _cell(text: str) -> str:
  return text.replace('|', r'\|')


def main() -> None:
  """Renew the tables of the document."""
  old = DOCUMENT.read_text(encoding='utf-8')
  before, _, rest = old.partition(BEGIN)
  after = rest.partition(END)[2]
  DOCUMENT.write_text(before + section() + after, encoding='utf-8')


if __name__ == '__main__':
  main()
