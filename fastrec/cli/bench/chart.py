"""The comparison as one chart: a row an operation, a mark a peer, at how many times as long as fastrec it takes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastrec.cli.bench import machine
from fastrec.cli.bench.compare import Outcome
from fastrec.cli.bench.operations import OPERATIONS
from fastrec.cli.bench.records import Record, check_writable, common_machine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png")
# Shape as well as colour tells libraries apart; the colours are Okabe and Ito's, for all kinds of sight.
_MARKS = {
    "numpy": ("NumPy", "s", "#7f7f7f"),
    "scipy": ("SciPy", "s", "#b5b5b5"),
    "implicit": ("implicit", "o", "#0072b2"),
    "similaripy": ("similaripy", "^", "#d55e00"),
    "sparse_dot_topn": ("sparse_dot_topn", "D", "#009e73"),
    "irspack": ("irspack", "v", "#cc79a7"),
    "rusket": ("rusket", "P", "#e69f00"),
    "cmfrec": ("cmfrec", "X", "#56b4e9"),
    "faiss": ("faiss", "<", "#000000"),
    "scann": ("ScaNN", ">", "#8c564b"),
    "lightfm": ("LightFM", "*", "#5e3c99"),
    "sklearn": ("scikit-learn", "p", "#b2912f"),
}
_OTHER = ("h", "#666666")
_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_TITLE = "Time that other libraries take, in multiples of fastrec's"
_WIDTH, _ROW = 9.0, 0.19  # inches
_MOST_LETTERS = 150  # of a line below
_NEAR = 1.12  # marks whose ratios are nearer than this are drawn beside each other


def needs(file: Path) -> None:
    """Raise now what `draw` would raise after minutes of measuring.

    Raises
    ------
    ValueError
        The file is neither SVG nor PNG, or in no folder that can be written to.
    ModuleNotFoundError
        There is no matplotlib.
    """
    if file.suffix not in SUFFIXES:
        raise ValueError(f"chart: expected a file that ends in {' or '.join(SUFFIXES)}, got {str(file)!r}.")
    check_writable(file, "chart")
    import matplotlib  # noqa: F401


def draw(records: Sequence[Record], file: Path) -> None:
    """Draw what was compared with other libraries.

    Parameters
    ----------
    records : sequence of Record
        Of one machine and number of threads; data may differ, and then stand beside the operation's name.
    file : Path
        Ends in ``.svg`` or ``.png``; the same records give the same bytes.

    Raises
    ------
    ValueError
        The records are of different machines, or hold nothing to draw.
    """
    import matplotlib
    from matplotlib.figure import Figure

    rows = rows_of(records)
    if not rows:
        raise ValueError(
            "chart: expected a comparison with at least one other library, got none; install a peer that does it."
        )
    caption = _caption(records, common_machine(records))
    above, below = 1.05, 0.4 + 0.13 * len(caption)  # inches
    height = above + _ROW * len(rows) + below
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastrec", "font.family": "sans-serif"}):
        figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        axes = figure.add_axes((0.25, below / height, 0.73, 1 - (above + below) / height))
        for place, outcomes in enumerate(rows.values()):
            if place % 2:
                axes.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", zorder=0, linewidth=0)
            _marks(axes, place, outcomes)
        axes.axvline(1, color="black", linewidth=1.2, zorder=2)
        _scales(axes, list(rows))
        _legend(figure, rows, 1 - 0.35 / height)
        figure.text(0.01, 1 - 0.1 / height, _TITLE, va="top", fontsize=11, weight="bold")
        figure.text(0.01, 0.08 / height, "\n".join(caption), va="bottom", fontsize=7, linespacing=1.3)
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, dpi=160)


def rows_of(records: Sequence[Record]) -> dict[str, list[Outcome]]:
    """For each operation, and data where there are several, what was timed against other libraries; the last counts."""
    found: dict[tuple[str, str], dict[str, Outcome]] = {}
    for record in records:
        for outcome in record.outcomes:
            if outcome.pairs is not None and outcome.library != "fastrec":
                found.setdefault((outcome.operation, record.data["name"]), {})[outcome.peer] = outcome
    several, order = len({name for _, name in found}) > 1, list(OPERATIONS)
    return {
        f"{operation} ({name})" if several else operation: list(found[operation, name].values())
        for operation, name in sorted(found, key=lambda row: order.index(row[0]))
    }


def _marks(axes: Axes, place: int, outcomes: list[Outcome]) -> None:
    timed = sorted(((outcome.pairs.ratio(), outcome) for outcome in outcomes if outcome.pairs), key=lambda one: one[0])
    last, beside = 0.0, 0
    for (middle, low, high), outcome in timed:
        beside = (beside + 1) % 3 if middle < _NEAR * last else 0
        last = middle
        y = place + (0.0, -0.26, 0.26)[beside]
        _, marker, colour = mark(outcome.library)
        axes.plot([low, high], [y, y], color=colour, linewidth=1, zorder=3)
        axes.plot(
            [middle], [y], marker=marker, color=colour, markersize=5.5 if marker != "*" else 8, zorder=4,
            markerfacecolor=colour if outcome.exact else "white", markeredgewidth=1,
        )  # fmt: skip


def mark(library: str) -> tuple[str, str, str]:
    """Name, shape and colour of a library."""
    return _MARKS.get(library, (library, *_OTHER))


def _scales(axes: Axes, labels: list[str]) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.tick_params(axis="x", labelsize=8, labeltop=True, top=True)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6, zorder=1)
    for side in ("left", "right"):
        axes.spines[side].set_visible(False)


def _legend(figure: Figure, rows: dict[str, list[Outcome]], y: float) -> None:
    from matplotlib.lines import Line2D

    drawn = {outcome.library for outcomes in rows.values() for outcome in outcomes}
    libraries = [library for library in _MARKS if library in drawn] + sorted(drawn - _MARKS.keys())
    style: dict[str, Any] = {"linestyle": "", "markersize": 5.5}
    handles = [
        Line2D([], [], marker=marker, color=colour, label=name, **style)
        for name, marker, colour in map(mark, libraries)
    ]
    handles.append(Line2D([], [], marker="o", color="#333333", markerfacecolor="white", label="not exact", **style))
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, y), ncols=math.ceil(len(handles) / 2), fontsize=8,
        frameon=False, handletextpad=0.1, columnspacing=1.2,
    )  # fmt: skip


def _caption(records: Sequence[Record], found: dict[str, Any]) -> list[str]:
    data = dict.fromkeys(record.describe_data() for record in records)
    lines = [
        "Right of 1x fastrec is sooner. A mark is the median of interleaved pairs, its bar the quartiles; answers were "
        "compared first.",
        "Hollow: stops early, is approximate or draws random samples; it was held to be near, or as good.",
        *data,
        *machine.describe(found).splitlines(),
    ]
    return [part for line in lines for part in textwrap.wrap(line, _MOST_LETTERS)]
