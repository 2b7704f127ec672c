"""Pieces of inline SVG that every chart is made of.

Colours come from the page's style sheet: a submission's class is `s0` to `s7`,
and `d1` to `d3` dashes where there are more than eight. Texts are escaped by
markupsafe.
"""

from collections.abc import Iterable

from markupsafe import Markup

from scoring import axes
from scoring.axes import Axis

COLOURS = 8


def series(index: int) -> str:
  """The classes of the submission in this place of the board."""
  return f's{index % COLOURS} d{min(3, index // COLOURS)}'


def draw(width: float, height: float, text: str, parts: Iterable[Markup]) -> Markup:
  return Markup(
    '<svg viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{text}">'
    '{inside}</svg>'
  ).format(w=width, h=height, text=text, inside=Markup().join(parts))


def grid(across: Axis, xs, up: Axis, ys, x_form: str, y_form: str) -> Markup:
  parts = [Markup('<g class="grid">')]
  for y in ys:
    text = y_form.format(axes.label(y, ys))
    if ys[0] == 0 and ys[-1] == 1:  # Shares.
      text = f'{y:.0%}'
    parts.append(
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
    )
  for x in xs:
    parts.append(
      Markup(
        '<path d="M{x:.1f} {a:.0f} v4"/><text x="{x:.1f}" y="{b:.0f}" '
        'text-anchor="middle">{t}</text>'
      ).format(
        x=across(x),
        a=up.start,
        b=up.start + 17,
        t=x_form.format(axes.label(x, xs)),
      )
    )
  return Markup().join([*parts, Markup('</g>')])
