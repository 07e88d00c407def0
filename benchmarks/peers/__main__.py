"""fastrec against other libraries, on the same data, in interleaved pairs, with the same number of threads.

    python benchmarks/peers                                        # gowalla if there is such data, else synthetic
    python benchmarks/peers --data mtg_decks --operation item_similarity --threads 2 --pairs 11
    python benchmarks/peers --operation implicit_als --peers implicit --peers rusket
    python benchmarks/peers --operation top_k_inner_product --n-factors 128 --k 100
    python benchmarks/peers --operation item_index_one_query --n-factors 128 --threads 1
    python benchmarks/peers --smoke                                # seconds; needs no other library

Needs `pip install ".[bench,peers]"`; a peer that is not installed is skipped. Real data: a folder of NAME.npz files in
FASTREC_DATA, or ../shared/data beside the checkout. The answers are compared first, and times are taken only where they
agree; a mismatch makes the exit status 1. "ratio" is how many times longer the peer takes.
"""

import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
    from rich.console import Console
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is missing: pip install 'fastrec[bench]'.")

from fastrec import _threads
from fastrec.cli.bench import compare, data, machine, table
from fastrec.cli.bench.operations import DEFAULT_SIZES, Sizes

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PACKAGES = ("implicit", "rusket", "irspack", "cmfrec", "similaripy", "sparse_dot_topn", "faiss-cpu", "scann-core",
            "threadpoolctl")  # fmt: skip


def main(
    data_name: Annotated[str | None, typer.Option("--data", help="A file's name, or small, medium, large.")] = None,
    operation: Annotated[list[str] | None, typer.Option(help="Repeat for several. Default: all.")] = None,
    peers: Annotated[list[str] | None, typer.Option(help="Repeat for several. Default: all.")] = None,
    n_factors: Annotated[int, typer.Option(min=1, help="Of ALS, and of what is searched.")] = DEFAULT_SIZES.n_factors,
    k: Annotated[int, typer.Option("--k", min=1, help="Length of the rankings.")] = DEFAULT_SIZES.k,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="For everybody. Default: all cores.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Times that each side is run.")] = 7,
    smoke: Annotated[bool, typer.Option("--smoke", help="Small data, two pairs: does it all still run?")] = False,
) -> None:
    """Compare fastrec with other libraries: answers first, then times."""
    n_threads = _threads.resolve(threads)
    machine.set_thread_variables(n_threads)
    console = Console(width=None if sys.stdout.isatty() else 180)
    try:
        name, user_items = "small", data.load("small")
        if not smoke:
            name, user_items = load(data_name)
        n_pairs = 2 if smoke else pairs
        sizes = Sizes(n_factors, k)
        running = compare.compare(
            user_items,
            operations=operation or (),
            peers=peers or (),
            sizes=sizes,
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


def load(name: str | None) -> tuple[str, "data.csr_array"]:
    if name is not None:
        return name, data.load(name, SHARED)
    try:
        return "gowalla", data.load("gowalla", SHARED)
    except ValueError:
        return "medium", data.load("medium")


if __name__ == "__main__":
    typer.run(main)
