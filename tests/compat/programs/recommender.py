"""Recommendations from a BM25-weighted item-item similarity, seen items left out, as similaripy's guide makes them."""

import numpy as np
import scipy.sparse as sps
import similaripy as sim

random = np.random.default_rng(3)
urm = sps.random_array((120, 80), density=0.08, format="csr", random_state=random)

weighted = sim.normalization.bm25(urm)
print(type(weighted).__name__, weighted.shape, weighted.dtype, f"{weighted.sum():.3f}")

similarity = sim.cosine(urm.T, k=20, shrink=0.5, verbose=False, format_output="csr")
print("similarity", similarity.shape, similarity.dtype, similarity.nnz, f"{similarity.sum():.3f}")

users = [1, 14, 8]
recommended = sim.dot_product(urm, similarity.T, k=5, target_rows=users, filter_cols=urm, verbose=False).tocsr()
for user in users:
    row = recommended[[user]]
    order = np.argsort(-row.data)
    print(user, [(int(row.indices[i]), f"{row.data[i]:.4f}") for i in order])

for name in ("jaccard", "dice", "p3alpha", "rp3beta", "s_plus"):
    found = getattr(sim, name)(sim.normalize(urm.T, norm="l2"), k=10, verbose=False, format_output="csr")
    print(name, found.nnz, f"{found.sum():.3f}")

user_similarity = sim.asymmetric_cosine(sim.tfidf(urm), alpha=0.3, k=4, verbose=False, target_cols=list(range(40)))
print(type(user_similarity).__name__, f"{user_similarity.sum():.3f}", user_similarity.tocsr()[:, 40:].nnz)
