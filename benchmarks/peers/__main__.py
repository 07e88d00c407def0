"""fastrec against other libraries, on the same data, in interleaved pairs, with the same number of threads.

    python benchmarks/peers                                        # gowalla if there is such data, else synthetic
    python benchmarks/peers --data mtg_decks --operation item_similarity --threads 2 --pairs 11
    python benchmarks/peers --operation implicit_als --peers implicit --peers rusket
    python benchmarks/peers --operation top_k_inner_product --n-factors 128 --k 100
    python benchmarks/peers --operation item_index_one_query --n-factors 128 --threads 1
    python benchmarks/peers --smoke                                # seconds; needs no other library
    python benchmarks/peers --growth --operation item_similarity --sizes 1,3,10,30 --limit 600 --json growth.json
    python benchmarks/peers --thread-scaling --sizes 3             # fastrec alone, at 1, 2, 4, ... threads

Needs `pip install ".[bench,peers]"`; a peer that is not installed is skipped. Real data: a folder of NAME.npz files in
FASTREC_DATA, or ../shared/data beside the checkout. The answers are compared first, and times are taken only where they
agree; a mismatch makes the exit status 1. "ratio" is how many times longer the peer takes.

--growth and --thread-scaling draw sets of so many million interactions by Zipf's law, measure every library in a
process of its own, and compare no answers. "peak" is memory beyond the inputs; "exponent" is the power of the
interactions that seconds grow by.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

try:
    import typer
    from rich.console import Console
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is missing: pip install 'fastrec[bench]'.")

from fastrec import _threads
from fastrec.cli.bench import compare, data, growth, machine, table
from fastrec.cli.bench.operations import DEFAULT_SIZES, Sizes

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PACKAGES = ("implicit", "rusket", "irspack", "cmfrec", "similaripy", "sparse_dot_topn", "faiss-cpu", "scann-core",
            "lightfm-next", "threadpoolctl")  # fmt: skip


def main(
    data_name: Annotated[str | None, typer.Option("--data", help="A file's name, or small, medium, large.")] = None,
    operation: Annotated[list[str] | None, typer.Option(help="Repeat for several. Default: all.")] = None,
    peers: Annotated[list[str] | None, typer.Option(help="Repeat for several. Default: all.")] = None,
    n_factors: Annotated[int, typer.Option(min=1, help="Of ALS, and of what is searched.")] = DEFAULT_SIZES.n_factors,
    k: Annotated[int, typer.Option("--k", min=1, help="Length of the rankings.")] = DEFAULT_SIZES.k,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="For everybody. Default: all cores.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Times that each side is run.")] = 7,
    smoke: Annotated[bool, typer.Option("--smoke", help="Small data, two pairs: does it all still run?")] = False,
    grow: Annotated[bool, typer.Option("--growth", help="Seconds and memory as the data grow.")] = False,
    scale: Annotated[bool, typer.Option("--thread-scaling", help="Seconds of fastrec as the threads grow.")] = False,
    sizes: Annotated[str, typer.Option(help="Million interactions, for these two.")] = "1,3,10,30",
    limit: Annotated[float, typer.Option(min=0, help="Seconds that a call may take, for these two; 0: any.")] = 600.0,
    json: Annotated[Path | None, typer.Option(help="Where to write what these two measure.")] = None,
) -> None:
    """Compare fastrec with other libraries: answers first, then times."""
    n_threads = _threads.resolve(threads)
    machine.set_thread_variables(n_threads)
    console = Console(width=None if sys.stdout.isatty() else 180)
    if grow or scale:
        asked = {"operations": operation or (), "sizes": Sizes(n_factors, k), "n_threads": n_threads, "limit": limit}
        try:
            millions = [float(size) for size in sizes.split(",")]
            running = growth.grow(millions, peers=peers or (), **asked) if grow else growth.scale(millions, **asked)
            report(console, running, table.of_growth if grow else table.of_scaling, json)
        except ValueError as error:
            console.print(str(error), style="red", markup=False)
            raise typer.Exit(2) from None
        console.print(machine.describe(n_threads, PACKAGES), markup=False, highlight=False)
        return
    try:
        name, user_items = "small", data.load("small")
        if not smoke:
            name, user_items = load(data_name)
        n_pairs = 2 if smoke else pairs
        running = compare.compare(
            user_items,
            operations=operation or (),
            peers=peers or (),
            sizes=Sizes(n_factors, k),
            n_threads=n_threads,
            n_pairs=n_pairs,
        )
    except ValueError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None

    outcomes = []
    progress = Console(stderr=True)
    with progress.status("inputs, fastrec") as status:
        for outcome in running:
            outcomes.append(outcome)
            said = outcome.agreement.text if outcome.agreement else outcome.note
            progress.print(f"{outcome.operation}, {outcome.peer}: {said}", style="dim", markup=False, highlight=False)
            status.update("next")
    n_users, n_items = user_items.shape
    console.print(table.of_outcomes(outcomes))
    console.print(
        f"{name}: {n_users:,} users x {n_items:,} items, {user_items.nnz:,} interactions; "
        f"{n_factors} factors, k = {k}; {n_pairs} pairs"
    )
    console.print(machine.describe(n_threads, PACKAGES), markup=False, highlight=False)

    wrong = [outcome for outcome in outcomes if outcome.agreement is not None and not outcome.agreement.agrees]
    for outcome in wrong:
        text = f"MISMATCH in {outcome.operation} with {outcome.peer}: {outcome.agreement.text}"
        console.print(text, style="bold red", markup=False)
    raise typer.Exit(1 if wrong else 0)


def report(
    console: Console, running: Iterator[growth.Measurement], as_table: Callable[..., Any], json: Path | None
) -> None:
    """Say what is measured as it is known, and in the end all of it."""
    measured = []
    for one in running:
        measured.append(one)
        said = one.note if one.seconds is None else f"{one.seconds:.3g} s"
        name = f"{one.operation}, {one.library}, {one.n_interactions:,} interactions, {one.n_threads} threads"
        print(f"{name}: {said}", file=sys.stderr, flush=True)
        if json is not None:
            json.write_text(growth.as_json(measured) + "\n")
    console.print(as_table(measured))


def load(name: str | None) -> tuple[str, "data.csr_array"]:
    if name is not None:
        return name, data.load(name, SHARED)
    try:
        return "gowalla", data.load("gowalla", SHARED)
    except ValueError:
        return "medium", data.load("medium")


if __name__ == "__main__":
    typer.run(main)
