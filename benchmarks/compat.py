"""The drop-in for implicit beside implicit: the same calls, with the same answers, in interleaved pairs.

    python benchmarks/compat.py                                      # gowalla, all cases: ten minutes
    python benchmarks/compat.py --case recommend_all --threads 2 --pairs 5
    python benchmarks/compat.py --overhead                           # what the layer costs; needs no implicit

"ratio" is how many times longer implicit takes; what follows says how far the answers are apart. With --overhead the
second call is fastrec's own on the same arrays, and what the drop-in takes beyond it is the layer's.
"""

import argparse
import functools
import io
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import real_data
import scipy.sparse as sp

import fastrec
from fastrec import _threads
from fastrec.cli.bench import machine
from fastrec.cli.bench.pairs import Job, interleaved

ONE_BY_ONE = 200  # small calls: their sum is long enough to be timed


class Case(NamedTuple):
    """A call that is made with the drop-in and with the library."""

    prepare: Callable[[Any, sp.csr_matrix, int], Callable[[], Any]]  # of a library: what is timed
    apart: Callable[[Any, Any], str]


def als(library: Any, n_factors: int, n_threads: int, **options: Any) -> Any:
    return library.als.AlternatingLeastSquares(
        n_factors, 0.1, random_state=0, num_threads=n_threads, use_gpu=False, **options
    )


def fit_als(library: Any, user_items: sp.csr_matrix, n_threads: int, *, n_factors: int, **options: Any) -> Any:
    def fit() -> Any:
        model = als(library, n_factors, n_threads, **options)
        model.fit(user_items, show_progress=False)
        return model.user_factors, model.item_factors

    return fit


@functools.cache
def trained(n_factors: int, n_threads: int) -> bytes:
    """A model of the drop-in to serve, for both to load."""
    from fastrec.compat import implicit

    model, file = als(implicit, n_factors, n_threads, iterations=3), io.BytesIO()
    model.fit(loaded(), show_progress=False)
    model.save(file)
    return file.getvalue()


def served(library: Any, n_factors: int, n_threads: int) -> Any:
    return library.cpu.als.AlternatingLeastSquares.load(io.BytesIO(trained(n_factors, n_threads)))


def recommend_all(library: Any, user_items: sp.csr_matrix, n_threads: int) -> Any:
    model, users = served(library, 64, n_threads), np.arange(user_items.shape[0])
    return lambda: model.recommend(users, user_items, N=20)


def recommend_one(library: Any, user_items: sp.csr_matrix, n_threads: int) -> Any:
    model, rows = served(library, 64, n_threads), [user_items[user] for user in range(ONE_BY_ONE)]
    return lambda: _stacked(model.recommend(user, row, N=20) for user, row in enumerate(rows))


def similar_items(library: Any, user_items: sp.csr_matrix, n_threads: int) -> Any:
    model, items = served(library, 64, n_threads), np.arange(min(5_000, user_items.shape[1]))
    return lambda: model.similar_items(items, N=20)


def similar_item(library: Any, user_items: sp.csr_matrix, n_threads: int) -> Any:
    model = served(library, 64, n_threads)
    return lambda: _stacked(model.similar_items(item, N=20) for item in range(ONE_BY_ONE))


def fit_cosine(library: Any, user_items: sp.csr_matrix, n_threads: int) -> Any:
    counts = user_items.astype(np.float64)

    def fit() -> Any:
        model = library.nearest_neighbours.CosineRecommender(K=100, num_threads=n_threads)
        model.fit(counts, show_progress=False)
        return model.similarity

    return fit


@functools.cache
def neighbours(n_threads: int) -> sp.csr_matrix:
    """Similarities to serve, of the drop-in, for both: where they tie, which of them are kept is open."""
    from fastrec.compat import implicit

    model = implicit.nearest_neighbours.CosineRecommender(K=100, num_threads=n_threads)
    model.fit(loaded().astype(np.float64), show_progress=False)
    return model.similarity.sorted_indices()


def recommend_by_cosine(library: Any, user_items: sp.csr_matrix, n_threads: int) -> Any:
    model, rows = library.nearest_neighbours.CosineRecommender(K=100, num_threads=n_threads), user_items.astype(float)
    model.__setstate__({**model.__getstate__(), "similarity": neighbours(n_threads)})
    users = np.arange(user_items.shape[0])
    return lambda: model.recommend(users, rows, N=20)


def fit_bpr(library: Any, user_items: sp.csr_matrix, n_threads: int) -> Any:
    def fit() -> Any:
        model = library.bpr.BayesianPersonalizedRanking(
            63, iterations=5, random_state=0, num_threads=n_threads, use_gpu=False
        )
        model.fit(user_items, show_progress=False)

    return fit


def evaluate(library: Any, user_items: sp.csr_matrix, n_threads: int) -> Any:
    import importlib

    evaluation = importlib.import_module(f"{library.__name__}.evaluation")
    model = served(library, 64, n_threads)
    train, test = evaluation.train_test_split(user_items, random_state=0)
    return lambda: evaluation.ranking_metrics_at_k(model, train, test, K=20, show_progress=False)


def _stacked(answers: Any) -> Any:
    return tuple(np.array(part) for part in zip(*answers, strict=True))


def scores_apart(ours: Any, theirs: Any) -> str:
    """Largest difference of scores that both ranked, and which part of the ids is the same."""
    ranked = (ours[0] >= 0) & (theirs[1] > np.finfo(np.float32).min)
    return f"scores {np.abs(ours[1] - theirs[1])[ranked].max():.0e}, ids {(ours[0] == theirs[0])[ranked].mean():.2%}"


def scores_reconstructed_apart(ours: Any, theirs: Any) -> str:
    users = np.random.default_rng(0).permutation(len(ours[0]))[:500]
    mine, other = (factors[0][users] @ factors[1].T for factors in (ours, theirs))
    return f"scores {np.abs(mine - other).max():.0e} of {np.abs(other).max():.2g}"


def matrices_apart(ours: Any, theirs: Any) -> str:
    return f"values {abs(np.sort(ours.data) - np.sort(theirs.data[theirs.data != 0])).max():.0e}"


def metrics_apart(ours: Any, theirs: Any) -> str:
    return f"{max(abs(ours[name] - theirs[name]) for name in theirs):.0e}"


CASES = {
    "fit_als_cg_128": Case(functools.partial(fit_als, n_factors=128, iterations=5), scores_reconstructed_apart),
    "fit_als_cholesky_128": Case(
        functools.partial(fit_als, n_factors=128, iterations=3, use_cg=False), scores_reconstructed_apart
    ),
    "recommend_all": Case(recommend_all, scores_apart),
    "recommend_one": Case(recommend_one, scores_apart),
    "similar_items": Case(similar_items, scores_apart),
    "similar_item": Case(similar_item, scores_apart),
    "fit_cosine": Case(fit_cosine, matrices_apart),
    "recommend_by_cosine": Case(recommend_by_cosine, scores_apart),
    "fit_bpr": Case(fit_bpr, lambda ours, theirs: ""),
    "evaluate": Case(evaluate, metrics_apart),
}


@functools.cache
def loaded(name: str = "") -> sp.csr_matrix:
    return sp.csr_matrix(real_data.matrix(name or loaded.name))  # type: ignore[attr-defined]


def beside_the_library(names: list[str], n_threads: int, n_pairs: int) -> None:
    import implicit

    from fastrec.compat import implicit as drop_in

    for name in names:
        case = CASES[name]
        ours, theirs = (case.prepare(library, loaded(), n_threads) for library in (drop_in, implicit))
        apart = case.apart(ours(), theirs())
        around = functools.partial(machine.limited, n_threads, one_blas_thread=True)
        pairs = interleaved(Job(ours), Job(theirs, around), n_pairs)
        (ratio, low, high), (mine, other) = pairs.ratio(), pairs.medians
        print(
            f"{name:22} {mine:9.4f} s  {other:9.4f} s  ratio {ratio:6.2f} ({low:.2f}-{high:.2f})  {apart}", flush=True
        )


def own_calls(user_items: sp.csr_matrix, n_threads: int) -> dict[str, Callable[[], Any]]:
    """What fastrec itself is asked for by some of the cases."""
    from fastrec.compat import implicit

    model, counts = served(implicit, 64, n_threads), user_items.astype(np.float64)
    users, items = model.user_factors, model.item_factors
    seen = [user_items[user].indices for user in range(ONE_BY_ONE)]
    index = fastrec.ItemIndex(items, metric="cosine")
    return {
        "fit_als_cg_128": lambda: fastrec.ImplicitALS(
            128, regularization=0.1, alpha=0.0, n_epochs=5, random_state=0, n_threads=n_threads
        ).fit(user_items),
        "recommend_all": lambda: fastrec.top_k_inner_product(users, items, 20, exclude=user_items, n_threads=n_threads),
        "recommend_one": lambda: [
            fastrec.top_k_inner_product(users[user : user + 1], items, 20, exclude=ids, n_threads=n_threads)
            for user, ids in enumerate(seen)
        ],
        "similar_item": lambda: [
            index.top_k(items[item : item + 1], 20, n_threads=n_threads) for item in range(ONE_BY_ONE)
        ],
        "fit_cosine": lambda: fastrec.item_similarity(counts, 100, keep_diagonal=True, n_threads=n_threads),
    }


def beside_fastrec(names: list[str], n_threads: int, n_pairs: int) -> None:
    from fastrec.compat import implicit as drop_in

    for name, own in own_calls(loaded(), n_threads).items():
        if name not in names:
            continue
        call = CASES[name].prepare(drop_in, loaded(), n_threads)
        call(), own()
        pairs = interleaved(Job(call), Job(own), n_pairs)
        beyond = np.median(pairs.seconds[:, 0] - pairs.seconds[:, 1])
        n_calls = ONE_BY_ONE if name in ("recommend_one", "similar_item") else 1
        mine, other = pairs.medians
        layer = f"layer {beyond / other:7.2%} {beyond / n_calls * 1e6:9.1f} us a call"
        print(f"{name:22} {mine:9.4f} s  {other:9.4f} s  {layer}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="gowalla")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--overhead", action="store_true")
    asked = parser.parse_args()
    n_threads = _threads.resolve(asked.threads)
    machine.set_thread_variables(n_threads)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    loaded.name = asked.data  # type: ignore[attr-defined]
    measure = beside_fastrec if asked.overhead else beside_the_library
    measure(asked.case or list(CASES), n_threads, asked.pairs)


if __name__ == "__main__":
    main()
