"""The comparison, and growth, as tables on the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from fastrec.cli.bench.compare import Outcome
from fastrec.cli.bench.growth import Measurement, exponents

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


def of_growth(measurements: Collection[Measurement]) -> Table:
    """Seconds and memory by interactions, and the power of the interactions that seconds grow by."""
    table, last, fitted = _plain("interactions", "seconds", "peak, MB", "exponent"), None, exponents(measurements)
    order = list(dict.fromkeys(one[:2] for one in measurements))
    for one in sorted(measurements, key=lambda one: order.index(one[:2])):
        name = one.operation, one.library
        exponent = f"{fitted[name]:.2f}" if name != last and name in fitted else ""
        memory = "" if one.peak_bytes is None else f"{one.peak_bytes / 1e6:,.0f}"
        _add(table, one, last, f"{one.n_interactions:,}", _seconds(one), memory, exponent)
        last = name
    return table


def of_scaling(measurements: Collection[Measurement]) -> Table:
    """Seconds by threads, and how many times less they are than those of one thread."""
    table, last = _plain("interactions", "threads", "seconds", "times faster"), None
    alone = {one[:3]: one.seconds for one in measurements if one.n_threads == 1}
    for one in measurements:
        of_one = alone[one[:3]]
        faster = "" if of_one is None or one.seconds is None else f"{of_one / one.seconds:.2f}"
        _add(table, one, last, f"{one.n_interactions:,}", str(one.n_threads), _seconds(one), faster)
        last = one.operation, one.library
    return table


def _plain(*numbers: str) -> Table:
    from rich.table import Table

    table = Table("operation", "library")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("note")
    return table


def _add(table: Table, one: Measurement, last: tuple[str, str] | None, *numbers: str) -> None:
    from rich.markup import escape

    if last is not None and last[0] != one.operation:
        table.add_section()
    names = (one.operation, one.library) if last is None else (
        "" if last[0] == one.operation else one.operation, "" if last == one[:2] else one.library)  # fmt: skip
    table.add_row(*names, *numbers, escape(one.note))


def _seconds(one: Measurement) -> str:
    return "" if one.seconds is None else f"{one.seconds:.3g}"


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
