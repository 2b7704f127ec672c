"""Make a folder that any static host serves: boards, glossary, documentation.

    python -m tests.support.site [FOLDER]

writes into FOLDER (default: site) an index of the boards in docs/leaderboard,
their pages with all files beside them, and the Markdown files of the project as
HTML. All links are relative, and nothing is loaded from outside. A link to a
file that the site does not have becomes plain text.
"""

import json
import pathlib
import posixpath
import re
import shutil
import sys
import urllib.parse

import jinja2
import markdown_it
from markupsafe import Markup

TOP = pathlib.Path(__file__).parents[2]
PAGES = ('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md')
FOLDERS = ('docs', 'docs/benchmarks')
BOARDS = 'docs/leaderboard'
OUTSIDE = re.compile(r'[a-z]+:|//', re.IGNORECASE)


class SiteError(ValueError):
  """The site cannot be made; the message says why."""


def make(top: pathlib.Path, out: pathlib.Path) -> list[str]:
  """Write the site and return the paths of its files.

  Args:
    top: Folder of the project.
    out: Folder to write; it must be empty or an older site.

  Raises:
    SiteError: `out` holds something else, or the project has no boards.
  """
  if out.exists() and any(out.iterdir()) and not (out / 'index.html').is_file():
    raise SiteError(
      f'{out} holds other files. Give an empty folder, or that of an older '
      'site.'
    )
  written = documents(top)
  boards = sorted(path.parent for path in top.glob(f'{BOARDS}/*/index.html'))
  if not boards or 'README.md' not in written:
    raise SiteError(
      f'{top} has no README.md or no {BOARDS}/*/index.html. Give the folder of '
      'the project, and make a board: make leaderboard'
    )
  copied = {
    path.relative_to(top).as_posix()
    for board in boards
    for path in board.rglob('*')
    if path.is_file() and 'results' not in path.relative_to(board).parts
  } | {path.relative_to(top).as_posix() for path in top.glob('docs/*.png')}
  shutil.rmtree(out, ignore_errors=True)
  for name in sorted(copied):
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(top / name, out / name)
  template = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
  ).get_template('site.html')
  known = copied | {*written}
  for name in written:
    text = (top / name).read_text(encoding='utf-8')
    body, title = html(text, name, known)
    page(template, out, renamed(name), title=title, body=body)
  page(
    template, out, 'index.html', title='Boards', body='',
    boards=[summary(top, board) for board in boards],
  )  # fmt: skip
  return sorted({*copied, *map(renamed, written), 'index.html'})


def documents(top: pathlib.Path) -> list[str]:
  """Return the Markdown files of the site, relative to the project."""
  boards = [path.relative_to(top) for path in top.glob(f'{BOARDS}/*/report.md')]
  inside = [
    path.relative_to(top)
    for folder in FOLDERS
    for path in sorted((top / folder).glob('*.md'))
  ]
  first = [pathlib.Path(name) for name in PAGES if (top / name).is_file()]
  return [path.as_posix() for path in [*first, *inside, *sorted(boards)]]


def renamed(name: str) -> str:
  """Return the name of a page: Markdown becomes HTML."""
  return f'{name[:-3]}.html' if name.endswith('.md') else name


def html(text: str, name: str, known: set[str]) -> tuple[Markup, str]:
  """Return a document as HTML, and its title.

  Args:
    text: The Markdown.
    name: Its path in the project.
    known: Paths of all files of the site, before they are renamed.
  """
  parser = markdown_it.MarkdownIt('commonmark', {'html': True}).enable('table')
  tokens = parser.parse(text)
  title, seen = name, {}
  for at, token in enumerate(tokens):
    if token.type == 'heading_open':
      words = ''.join(part.content for part in tokens[at + 1].children or ())
      token.attrSet('id', anchor(words, seen))
      title = words if token.tag == 'h1' and title == name else title
    if token.type == 'inline':
      token.children = linked(token.children or [], name, known)
  shown = parser.renderer.render(tokens, parser.options, {})
  shown = shown.replace('<table>', '<div class="scroll" tabindex="0"><table>')
  return Markup(shown.replace('</table>', '</table></div>')), title


def anchor(words: str, seen: dict[str, int]) -> str:
  """Return a heading's anchor as code hosts make it; repeats get a number."""
  plain = re.sub(r'[^\w\- ]', '', words.lower()).replace(' ', '-')
  seen[plain] = seen.get(plain, -1) + 1
  return f'{plain}-{seen[plain]}' if seen[plain] else plain


def linked(tokens, name: str, known: set[str]):
  """Return the parts of a line with links that work in the site, or none."""
  kept, dead = [], 0
  for token in tokens:
    if token.type == 'link_open':
      target = place(token.attrGet('href'), name, known)
      if target is None:
        dead += 1
        continue
      token.attrSet('href', target)
    elif token.type == 'link_close' and dead:
      dead -= 1
      continue
    elif token.type == 'image':
      target = place(token.attrGet('src'), name, known)
      if target is None or OUTSIDE.match(target):
        continue
      token.attrSet('src', target)
    kept.append(token)
  return kept


def place(link: str, name: str, known: set[str]) -> str | None:
  """Return where a link of a document leads in the site; None if nowhere."""
  if OUTSIDE.match(link) or link.startswith('#'):
    return link
  path, mark, part = link.partition('#')
  path = urllib.parse.unquote(path)
  whole = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
  if whole not in known:
    return None
  return f'{renamed(path)}{mark}{part}'


def summary(top: pathlib.Path, board: pathlib.Path) -> dict[str, str]:
  """Return what the index says of a board: its first lines, and its files."""
  lines = (board / 'report.md').read_text(encoding='utf-8').splitlines()
  told = [line for line in lines if line.strip()][:3]
  title, facts, headline = (line.replace('\\', '') for line in told)
  entries = ''
  if (board / 'leaderboard.json').is_file():
    table = json.loads((board / 'leaderboard.json').read_text('utf-8'))
    entries = f'{len(table["leaderboard"])} entries'
  ruleset, _, rest = facts.partition(' · ')
  return {
    'title': f'{title.removeprefix("# TimeTrial: ")}, {ruleset}',
    'facts': rest,
    'headline': headline,
    'entries': entries,
    'folder': board.relative_to(top).as_posix(),
  }


def page(template, out: pathlib.Path, name: str, **content) -> None:
  """Write one page with its navigation."""
  up = '../' * name.count('/')
  path = out / name
  path.parent.mkdir(parents=True, exist_ok=True)
  made = template.render(
    up=up, name=name, boards=content.pop('boards', None), **content
  )
  path.write_text(made, encoding='utf-8')


def main(words: list[str]) -> int:
  """Make the site; return an exit code."""
  if len(words) > 1:
    print(__doc__, file=sys.stderr)
    return 2
  out = pathlib.Path(words[0] if words else 'site')
  try:
    files = make(TOP, out)
  except SiteError as error:
    print(f'Error: {error}', file=sys.stderr)
    return 2
  print(f'{len(files)} files in {out}. Open {out / "index.html"}')
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
