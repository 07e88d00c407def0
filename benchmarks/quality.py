"""Recall@20 of fastrec and of implicit with the same settings, on a data set with a published split.

    python benchmarks/quality.py [--data gowalla]

Both fit the training part and rank every user's unseen items. implicit's cell of value c weighs alpha c where ours
weighs 1 + alpha r, so alpha = 0 here is its alpha = 1 on binary data; its neighbours count the item itself.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import fastrec
from fastrec.evaluation import recall_at_k

K = 20
FALLBACK = Path(__file__).parents[2] / "shared" / "data"


def split(name):
    """Training and test part, with ones."""
    path = Path(os.environ.get("FASTREC_DATA", FALLBACK)) / f"{name}.npz"
    with np.load(path, allow_pickle=False) as file:
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="gowalla")
    train, test = split(parser.parse_args().data)
    for name, rank in models():
        print(f"{name:62} {recall_at_k(rank(train), test, K):.5f}", flush=True)
