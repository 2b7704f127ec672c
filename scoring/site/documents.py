"""Markdown documents as HTML, with the anchors and links that GitHub makes."""

import html
import itertools
import posixpath
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import markdown_it
from markdown_it.token import Token

# Targets of links: path of a file or folder in the repository, and path of a
# file of the site.
Places = Mapping[str, str]


SHORT = 18  # Characters that a table shows on one line.


class Heading(NamedTuple):
  """A heading of a document."""

  level: int  # 1 is the title.
  text: str
  anchor: str


class Document(NamedTuple):
  """A document as HTML."""

  title: str  # Text of the first heading.
  headings: tuple[Heading, ...]
  html: str


def _table_begin(*_) -> str:
  """Return the begin of a table, in a box that scrolls if it is too wide."""
  return (
    '<div class="scroll" tabindex="0" role="group" aria-label="Table">\n'
    '<table>\n'
  )


def _table_end(*_) -> str:
  """Return the end of a table and of its box."""
  return '</table>\n</div>\n'


def _code(_renderer, tokens: Sequence[Token], index: int, *_options) -> str:
  """Return a block of code, which the keyboard can scroll."""
  text = html.escape(tokens[index].content, quote=False)
  return f'<pre tabindex="0"><code>{text}</code></pre>\n'


def _foreign(_renderer, tokens: Sequence[Token], index: int, *_options) -> str:
  """Return HTML of a document as text, without its comments."""
  text = re.sub(r'<!--.*?-->', '', tokens[index].content, flags=re.S)
  return html.escape(text.strip())


def _ready(_renderer, tokens: Sequence[Token], index: int, *_options) -> str:
  """Return HTML that this module made."""
  return tokens[index].content


def _markdown() -> markdown_it.MarkdownIt:
  """Return a reader of GitHub's Markdown that shows no HTML of documents."""
  made = markdown_it.MarkdownIt('commonmark')
  made.enable(['table', 'strikethrough'])
  made.add_render_rule('table_open', _table_begin)
  made.add_render_rule('table_close', _table_end)
  made.add_render_rule('code_block', _code)
  made.add_render_rule('fence', _code)
  made.add_render_rule('html_block', _foreign)
  made.add_render_rule('html_inline', _foreign)
  made.add_render_rule('ready', _ready)
  return made


_MARKDOWN = _markdown()


def render(text: str, path: str, places: Places) -> Document:
  """Return a document as HTML.

  Args:
    text: Markdown.
    path: Path of the document in the repository.
    places: All that links and pictures can lead to. Other paths of the
      repository become code.
  """
  tokens = _MARKDOWN.parse(text)
  headings = _anchored(tokens)
  _mark_short_cells(tokens)
  for token in tokens:
    if token.children:
      token.children = _linked(
        token.children, lambda link: href(link, path, places)
      )
  title = next((h.text for h in headings if h.level == 1), path)
  return Document(
    title,
    tuple(headings),
    _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
  )


def beginning(text: str) -> tuple[str, str, str] | None:
  """Return title and first two paragraphs as plain text.

  Returns:
    None if the Markdown begins with something else.
  """
  tokens = _MARKDOWN.parse(text)[:9]
  kinds = [token.type for token in tokens if token.type.endswith('_open')]
  texts = [_words(token) for token in tokens if token.type == 'inline']
  if kinds != ['heading_open', 'paragraph_open', 'paragraph_open']:
    return None
  title, first, second = texts
  return title, first, second


def href(link: str, path: str, places: Places) -> str | None:
  """Return where a link of a document leads to in the site.

  Args:
    link: The link as the document has it.
    path: Path of the document in the repository.
    places: All that links can lead to.

  Returns:
    The link to use; None if the site has no such file.
  """
  if link.startswith('#') or outside(link):
    return link
  if link.startswith('/'):
    return None  # A place on somebody's machine.
  file, sign, anchor = link.partition('#')
  folder = posixpath.dirname(path)
  wanted = posixpath.normpath(
    posixpath.join(folder, urllib.parse.unquote(file))
  )
  if wanted not in places:
    return None
  here = posixpath.dirname(places[path])
  return to(places[wanted], here) + sign + anchor


def outside(link: str) -> bool:
  """Test whether a link leads out of the repository, such as to a paper."""
  return bool(re.match(r'[a-z][a-z0-9+.-]*:|//', link, re.IGNORECASE))


def to(path: str, folder: str) -> str:
  """Return the link from a folder of the site to a file of the site."""
  return urllib.parse.quote(relative(path, folder))


def relative(path: str, folder: str) -> str:
  """Return the path of a file as seen from a folder of the site."""
  return posixpath.relpath(path, folder or '.')


def _anchored(tokens: Sequence[Token]) -> list[Heading]:
  """Give all headings their anchors, and return these headings."""
  found: list[Heading] = []
  seen: set[str] = set()
  for index, token in enumerate(tokens):
    if token.type != 'heading_open':
      continue
    inline = tokens[index + 1]
    heading = Heading(int(token.tag[1]), _words(inline), _anchor(inline, seen))
    seen.add(heading.anchor)
    token.attrSet('id', heading.anchor)
    if heading.level > 1:
      mark = (
        f' <a class="here" href="#{html.escape(heading.anchor)}" '
        'aria-label="Link to this section">#</a>'
      )
      assert inline.children is not None
      inline.children.append(Token('ready', '', 0, content=mark))
    found.append(heading)
  return found


def _mark_short_cells(tokens: Sequence[Token]) -> None:
  """Give the class `short` to all cells of tables that need no second line."""
  for cell, inline in itertools.pairwise(tokens):
    if cell.type in ('th_open', 'td_open') and len(_words(inline)) <= SHORT:
      cell.attrSet('class', 'short')


def _anchor(inline: Token, seen: set[str]) -> str:
  """Return the anchor that GitHub gives a heading, numbered if it is taken."""
  words = re.sub(r'[^\w\- ]', '', _words(inline).strip().lower())
  first = words.replace(' ', '-')
  anchor, number = first, 0
  while anchor in seen:
    number += 1
    anchor = f'{first}-{number}'
  return anchor


def _words(inline: Token) -> str:
  """Return the text of a heading or paragraph, without its markup."""
  return ''.join(
    ' ' if token.type in ('softbreak', 'hardbreak') else token.content
    for token in inline.children or ()
    if token.type not in ('html_inline', 'ready')
  )


def _linked(
  tokens: Sequence[Token], to: Callable[[str], str | None]
) -> list[Token]:
  """Return text whose links and pictures all lead somewhere."""
  found: list[Token] = []
  link, start = None, 0  # The open link without a target; its first token.
  for token in tokens:
    if token.type == 'link_open':
      target = to(_text(token, 'href'))
      link, start = None if target else _text(token, 'href'), len(found)
      if target:
        token.attrSet('href', target)
        found.append(token)
    elif token.type == 'link_close' and link is not None:
      found[start:] = _coded(found[start:], link)
      link = None
    elif token.type == 'image':
      found.append(_picture(token, to))
    else:
      found.append(token)
  return found


def _coded(label: list[Token], link: str) -> list[Token]:
  """Return the label of a link to no file of the site, and its path as code."""
  words = ''.join(token.content for token in label)
  path = link.partition('#')[0].rstrip('/')
  while path.startswith('../'):
    path = path.removeprefix('../')
  named = words.rstrip('/')
  if named == path or named == posixpath.basename(path):
    return [Token('code_inline', 'code', 0, content=words)]
  return [
    *label,
    Token('text', '', 0, content=' ('),
    Token('code_inline', 'code', 0, content=path),
    Token('text', '', 0, content=')'),
  ]


def _picture(token: Token, to: Callable[[str], str | None]) -> Token:
  """Return a picture of the site; a link or words for any other picture."""
  source, words = _text(token, 'src'), html.escape(token.content)
  target = to(source)
  if target is None:
    return Token('ready', '', 0, content=f'<em>{words}</em>')
  if outside(source):
    link = f'<a href="{html.escape(source)}">{words}</a>'
    return Token('ready', '', 0, content=link)
  token.attrSet('src', target)
  token.attrSet('loading', 'lazy')
  return token


def _text(token: Token, name: str) -> str:
  """Return an attribute of a token."""
  return str(token.attrGet(name) or '')
