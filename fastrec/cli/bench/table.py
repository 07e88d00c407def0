"""The comparison as a table on the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastrec.cli.bench.compare import Outcome

if TYPE_CHECKING:
    from rich.table import Table


def of_outcomes(outcomes: Iterable[Outcome]) -> Table:
    """Medians, and how many times longer the peer takes: median of the pairs' ratios, with its quartiles."""
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for heading in ("operation", "peer", "answers"):
        table.add_column(heading)
    for heading in ("fastrec, ms", "peer, ms", "ratio", "quartiles"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("note")
    last = None
    for outcome in outcomes:
        if last not in (None, outcome.operation):
            table.add_section()
        name = "" if outcome.operation == last else outcome.operation
        last = outcome.operation
        table.add_row(name, outcome.peer, _agreement(outcome), *_times(outcome), escape(outcome.note))
    return table


def _agreement(outcome: Outcome) -> str:
    from rich.markup import escape

    if outcome.agreement is None:
        return "[dim]-[/dim]"
    text = escape(outcome.agreement.text)
    return text if outcome.agreement.agrees else f"[bold red]MISMATCH: {text}[/bold red]"


def _times(outcome: Outcome) -> tuple[str, str, str, str]:
    if outcome.pairs is None:
        return "", "", "", ""
    (ours, theirs), (middle, low, high) = outcome.pairs.medians, outcome.pairs.ratio()
    return _milliseconds(ours), _milliseconds(theirs), f"{middle:.2f}", f"{low:.2f} to {high:.2f}"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f}" if seconds >= 0.1 else f"{1e3 * seconds:.3g}"
