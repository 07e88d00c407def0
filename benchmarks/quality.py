"""Quality of fastrec beside peers with the same settings, and beside published tables.

    python benchmarks/quality.py                                     # gowalla: Recall@20, NDCG@20; half an hour
    python benchmarks/quality.py --data ml_1m                        # leave-one-out, 99 negatives: HR@10, NDCG@10
    python benchmarks/quality.py --data ml_100k                      # RMSE on a fifth of the ratings, beside cmfrec
    python benchmarks/quality.py --data ml_100k --model biased_mf    # 5-fold RMSE as published; seconds
    python benchmarks/quality.py --data gowalla --model "EASE"       # those with this in their names; 9.6 GiB
    python benchmarks/quality.py --tune 2048                         # ImplicitALS, up to so many factors; 18 minutes
    python benchmarks/quality.py --blocks 1 16                       # BPR, WARP, BiasedMF: blocks; minutes
    python benchmarks/quality.py --weights 0 .5 1 --data ml_1m       # BPR: users' weights, any data; minutes
    python benchmarks/quality.py --epochs 10 20                      # BPR, WARP beside rusket, LightFM; some minutes

gowalla is the LightGCN split: fit on the training part, every user's unseen items ranked. ml_1m is that of the NCF
paper: one item of every user is hidden, and ranked among 99 that the user never had. implicit's cell of value c weighs
alpha c where ours weighs 1 + alpha r, so alpha = 0 here is its alpha = 1 on binary data; its neighbours count the item
itself.

Published: gowalla, the BARS leaderboard (Zhu et al. 2022); ml_1m, Ferrari Dacrema et al., "A troubling analysis of
reproducibility and progress in recommender systems research", 2021, whose elastic nets have scikit-learn's alpha and
l1_ratio. Its ItemKNN and, after the best of every row, its P3alpha and RP3beta keep neighbours for the item that is
scored, where ours keep those of the items that a user has: the similarity is changed after the fit. BM25 weighs for the
similarity only. ml_100k, five folds, the table of Surprise (Hug 2020): predictions are clipped to the scale, and its
baseline solves for the biases alternately, with penalties of its own.

Tuning looks at the training part alone, a fifth of which is hidden, and settings are judged by the recall of those
interactions. The weight of what is unseen and the penalty are drawn at random; then the number of factors is doubled,
and each time the best quarter of the settings stays, and the best once more with a larger penalty, of which more
factors bear more. What is best with most factors is fitted on all of it, and looked at once with the test part.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import real_data
import scipy.sparse as sp

import fastrec
from fastrec import _blocks
from fastrec.cli.bench.peers.gradient import lightfm_warp, rusket_bpr
from fastrec.evaluation import ndcg_at_k, recall_at_k, rmse

PUBLISHED = "gowalla", "ml_1m", "ml_100k"
SEEDS = 3  # of --blocks, --weights and --epochs
DRAWS, LEAST_FACTORS, TUNED_EPOCHS = 16, 512, 8  # of --tune
HIDDEN = 0.2  # of the training part, for --tune, or of all, for --weights


class Task(NamedTuple):
    """What models learn from, what they have to find, and among what."""

    train: sp.csr_matrix
    test: sp.csr_matrix
    candidates: sp.csr_matrix | None
    k: int


class Trial(NamedTuple):
    """A model, and what was published of it: recall (the hit rate, where one item is hidden) and NDCG."""

    name: str
    rank: Callable[[Task], Any]
    published: str = ""


def split(name: str) -> Task:
    """A data set with a published split, with ones."""
    with real_data.fields(name) as file:
        shape = int(file["n_users"]), int(file["n_items"])
        train, test = (_ones(file["user"][chosen], file["item"][chosen], shape)
                       for chosen in (file["split"] == 0, file["split"] == 1))  # fmt: skip
        if "neg" not in file:
            return Task(train, test, None, 20)
        others = file["neg"]
    users = np.repeat(np.arange(shape[0]), others.shape[1])
    return Task(train, test, test + _ones(users, others.ravel(), shape), 10)


def _ones(users: Any, items: Any, shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=shape)


def ours(model: Any, change: Callable[[Any], Any] | None = None) -> Callable[[Task], Any]:
    """A model of ours, of which the similarity may be changed after the fit."""

    def rank(task: Task) -> Any:
        users = np.arange(task.train.shape[0])
        model.fit(task.train)
        if change is not None:
            model.similarity_ = change(model.similarity_)
        return model.recommend(users, task.train, task.k, candidates=task.candidates).items

    return rank


def recall_and_ndcg(rank: Callable[[Task], Any], task: Task) -> tuple[float, float]:
    items = rank(task)
    return recall_at_k(items, task.test, task.k), ndcg_at_k(items, task.test, task.k)


def of_the_scored(similarity: Any) -> Any:
    """The neighbours of the item that is scored count, not those of the items that the user has."""
    return sp.csr_array(similarity.T)


def best_of_columns(k: int, *, shares: bool = False) -> Callable[[Any], Any]:
    """Of what every item kept, as shares of its sum or as it is, the ``k`` best for every item that is scored."""

    def change(similarity: Any) -> Any:
        columns = (fastrec.normalize(similarity, norm="l1") if shares else similarity).T.tocsr()
        best = fastrec.top_k(columns, k)
        scored, place = np.nonzero(best.items >= 0)
        return sp.csr_array((best.scores[scored, place], (best.items[scored, place], scored)), columns.shape)

    return change


def centred_item_knn(task: Task) -> Any:
    """BARS: the neighbours of the item that is scored, as shares of their sum, on rows less the items' means."""
    shares = fastrec.normalize(fastrec.item_similarity(task.train, 100), norm="l1")
    means = np.asarray(task.train.mean(axis=0)).ravel()
    found = []
    for first in range(0, task.train.shape[0], 1000):
        rows = task.train[first : first + 1000]
        scores = (rows @ shares.T).toarray() + np.float32(means - shares @ means)
        scores[rows.nonzero()] = np.nan
        found.append(fastrec.top_k(scores, task.k).items)
    return np.concatenate(found)


def theirs(path: str, *arguments: Any, **options: Any) -> Callable[[Task], Any]:
    """A model of implicit, which is imported when it is asked for."""

    def rank(task: Task) -> Any:
        module, name = path.rsplit(".", 1)
        model = getattr(importlib.import_module(f"implicit.{module}"), name)(*arguments, **options)
        model.fit(task.train, show_progress=False)
        return model.recommend(np.arange(task.train.shape[0]), task.train, N=task.k)[0]

    return rank


def slim(n_users: int, alpha: float, l1_ratio: float, k: int | None = None) -> fastrec.SLIM:
    """By the mean of the squared errors, as scikit-learn has it."""
    return fastrec.SLIM(n_users * alpha * l1_ratio, n_users * alpha * (1 - l1_ratio), k=k)


def gowalla(n_users: int) -> Iterator[Trial]:
    yield Trial("fastrec ItemKNN(100)", ours(fastrec.ItemKNN(100)))
    yield Trial("neighbours of the scored item, 100, centred", centred_item_knn, ".15699 .12136")
    yield Trial("implicit CosineRecommender(K=101)", theirs("nearest_neighbours.CosineRecommender", K=101))
    for seed in (0, 1):
        als = fastrec.ImplicitALS(64, alpha=0.0, regularization=0.01, n_epochs=15, random_state=seed)
        yield Trial(f"fastrec ImplicitALS(64), seed {seed}", ours(als))
        cholesky = {"regularization": 0.01, "alpha": 1.0, "iterations": 15, "use_cg": False}
        als = theirs("cpu.als.AlternatingLeastSquares", 64, **cholesky, random_state=seed)
        yield Trial(f"implicit AlternatingLeastSquares(64), Cholesky, seed {seed}", als)
        lmf = fastrec.LogisticMF(random_state=seed)
        yield Trial(f"fastrec LogisticMF(64), seed {seed}", ours(lmf))
        lmf = theirs("cpu.lmf.LogisticMatrixFactorization", 64, iterations=30, random_state=seed)
        yield Trial(f"implicit LogisticMatrixFactorization(64), seed {seed}", lmf)
    yield Trial(
        "fastrec SLIM, alpha .005, l1_ratio 1e-6, k 100", ours(slim(n_users, 0.005, 1e-6, 100)), ".16988 .13822"
    )
    yield Trial("fastrec EASE(80)", ours(fastrec.EASE(80.0)), ".17649 .14666")


def ml_1m(n_users: int) -> Iterator[Trial]:
    yield Trial("fastrec Popularity", ours(fastrec.Popularity()), ".4533 .2542")
    yield Trial("fastrec PureSVD(52)", ours(fastrec.PureSVD(52, random_state=0)), ".6937 .4303")
    knn = fastrec.ItemKNN(111, weighting="bm25", shrinkage=298.0)
    yield Trial("fastrec ItemKNN(111), BM25, shrinkage 298, of the scored", ours(knn, of_the_scored), ".6694 .3979")
    walk = fastrec.P3alpha(1000, alpha=1.2177)
    yield Trial("fastrec P3alpha(1000), alpha 1.2177, columns too", ours(walk, best_of_columns(1000)), ".6460 .3876")
    walk = fastrec.RP3beta(546, alpha=1.0807, beta=0.7029)
    chosen = best_of_columns(546, shares=True)
    yield Trial("fastrec RP3beta(546), alpha 1.0807, beta .7029, shares", ours(walk, chosen), ".6758 .4011")
    found = slim(n_users, 0.0788, 1.19e-5, 544)
    yield Trial("fastrec SLIM, alpha .0788, l1_ratio 1.19e-5, k 544", ours(found), ".7162 .4468")
    yield Trial("fastrec EASE(1320)", ours(fastrec.EASE(1320.0)), ".7192 .4494")


def held_out(name: str) -> tuple[sp.csr_matrix, Any, Any, Any]:
    """Ratings to learn from, and users, items and ratings of a fifth that is held out."""
    with real_data.fields(name) as file:
        shape = int(file["n_users"]), int(file["n_items"])
        users, items, values = (file[field] for field in ("user", "item", "value"))
    hidden = np.random.default_rng(0).random(len(values)) < 0.2
    train = sp.csr_matrix((values[~hidden], (users[~hidden], items[~hidden])), shape=shape)
    return train, users[hidden], items[hidden], values[hidden]


def raters() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Pairs of a name and a function that fits and predicts."""

    def ours(train: Any, users: Any, items: Any, **options: Any) -> Any:
        return fastrec.ExplicitALS(64, random_state=0, **options).fit(train).predict(users, items)

    def theirs(train: Any, users: Any, items: Any) -> Any:
        import cmfrec

        model = cmfrec.CMF(k=64, lambda_=0.1, scale_lam=True, use_cg=False, niter=15, random_state=0)
        model.fit(sp.coo_matrix(train))
        rated = np.bincount(train.indices, minlength=train.shape[1]) > 0
        of_items = np.where(rated, model.item_bias_, 0)  # it leaves those of items without ratings as they were
        products = np.einsum("ij,ij->i", model.A_[users], np.where(rated[:, None], model.B_, 0)[items])
        return model.glob_mean_ + model.user_bias_[users] + of_items[items] + products

    def nmf(train: Any, users: Any, items: Any) -> Any:
        model = fastrec.NMF(15, unseen="unobserved", l2_regularization=8.0, random_state=0)
        return model.fit(train).predict(users, items)

    yield "fastrec ExplicitALS(64)", ours
    yield "cmfrec CMF(64, lambda_=.1, scale_lam), Cholesky", theirs
    yield "fastrec ExplicitALS(64, nonnegative)", lambda *given: ours(*given, nonnegative=True)
    yield "fastrec NMF(15), unobserved, l2 8", nmf
    yield "the mean of all ratings", lambda train, users, items: np.full(len(users), train.data.mean())


def five_folds() -> Iterator[tuple[str, fastrec.BiasedMF, float]]:
    """Names, models and the RMSE published."""
    yield "biased_mf, 100 factors", fastrec.BiasedMF(100, random_state=0), 0.934
    yield "biased_mf, baseline: biases alone", fastrec.BiasedMF(0, random_state=0), 0.944


def compare_rankings(name: str, model: str) -> None:
    task = split(name)
    print(f"{'':62} Recall@{task.k} NDCG@{task.k}  published")
    for trial in {"gowalla": gowalla, "ml_1m": ml_1m}[name](task.train.shape[0]):
        if model not in trial.name:
            continue
        if trial.name.startswith("implicit") and importlib.util.find_spec("implicit") is None:
            print(f"{trial.name:62} is not installed")
        else:
            recall, ndcg = recall_and_ndcg(trial.rank, task)
            print(f"{trial.name:62} {recall:9.5f} {ndcg:7.5f}  {trial.published}", flush=True)


def compare_ratings(name: str, model: str) -> None:
    train, *pairs, ratings = held_out(name)
    for rater, predict in raters():
        if model in rater:
            print(f"{rater:62} RMSE {rmse(predict(train, *pairs), ratings):.4f}", flush=True)


def cross_validate(name: str, model: str) -> None:
    with real_data.fields(name) as file:
        shape = int(file["n_users"]), int(file["n_items"])
        users, items, values = (file[field] for field in ("user", "item", "value"))
    fold = np.random.default_rng(0).permutation(len(values)) % 5
    for rater, estimator, published in five_folds():
        if model in rater:
            errors = []
            for hidden in (fold == number for number in range(5)):
                train = sp.csr_matrix((values[~hidden], (users[~hidden], items[~hidden])), shape=shape)
                predicted = estimator.fit(train).predict(users[hidden], items[hidden])
                errors.append(rmse(np.clip(predicted, values.min(), values.max()), values[hidden]))
            print(f"{rater:62} RMSE {np.mean(errors):.4f} of 5 folds, published {published}", flush=True)


# ---- by the number of blocks that descent goes through --------------------------------------------------------------


def orders(numbers: list[int]) -> Iterator[str]:
    """Descent goes through as many blocks as the data get, or others; and there each interaction is shuffled by itself.

    In one block that is the sequential order: all interactions in random order.
    """
    blocks_for, cell_of = _blocks.blocks_for, _blocks.Blocks._cell

    def shuffled_cell(self: Any, *at: int) -> tuple[Any, ...]:
        order, pairs, values, *others = cell_of(self, *at)
        each = np.random.default_rng(at).permutation(len(pairs))
        return order, pairs[each], values[each] if len(values) else values, *others

    for number in (None, *numbers):
        _blocks.blocks_for = blocks_for if number is None else lambda *_, number=number: number
        name = "blocks by the data" if number is None else f"{number} x {number} blocks"
        yield name
        _blocks.Blocks._cell = shuffled_cell
        yield f"{name}, each shuffled by itself"
        _blocks.Blocks._cell = cell_of
    _blocks.blocks_for = blocks_for


def compare_blocks(numbers: list[int]) -> None:
    task = split("gowalla")
    for estimator in (fastrec.BPR, fastrec.WARP):
        for order in orders(numbers):
            recall, ndcg = np.mean(
                [recall_and_ndcg(ours(estimator(random_state=n)), task) for n in range(SEEDS)], axis=0
            )
            name = f"{estimator.__name__}, {order}"
            print(f"{name:62} Recall@{task.k} {recall:.4f} NDCG@{task.k} {ndcg:.4f}, {SEEDS} seeds", flush=True)
    for order in orders(numbers):
        print(order)
        cross_validate("ml_100k", "100 factors")


# ---- by the weight of users' samples ---------------------------------------------------------------------------------


def weighted_by_users(train: sp.csr_matrix, power: float) -> sp.csr_matrix:
    """Ones as the number of their user's to the power -p, 1 in the mean."""
    lengths = np.diff(train.indptr)
    weights = np.where(lengths > 0, np.maximum(lengths, 1.0) ** -power, 0.0)
    return (sp.diags_array(weights * train.nnz / (weights @ lengths)) @ train).tocsr()


def compare_weights(name: str, powers: list[float]) -> None:
    """Samples that weigh as the number of their user's to the power -p, 1 in the mean, a fifth hidden."""
    with real_data.fields(name) as file:
        shape = int(file["n_users"]), int(file["n_items"])
        users, items = _ones(file["user"], file["item"], shape).nonzero()
    hidden = np.random.default_rng(0).random(len(users)) < HIDDEN
    train, test = (_ones(users[chosen], items[chosen], shape) for chosen in (~hidden, hidden))
    for power in powers:
        task = Task(weighted_by_users(train, power), test, None, 20)
        models = (fastrec.BPR(sample_weight="value", random_state=seed) for seed in range(SEEDS))
        recall, ndcg = np.mean([recall_and_ndcg(ours(model), task) for model in models], axis=0)
        print(f"{name}, power {power:<4} Recall@20 {recall:.4f} NDCG@20 {ndcg:.4f}, {SEEDS} seeds", flush=True)


# ---- beside peers, by the number of epochs ---------------------------------------------------------------------------


def of_peer(prepare: Any) -> Callable[[Task], Any]:
    """A model that `fastrec bench` compares with."""

    def rank(task: Task) -> Any:
        run = prepare({"user_items": task.train, "n_factors": 64}, 2)
        found = run.answer(run.call())
        return fastrec.top_k_inner_product(found.users, found.items, task.k, exclude=task.train).items

    return rank


def compare_epochs(numbers: list[int]) -> None:
    """The same rate, penalty and epochs for both; other samples, starts and orders for every seed."""
    task = split("gowalla")
    weighted = task._replace(train=weighted_by_users(task.train, 0.5))
    contenders = {
        "fastrec BPR": (task, lambda n, seed: ours(fastrec.BPR(n_epochs=n, random_state=seed))),
        "fastrec BPR, weights by the root of a user's number": (
            weighted,
            lambda n, seed: ours(fastrec.BPR(n_epochs=n, sample_weight="value", random_state=seed)),
        ),
        "rusket BPR": (task, lambda n, seed: of_peer(rusket_bpr(n, seed))),
        "fastrec WARP": (task, lambda n, seed: ours(fastrec.WARP(n_epochs=n, random_state=seed))),
        "lightfm WARP": (task, lambda n, seed: of_peer(lightfm_warp(n, seed))),
    }
    for n_epochs in numbers:
        for name, (given, model) in contenders.items():
            if importlib.util.find_spec(name.split()[0]) is None:
                print(f"{name:56} is not installed")
                continue
            found = [recall_and_ndcg(model(n_epochs, seed), given)[1] for seed in range(SEEDS)]
            each = ", ".join(f"{ndcg:.4f}" for ndcg in found)
            print(f"{name:56} {n_epochs} epochs, NDCG@{task.k} {np.mean(found):.4f} ({each})", flush=True)


# ---- ImplicitALS, tuned without a look at the test part --------------------------------------------------------------


class Settings(NamedTuple):
    """The weight of a pair without an interaction, where one with it weighs 1, and the penalty by weight of the row."""

    unobserved_weight: float
    regularization: float


def draws() -> Iterator[Settings]:
    random = np.random.default_rng(0)
    for _ in range(DRAWS):
        yield Settings(10 ** random.uniform(-2.5, -1.5), 10 ** random.uniform(-3.0, -2.0))


def measured(n_factors: int, settings: Settings, train: Any, test: Any, k: int) -> tuple[float, float]:
    """Recall and NDCG; printed."""
    began = time.perf_counter()
    model = fastrec.ImplicitALS(
        n_factors, alpha=0.0, **settings._asdict(), regularization_exponent=1.0, n_epochs=TUNED_EPOCHS, tol=1e-3,
        random_state=0,
    ).fit(train)  # fmt: skip
    items = model.recommend(np.arange(train.shape[0]), train, k).items
    found = recall_at_k(items, test, k), ndcg_at_k(items, test, k)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in settings._asdict().items())
    quality = f"Recall@{k} {found[0]:.5f} NDCG@{k} {found[1]:.5f}"
    print(f"{n_factors:5} factors, {shown:50} {quality} {time.perf_counter() - began:6.1f} s", flush=True)
    return found


def tune(most_factors: int) -> None:
    task = split("gowalla")
    seen = task.train.tocoo()
    hidden = np.random.default_rng(0).random(seen.nnz) < HIDDEN
    part, rest = (_ones(seen.row[chosen], seen.col[chosen], seen.shape) for chosen in (~hidden, hidden))
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
    parser.add_argument("--data", default="gowalla", choices=(*PUBLISHED, "lastfm_2k", "online_retail"))
    parser.add_argument("--model", default="", help="only those that have this in their name")
    parser.add_argument(
        "--tune", type=int, metavar="FACTORS", help="ImplicitALS on gowalla, with up to so many factors"
    )
    parser.add_argument(
        "--blocks", type=int, nargs="+", metavar="B", help="BPR, WARP and BiasedMF, by number of blocks"
    )
    parser.add_argument("--weights", type=float, nargs="+", metavar="P", help="BPR, by the power of users' weights")
    parser.add_argument("--epochs", type=int, nargs="+", metavar="N", help="BPR and WARP beside peers, after so many")
    chosen = parser.parse_args()
    if chosen.blocks is not None:
        compare_blocks(chosen.blocks)
        raise SystemExit
    if chosen.weights is not None:
        compare_weights(chosen.data, chosen.weights)
        raise SystemExit
    if chosen.epochs is not None:
        compare_epochs(chosen.epochs)
        raise SystemExit
    if chosen.tune is not None:
        tune(chosen.tune)
        raise SystemExit
    if chosen.data not in PUBLISHED:
        parser.error(f"nothing is published for {chosen.data}: it is there for --weights")
    for compare in (compare_ratings, cross_validate) if chosen.data == "ml_100k" else (compare_rankings,):
        compare(chosen.data, chosen.model)
