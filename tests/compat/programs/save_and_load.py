"""A model is saved, loaded elsewhere, and learns of new users there."""

import pickle
import tempfile
from pathlib import Path

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix, vstack

rng = np.random.default_rng(1)
likes = csr_matrix((rng.random((30, 20)) < 0.3) * rng.uniform(1, 5, (30, 20)))
model = AlternatingLeastSquares(factors=4, regularization=0.5, iterations=6, use_cg=False, random_state=9)
model.fit(likes, show_progress=False)
neighbours = CosineRecommender(K=8)
neighbours.fit(likes, show_progress=False)

with tempfile.TemporaryDirectory() as folder:
    model.save(str(Path(folder) / "als"))
    neighbours.save(str(Path(folder) / "cosine.npz"))
    print(sorted(path.name for path in Path(folder).iterdir()))
    with np.load(Path(folder) / "als.npz") as stored:
        print(sorted(stored), stored["factors"], stored["dtype"])
    loaded = AlternatingLeastSquares.load(str(Path(folder) / "als"))
    loaded_neighbours = CosineRecommender.load(str(Path(folder) / "cosine"))
print(loaded.factors, loaded.regularization, loaded.dtype, np.array_equal(loaded.item_factors, model.item_factors))
print(loaded.recommend(3, likes[3], N=4)[0], pickle.loads(pickle.dumps(loaded)).recommend(3, likes[3], N=4)[0])
print(loaded_neighbours.similar_items(2, N=3)[0], (loaded_neighbours.similarity != neighbours.similarity).nnz)

newcomer = csr_matrix(([2.0, 3.0, 1.0], [[0, 0, 0], [1, 4, 7]]), shape=(1, 20))
print(loaded.recommend(0, newcomer, N=3, recalculate_user=True)[0])
loaded.partial_fit_users([30], newcomer)
print(loaded.user_factors.shape, loaded.recommend(30, newcomer, N=3)[0])
ids, scores = loaded.recommend([0, 30], vstack([likes[0], newcomer]).tocsr(), N=3, items=[2, 3, 5, 8, 13])
print(ids, scores.round(2))
