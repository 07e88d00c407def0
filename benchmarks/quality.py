"""Recall@20 and RMSE of fastrec and of peers with the same settings.

    python benchmarks/quality.py [--data gowalla] [--ratings ml_100k]

Recall@20 beside implicit, on a data set with a published split; RMSE beside cmfrec, on ratings, a fifth of them hidden.

Both fit the training part and rank every user's unseen items. implicit's cell of value c weighs alpha c where ours
weighs 1 + alpha r, so alpha = 0 here is its alpha = 1 on binary data; its neighbours count the item itself.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import fastrec
from fastrec.evaluation import recall_at_k, rmse

K = 20
FALLBACK = Path(__file__).parents[2] / "shared" / "data"


def data(name):
    return np.load(Path(os.environ.get("FASTREC_DATA", FALLBACK)) / f"{name}.npz", allow_pickle=False)


def split(name):
    """Training and test part, with ones."""
    with data(name) as file:
        shape = int(file["n_users"]), int(file["n_items"])
        for part in (0, 1):
            chosen = file["split"] == part
            ones = np.ones(chosen.sum(), np.float32)
            yield sp.csr_matrix((ones, (file["user"][chosen], file["item"][chosen])), shape=shape)


def models():
    """Pairs of a name and a function that fits and ranks."""
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender

    def ours(model):
        return lambda train: model.fit(train).recommend(np.arange(train.shape[0]), train, K).items

    def theirs(model):
        def rank(train):
            model.fit(train, show_progress=False)
            return model.recommend(np.arange(train.shape[0]), train, N=K)[0]

        return rank

    yield "fastrec ItemKNN(100)", ours(fastrec.ItemKNN(100))
    yield "implicit CosineRecommender(K=101)", theirs(CosineRecommender(K=101))
    for seed in (0, 1):
        als = fastrec.ImplicitALS(64, alpha=0.0, regularization=0.01, n_epochs=15, random_state=seed)
        yield f"fastrec ImplicitALS(64), seed {seed}", ours(als)
        als = AlternatingLeastSquares(
            64, regularization=0.01, alpha=1.0, iterations=15, use_cg=False, random_state=seed
        )
        yield f"implicit AlternatingLeastSquares(64), Cholesky, seed {seed}", theirs(als)


def held_out(name):
    """Ratings to learn from, and users, items and ratings of a fifth that is held out."""
    with data(name) as file:
        shape = int(file["n_users"]), int(file["n_items"])
        users, items, values = (file[field] for field in ("user", "item", "value"))
    hidden = np.random.default_rng(0).random(len(values)) < 0.2
    train = sp.csr_matrix((values[~hidden], (users[~hidden], items[~hidden])), shape=shape)
    return train, users[hidden], items[hidden], values[hidden]


def raters():
    """Pairs of a name and a function that fits and predicts."""
    import cmfrec

    def ours(train, users, items, **options):
        return fastrec.ExplicitALS(64, random_state=0, **options).fit(train).predict(users, items)

    def theirs(train, users, items):
        model = cmfrec.CMF(k=64, lambda_=0.1, scale_lam=True, use_cg=False, niter=15, random_state=0)
        model.fit(sp.coo_matrix(train))
        rated = np.bincount(train.indices, minlength=train.shape[1]) > 0
        of_items = np.where(rated, model.item_bias_, 0)  # it leaves those of items without ratings as they were
        products = np.einsum("ij,ij->i", model.A_[users], np.where(rated[:, None], model.B_, 0)[items])
        return model.glob_mean_ + model.user_bias_[users] + of_items[items] + products

    yield "fastrec ExplicitALS(64)", ours
    yield "cmfrec CMF(64, lambda_=.1, scale_lam), Cholesky", theirs
    yield "fastrec ExplicitALS(64, nonnegative)", lambda *given: ours(*given, nonnegative=True)
    yield "the mean of all ratings", lambda train, users, items: np.full(len(users), train.data.mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="gowalla")
    parser.add_argument("--ratings", default="ml_100k")
    options = parser.parse_args()
    train, *pairs, ratings = held_out(options.ratings)
    for name, predict in raters():
        print(f"{name:62} {rmse(predict(train, *pairs), ratings):.4f}", flush=True)
    train, test = split(options.data)
    for name, rank in models():
        print(f"{name:62} {recall_at_k(rank(train), test, K):.5f}", flush=True)
