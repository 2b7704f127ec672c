"""Build the pieces of inline SVG that all charts share.

Colours come from the page's style sheet: submissions have the classes `s0` to
`s7`, and beyond eight also `d1` to `d3` for dashes. Elements of one submission
have its number in `data-who`, so that the page can hide them. markupsafe
escapes all texts.
"""

from collections.abc import Iterable

from markupsafe import Markup

from scoring.report.axes import Axis, Tick

COLOURS = 8


def series(index: int) -> str:
  """Return the CSS classes of the submission at this place of the board."""
  return f's{index % COLOURS} d{min(3, index // COLOURS)}'


def draw(
  width: float, height: float, text: str, parts: Iterable[Markup]
) -> Markup:
  """Return a whole SVG image.

  Args:
    width: Width in pixels.
    height: Height in pixels.
    text: Description for screen readers.
    parts: The content.
  """
  return Markup(
    '<svg viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{text}">'
    '{inside}</svg>'
  ).format(w=width, h=height, text=text, inside=Markup().join(parts))


def shared(parts: Iterable[Markup]) -> Markup:
  """Return invisible definitions that charts refer to by id."""
  return Markup(
    '<svg class="shared" aria-hidden="true"><defs>{}</defs></svg>'
  ).format(Markup().join(parts))


def whose(index: int, parts: Iterable[Markup]) -> Markup:
  """Group the parts of the submission at this place of the board."""
  return Markup('<g data-who="{}">{}</g>').format(index, Markup().join(parts))


def grid(across: Axis, xs: list[Tick], up: Axis, ys: list[Tick]) -> Markup:
  """Draw horizontal lines and the marks of the axis below.

  Args:
    across: The horizontal axis.
    xs: Ticks of the horizontal axis.
    up: The vertical axis.
    ys: Ticks of the vertical axis, one line each.
  """
  parts = [
    Markup(
      '<path d="M{a:.0f} {y:.1f} H{b:.0f}"/><text x="{c:.0f}" y="{d:.1f}" '
      'text-anchor="end">{t}</text>'
    ).format(
      a=across.start,
      b=across.end,
      y=up(y),
      c=across.start - 6,
      d=up(y) + 3.5,
      t=text,
    )
    for y, text in ys
  ]
  parts += [
    Markup(
      '<path d="M{x:.1f} {a:.0f} v4"/><text x="{x:.1f}" y="{b:.0f}" '
      'text-anchor="middle">{t}</text>'
    ).format(x=across(x), a=up.start, b=up.start + 17, t=text)
    for x, text in xs
  ]
  return Markup('<g class="grid">{}</g>').format(Markup().join(parts))
