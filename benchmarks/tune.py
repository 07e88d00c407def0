"""The highest recall of ImplicitALS on gowalla within an hour of two cores, tuned without a look at the test part.

    python benchmarks/tune.py                    # choose the settings, fit, and one look at the test part
    python benchmarks/tune.py --most-factors 512 # minutes

A fifth of the training interactions is hidden, and settings are judged by the recall of those. The weight of what is
unseen and the penalty are drawn at random; then the number of factors is doubled, and each time the best quarter of the
settings stays, and the best once more with a larger penalty, of which more factors bear more. What is best with most
factors is fitted on the whole training part.
"""

import argparse
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from quality import split

import fastrec
from fastrec.evaluation import ndcg_at_k, recall_at_k

N_DRAWS = 16
LEAST_FACTORS = 512
N_EPOCHS = 8
HIDDEN = 0.2


class Settings(NamedTuple):
    """The weight of a pair without an interaction, where one with it weighs 1, and the penalty by weight of the row."""

    unobserved_weight: float
    regularization: float


def draws() -> Iterator[Settings]:
    random = np.random.default_rng(0)
    for _ in range(N_DRAWS):
        yield Settings(10 ** random.uniform(-2.5, -1.5), 10 ** random.uniform(-3.0, -2.0))


def measured(n_factors: int, settings: Settings, train: Any, test: Any, k: int) -> tuple[float, float]:
    """Recall and NDCG; printed."""
    began = time.perf_counter()
    model = fastrec.ImplicitALS(
        n_factors, alpha=0.0, **settings._asdict(), regularization_exponent=1.0, n_epochs=N_EPOCHS, tol=1e-3,
        random_state=0,
    ).fit(train)  # fmt: skip
    items = model.recommend(np.arange(train.shape[0]), train, k).items
    found = recall_at_k(items, test, k), ndcg_at_k(items, test, k)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in settings._asdict().items())
    took = time.perf_counter() - began
    print(
        f"{n_factors:5} factors, {shown:50} Recall@{k} {found[0]:.5f} NDCG@{k} {found[1]:.5f} {took:6.1f} s", flush=True
    )
    return found


def tune(most_factors: int) -> None:
    task = split("gowalla")
    seen = task.train.tocoo()
    hidden = np.random.default_rng(0).random(seen.nnz) < HIDDEN
    part, rest = (
        sp.csr_matrix((seen.data[chosen], (seen.row[chosen], seen.col[chosen])), seen.shape)
        for chosen in (~hidden, hidden)
    )
    candidates, n_factors = list(draws()), min(LEAST_FACTORS, most_factors)
    while True:
        print(f"{len(candidates)} settings, on a part of the training interactions:")
        scores = {each: measured(n_factors, each, part, rest, task.k)[0] for each in candidates}
        best = sorted(candidates, key=scores.__getitem__, reverse=True)
        if n_factors >= most_factors:
            break
        candidates = best[: max(2, len(best) // 4)]
        candidates.append(best[0]._replace(regularization=1.5 * best[0].regularization))
        n_factors = min(2 * n_factors, most_factors)
    print("the best of them on all training interactions, and the test part:")
    measured(n_factors, best[0], task.train, task.test, task.k)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most-factors", type=int, default=2048)
    tune(parser.parse_args().most_factors)
