"""Draw static figures for papers and READMEs: profiles and times to target.

Equal boards give equal files, byte by byte, with the same matplotlib.
"""

import collections
import io
import itertools
import math
import pathlib
from typing import Any

from runner.protocol import user_files
from scoring.rank.analysis import Analysis
from scoring.rank.board import Board, Standing
from scoring.rank.bootstrap import Spread
from scoring.report import colours, formats, marks, sentences

SHAPES = ('o', 's', 'D', 'v')  # By dash, as colours alone look alike.
STYLE = {
  'font.family': 'DejaVu Sans',  # matplotlib brings this font.
  'font.size': 8,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.titlesize': 8,
  'axes.titleweight': 'bold',
  'axes.titlelocation': 'left',
  'legend.frameon': False,
  'svg.hashsalt': 'timetrial',  # Makes ids reproducible.
  'svg.fonttype': 'path',  # Paths look the same without the font.
  'figure.dpi': 100,
  'savefig.dpi': 200,
}
KINDS = ('profiles', 'times')
FORMATS = {'svg': {'Date': None}, 'png': {}}  # With their metadata.
COLUMNS = 3  # Charts of workloads next to each other.


def write(board: Board, analysis: Analysis, folder: pathlib.Path) -> list[str]:
  """Write profiles and times as SVG and PNG.

  Args:
    board: The scored board.
    analysis: The analysis of the board.
    folder: The folder to write to, which need not exist.

  Returns:
    The files' names.
  """
  # Slow to import. The Agg canvas needs no window.
  import matplotlib  # noqa: PLC0415
  from matplotlib.backends.backend_agg import (  # noqa: PLC0415
    FigureCanvasAgg,
  )
  from matplotlib.figure import Figure  # noqa: PLC0415

  folder.mkdir(parents=True, exist_ok=True)
  names = []
  with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
    for name in KINDS:
      figure = Figure(layout='constrained', facecolor='white')
      FigureCanvasAgg(figure)
      if name == 'profiles':
        _profiles(figure, board, analysis.spread)
      else:
        _times(figure, board)
      for suffix, facts in FORMATS.items():
        names.append(f'{name}.{suffix}')
        made = io.BytesIO()
        figure.savefig(made, format=suffix, metadata=facts)
        figure.set_layout_engine('none')  # The places that were just found.
        user_files.replace(folder / names[-1], made.getvalue())
  return names


def remove(folder: pathlib.Path) -> None:
  """Remove the figures in a folder, which may be those of an older board.

  Args:
    folder: The folder. It is removed if nothing else is in it.
  """
  for name, suffix in itertools.product(KINDS, FORMATS):
    (folder / f'{name}.{suffix}').unlink(missing_ok=True)
  if folder.is_dir() and not any(folder.iterdir()):
    folder.rmdir()


def _profiles(figure: Any, board: Board, spread: Spread | None) -> None:
  """Draw step curves, with bands if studies were resampled."""
  count = len(board.standings)
  cutoff = board.rules.cutoff
  scored = len(board.rules.scored) * len(board.rules.ladder)
  figure.set_size_inches(6.5, max(3.2, 0.19 * count))
  axes = figure.subplots()
  for index, standing in enumerate(board.standings):
    ratios = sorted(
      ratio
      for cell in standing.cells.values()
      for ratio in cell.ratios
      if ratio <= cutoff
    )
    shares = [n / scored for n in range(len(ratios) + 1)]
    # Slightly shifted, so that curves that coincide stay visible.
    shift = 0.004 * ((count - 1) / 2 - index) * min(1.0, 8 / count)
    axes.step(
      [1.0, *ratios, cutoff],
      [share + shift for share in [*shares, shares[-1]]],
      where='post',
      color=colours.rgb(colours.hue(standing.submission)),
      linestyle=_dashes(standing.submission),
      linewidth=1.5,
      label=_label(f'{standing.submission} {standing.score:.3f}', standing),
    )
    if spread is not None:
      n = board.times.submissions.index(standing.submission)
      axes.fill_between(
        spread.taus,
        *(spread.bands[:, n] + shift),
        color=colours.rgb(colours.hue(standing.submission)),
        alpha=min(0.12, 0.8 / count),
        linewidth=0,
      )
  axes.set(
    xlim=(1, cutoff),
    ylim=(-0.02, 1.03),
    xlabel='time to target ÷ fastest time',
    ylabel='share of workloads reached',
  )
  axes.grid(axis='y', color='#e2e6ea', linewidth=0.7)
  axes.legend(loc='center left', bbox_to_anchor=(1.01, 0.5))


def _times(figure: Any, board: Board) -> None:
  """Draw a dot per study, a bar at the median, and an arrow per miss."""
  names = list(board.rules.held_out_last)
  count = len(board.standings)
  columns = min(COLUMNS, len(names))
  rows = math.ceil(len(names) / columns)
  figure.set_size_inches(
    1.2 + 2.1 * columns, 0.3 + rows * (0.62 + 0.19 * count)
  )
  grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
  for axes, name in zip(grid.flat, names, strict=False):
    _workload(axes, board, name)
  for axes in grid.flat[len(names) :]:
    axes.set_axis_off()
  grid[0, 0].set_yticks(
    range(count),
    [_label(standing.submission, standing) for standing in board.standings],
  )
  grid[0, 0].set_ylim(count - 0.4, -0.6)
  figure.supxlabel(
    f'{formats.EFFORTS[board.effort].capitalize()} to the target. Dots: '
    'studies. Bars: medians. Arrows: misses, at the time tried. Dashes: '
    'budget.',
    size=8,
  )


def _workload(axes: Any, board: Board, workload: str) -> None:
  end, budget = marks.extent(board, workload)
  unit, name = 1.0, 's'
  if board.effort == 'steps':
    name = 'steps'
  elif end >= 20_000:
    unit, name = 3600.0, 'h'
  for index, standing in enumerate(board.standings):
    cell = standing.cells[workload]
    colour = colours.rgb(colours.hue(standing.submission))
    found = marks.marks(cell)
    dots = collections.defaultdict(list)  # Places by face colour.
    for number, mark in enumerate(found):
      x = mark.seconds / unit
      y = index + (number - (len(found) - 1) / 2) * min(0.14, 0.6 / len(found))
      if mark.kind == 'censored':
        axes.annotate(
          '',
          (x, y),
          (9, 0),
          textcoords='offset points',
          arrowprops={
            'arrowstyle': '<-', 'color': colour, 'lw': 0.8,
            'shrinkA': 0, 'shrinkB': 0, 'mutation_scale': 5,
          },
          annotation_clip=False,
        )  # fmt: skip
        axes.plot(x, y, '|', color=colour, markersize=4)
      else:
        dots[colour if mark.kind == 'hit' else 'white'].append((x, y))
    for face, places in dots.items():
      axes.plot(
        *zip(*places, strict=True),
        SHAPES[colours.dash(standing.submission)],
        color=colour,
        mfc=face,
        mew=0.8,
        ms=3,
        alpha=0.8,
      )
    if math.isfinite(cell.seconds):
      axes.vlines(
        cell.seconds / unit, index - 0.36, index + 0.36, '#16191d', lw=1.2
      )
  if math.isfinite(budget):
    axes.axvline(budget / unit, color='#8b949e', lw=0.7, linestyle='--')
  axes.set_xlim(0, 1.07 * end / unit)
  held_out = board.rules.workloads[workload].held_out_of
  title = _plain(workload) + (' (held out)' if held_out else '')
  axes.set_title(title, size=7)
  axes.set_xlabel(name, size=7, labelpad=0)
  axes.tick_params(axis='x', labelsize=7)
  axes.grid(axis='y', color='#eef0f2', linewidth=0.7)
  axes.set_axisbelow(True)


def _dashes(name: str) -> Any:
  """Return a submission's dashes as matplotlib takes them."""
  found = colours.DASHES[colours.dash(name)]
  return (0, found) if found else '-'


def _label(name: str, standing: Standing) -> str:
  """Return a legend label; the space keeps matplotlib from hiding '_' names."""
  return f' {_plain(name)}' + ('' if standing.rank else ' (open)')


def _plain(name: str) -> str:
  """Return a name as one short line that matplotlib shows literally."""
  found = sentences.clean(' '.join(name.split()), '?')
  found = found if len(found) <= 34 else f'{found[:33]}…'
  return found.replace('$', r'\$')
