"""Which model is best on what was held out, and does a callback see it learn."""

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.evaluation import ndcg_at_k, precision_at_k, ranking_metrics_at_k, train_test_split
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from scipy.sparse import csr_matrix

rng = np.random.default_rng(7)
users, items = rng.normal(size=(80, 5)), rng.normal(size=(60, 5))
affinity = users @ items.T
ratings = csr_matrix(np.where(affinity > 1.5, np.exp(affinity / 3) * rng.uniform(0.5, 1.5, affinity.shape), 0))
train, test = train_test_split(ratings, train_percentage=0.7, random_state=11)
print("interactions", train.nnz, test.nnz)

models = {
    "cosine": CosineRecommender(K=15),
    "tf-idf": TFIDFRecommender(K=15),
    "bm25": BM25Recommender(K=15, K1=1.5, B=0.5),
    "als": AlternatingLeastSquares(factors=6, regularization=0.1, use_cg=False, iterations=5, random_state=3),
}
for name, model in models.items():
    model.fit(train, show_progress=False)
    metrics = ranking_metrics_at_k(model, train, test, K=5, show_progress=False)
    print(name, {metric: round(value, 3) for metric, value in metrics.items()})

ndcgs = []
watched = AlternatingLeastSquares(6, 0.1, use_cg=False, iterations=4, calculate_training_loss=True, random_state=3)


def after(epoch, seconds, loss):
    watched._item_norms = watched._user_norms = None
    ndcgs.append(round(ndcg_at_k(watched, train, test, K=5, show_progress=False), 3))
    print("epoch", epoch, seconds >= 0, round(loss, 4))


watched.fit_callback = after
watched.fit(train, show_progress=False)
print(ndcgs, round(precision_at_k(watched, train, test, K=5, show_progress=False), 3))
