"""The job ``fastrec bench``: answers of other libraries compared with fastrec's, then times; growth; thread scaling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fastrec.cli.bench import chart, compare, data, growth, machine, records, table
from fastrec.cli.bench.growth import Measurement
from fastrec.cli.bench.operations import Sizes
from fastrec.cli.bench.records import Record

_WIDTH = 180  # of a table that goes to a file


def compare_with_peers(
    *,
    data_name: str | None,
    operations: Collection[str],
    peers: Collection[str],
    sizes: Sizes,
    n_threads: int,
    n_pairs: int,
    json: Path | None,
    picture: Path | None,
) -> bool:
    """Compare fastrec with other libraries on one set of data and print the table.

    Returns
    -------
    bool
        Whether all answers agree.
    """
    if picture is not None:
        chart.needs(picture)
    if json is not None:
        records.check_writable(json, "json")
    compare.check_known(operations, peers)
    machine.set_thread_variables(n_threads)
    name = data_name or ("gowalla" if "gowalla" in data.files_by_name() else "medium")
    user_items = data.load(name)
    n_users, n_items = user_items.shape
    sizes = sizes._replace(k=min(sizes.k, n_items))
    record = Record(
        machine.facts(n_threads),
        {"name": Path(name).name, "n_users": n_users, "n_items": n_items, "n_interactions": int(user_items.nnz)},
        {**sizes._asdict(), "n_pairs": n_pairs},
        outcomes=[],
    )
    running = compare.compare(
        user_items, operations=operations, peers=peers, sizes=sizes, n_threads=n_threads, n_pairs=n_pairs
    )
    progress = Console(stderr=True)
    with progress.status("inputs, fastrec") as status:
        for outcome in running:
            record = record._replace(outcomes=[*record.outcomes, outcome])
            said = outcome.agreement.text if outcome.agreement else outcome.note
            progress.print(f"{outcome.operation}, {outcome.peer}: {said}", style="dim", markup=False, highlight=False)
            status.update("next")
            if json is not None:
                records.write(record, json)
    if not record.outcomes:
        raise ValueError("operation and peers: expected a peer that does such an operation, got none.")
    return _show([record], picture)


def draw(files: Sequence[Path], picture: Path | None) -> bool:
    """Print, and draw, what earlier comparisons wrote.

    Returns
    -------
    bool
        Whether all answers agreed.
    """
    if picture is not None:
        chart.needs(picture)
    return _show([records.read(file) for file in files], picture)


def _show(found: Sequence[Record], picture: Path | None) -> bool:
    console = _console()
    machine_of_all = records.common_machine(found)
    for record in found:
        console.print(table.of_outcomes(record.outcomes))
        console.print(record.describe_data(), markup=False, highlight=False)
    console.print(machine.describe(machine_of_all), markup=False, highlight=False)
    wrong = [
        outcome
        for record in found
        for outcome in record.outcomes
        if outcome.agreement is not None and not outcome.agreement.agrees
    ]
    for outcome in wrong:
        text = f"MISMATCH in {outcome.operation} with {outcome.peer}: {outcome.agreement and outcome.agreement.text}"
        console.print(text, style="bold red", markup=False)
    if picture is not None:
        chart.draw(found, picture)
    return not wrong


def grow(
    millions: Sequence[float],
    *,
    by_threads: bool,
    operations: Collection[str],
    peers: Collection[str],
    sizes: Sizes,
    n_threads: int,
    limit: float,
    json: Path | None,
) -> None:
    """Measure seconds and memory as the data grow or, of fastrec alone, seconds as the threads do."""
    if json is not None:
        records.check_writable(json, "json")
    machine.set_thread_variables(n_threads)
    asked: dict[str, Any] = {"operations": operations, "sizes": sizes, "n_threads": n_threads, "limit": limit}
    running: Iterator[Measurement]
    as_table: Callable[[list[Measurement]], Table]
    if by_threads:
        running, as_table = growth.scale(millions, **asked), table.of_scaling
    else:
        running, as_table = growth.grow(millions, peers=peers, **asked), table.of_growth
    measured = []
    for one in running:
        measured.append(one)
        said = one.note if one.seconds is None else f"{one.seconds:.3g} s"
        name = f"{one.operation}, {one.library}, {one.n_interactions:,} interactions, {one.n_threads} threads"
        print(f"{name}: {said}", file=sys.stderr, flush=True)
        if json is not None:
            records.replace_text(json, growth.as_json(measured, n_threads) + "\n")
    console = _console()
    console.print(as_table(measured))
    console.print(machine.describe(machine.facts(n_threads)), markup=False, highlight=False)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH)
