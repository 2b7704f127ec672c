"""Make the site: which files it has, and how they reach the folder."""

import functools
import pathlib
import posixpath
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from runner.protocol import user_files
from runner.protocol.storage import StorageError
from scoring.site import boards, documents
from workloads import command_line

HERE = pathlib.Path(__file__).parent
START, GLOSSARY = 'README.md', 'docs/glossary.md'
# Groups of documents, in the order of the navigation: name, the document that
# comes first and whose links order the others, and all documents.
GROUPS = (
  ('Documentation', START, (START, 'docs/*.md', 'docker/README.md')),
  ('Measured claims', 'docs/benchmarks/README.md', ('docs/benchmarks/*.md',)),
  ('Project', START, ('CONTRIBUTING.md', 'CHANGELOG.md')),
)
PICTURES = ('docs/*.png', 'docs/*.svg', 'docs/benchmarks/*.png')
# Names of all files of the site, so that the next one can replace them.
LIST = 'timetrial-site.txt'
MARK = 'Files of a site of TimeTrial; the next one takes their place.'


class Page(NamedTuple):
  """A document on its way to a page."""

  source: str  # Path in the repository.
  path: str  # Path in the site.
  group: str
  document: documents.Document

  @property
  def label(self) -> str:
    """Return the name of the page in the navigation."""
    return 'Overview' if self.source == START else self.document.title


def build(root: pathlib.Path, out: pathlib.Path) -> int:
  """Write the site, and return its number of files.

  Args:
    root: The repository.
    out: Folder for the site. It must be empty, missing, or an older site.

  Raises:
    ValueError: `root` lacks boards or documents, or `out` is not for a site.
  """
  old = _old(out)
  made = files(root)
  made[LIST] = ''.join(f'{name}\n' for name in (MARK, *sorted(made)))
  for name, content in made.items():
    _write(out / name, content)
  for name in old - made.keys():
    (out / name).unlink(missing_ok=True)  # No more a part of the site.
  return len(made)


def files(root: pathlib.Path) -> dict[str, str | pathlib.Path]:
  """Return all files of the site: path in the site to text or file to copy."""
  found = boards.read(root)
  groups = _sources(root, found)
  copied = [f'{board.path}/{name}' for board in found for name in board.files]
  copied += [name for pattern in PICTURES for name in _glob(root, pattern)]
  places = _places(
    [name for names in groups.values() for name in names], copied
  )
  pages = [
    Page(
      name,
      places[name],
      group,
      documents.render(user_files.read(root / name), name, places),
    )
    for group, names in groups.items()
    for name in names
  ]
  _check(root, pages)
  made: dict[str, str | pathlib.Path] = {name: root / name for name in copied}
  for board in found:
    path = f'{board.path}/{boards.PAGE}'
    made[path] = _with_way_back(user_files.read(root / path), path)
  made['style.css'] = HERE / 'style.css'
  made['index.html'] = _page('boards.html', 'index.html', pages, boards=found)
  for page in pages:
    # The board whose report.md this is.
    board = next(
      (b for b in found if f'{b.path}/{boards.TEXT}' == page.source), None
    )
    made[page.path] = _page(
      'document.html', page.path, pages, page=page, board=board
    )
  return made


def _with_way_back(page: str, path: str) -> str:
  """Return the page of a board, whose first word leads to all boards here."""
  way = documents.to('index.html', posixpath.dirname(path))
  return page.replace(
    boards.BRAND,
    boards.BRAND.replace('TimeTrial', f'<a href="{way}">TimeTrial</a>'),
    1,
  )


def _sources(
  root: pathlib.Path, found: list[boards.Board]
) -> dict[str, list[str]]:
  """Return the documents of each group; the boards' are in the last one."""
  groups = {}
  for group, first, patterns in GROUPS:
    names = [name for pattern in patterns for name in _glob(root, pattern)]
    text = user_files.read(root / first) if (root / first).is_file() else ''
    groups[group] = sorted(names, key=lambda name: _place(name, first, text))
  return groups | {'': [f'{board.path}/{boards.TEXT}' for board in found]}


def _place(name: str, first: str, text: str) -> tuple[int, str]:
  """Return where the text of `first` links to a document, for sorting."""
  if name == first:
    return (-1, name)
  link = documents.relative(name, posixpath.dirname(first))
  place = text.find(f']({link}')
  return (place if place >= 0 else len(text), name)


def _glob(root: pathlib.Path, pattern: str) -> list[str]:
  """Return paths of files in the repository."""
  return [
    path.relative_to(root).as_posix()
    for path in sorted(root.glob(pattern))
    if path.is_file()
  ]


def _places(sources: list[str], copied: list[str]) -> documents.Places:
  """Return what links can lead to, files and folders."""
  # A report.md is copied as well; links to it lead to its page.
  found = {name: name for name in copied}
  found |= {name: name.removesuffix('.md') + '.html' for name in sources}
  for name, path in list(found.items()):
    if posixpath.basename(name) in (START, boards.PAGE):
      found[posixpath.dirname(name) or '.'] = path
  return found | {boards.FOLDER: 'index.html'}


def _check(root: pathlib.Path, pages: list[Page]) -> None:
  """Raise ValueError for a repository without documents."""
  known = {page.source for page in pages}
  for name in (START, GLOSSARY):
    if name not in known:
      raise ValueError(
        f'{root} has no document {name}, which every page links to. Give the '
        'root of the repository: --repository=DIR'
      )


def _page(template: str, path: str, pages: list[Page], **values) -> str:
  """Return one page of the site as HTML.

  Args:
    template: Name of its template.
    path: Path of the page in the site.
    pages: All documents, for the navigation.
    **values: What the template shows beside the navigation.
  """
  folder = posixpath.dirname(path)
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters['to'] = functools.partial(documents.to, folder=folder)
  environment.filters['ready'] = Markup
  return environment.get_template(template).render(
    path=path,
    groups=[
      (group, [page for page in pages if page.group == group])
      for group, *_ in GROUPS
    ],
    version=command_line.version(),
    **values,
  )


def _old(out: pathlib.Path) -> set[str]:
  """Return the files of the site that is in the folder already.

  Raises:
    ValueError: The folder holds something else.
  """
  if (out / LIST).is_file():
    mark, *names = user_files.read(out / LIST).splitlines() or ['']
    if mark == MARK:  # A name that leads out of the folder is not ours.
      top = out.resolve()
      return {n for n in names if top in (out / n).resolve().parents}
  if out.exists() and (not out.is_dir() or any(out.iterdir())):
    raise ValueError(
      f'{out} holds files that are no site of TimeTrial: it has no {LIST} of '
      'one. Name an empty or new folder: --out=DIR'
    )
  return set()


def _write(path: pathlib.Path, content: str | pathlib.Path) -> None:
  """Write a file of the site."""
  path.parent.mkdir(parents=True, exist_ok=True)
  if isinstance(content, pathlib.Path):
    data = content.read_bytes()
  else:
    data = content.encode()
  try:
    user_files.replace(path, data)
  except StorageError as error:
    raise ValueError(str(error)) from error
