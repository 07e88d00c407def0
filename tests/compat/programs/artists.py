"""Artists for listeners, and artists that are like others, as implicit's tutorial on last.fm goes about it."""

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import bm25_weight
from scipy.sparse import csr_matrix

GENRES = {
    "metal": ["Black Sabbath", "Iron Maiden", "Metallica", "Slayer", "Motörhead", "Opeth"],
    "jazz": ["Miles Davis", "John Coltrane", "Bill Evans", "Nina Simone", "Chet Baker", "Sun Ra"],
    "pop": ["Madonna", "Kylie Minogue", "ABBA", "Pet Shop Boys", "Robyn", "Erasure"],
}
artists = np.array([name for names in GENRES.values() for name in names])
rng = np.random.default_rng(8)
n_users = 60
favourite = rng.integers(len(GENRES), size=n_users)
genre = np.repeat(np.arange(len(GENRES)), 6)
chance = np.where(favourite[:, None] == genre, 0.6, 0.05)
plays = rng.gamma(2.0, 20.0, chance.shape).round() * (rng.random(chance.shape) < chance)

artist_user_plays = bm25_weight(csr_matrix(plays.T), K1=100, B=0.8)
user_plays = artist_user_plays.T.tocsr()

model = AlternatingLeastSquares(factors=8, regularization=0.05, alpha=2.0, use_cg=False, random_state=42)
model.fit(user_plays, show_progress=False)

userid = 12
ids, scores = model.recommend(userid, user_plays[userid], N=3, filter_already_liked_items=True)
print("user", userid, "likes", GENRES[list(GENRES)[favourite[userid]]][0])
for name, score in zip(artists[ids], scores, strict=True):
    print(f"  {name:20} {score:.2f}")

ids, scores = model.similar_items(list(artists).index("Nina Simone"), N=4)
for name, score in zip(artists[ids], scores, strict=True):
    print(f"like Nina Simone: {name:20} {score:.2f}")

userids = np.arange(10)
ids, scores = model.recommend(userids, user_plays[userids], N=2)
print(artists[ids])
print(ids.shape, ids.dtype, scores.shape, scores.dtype)

total, contributions, _ = model.explain(
    userid, user_plays, itemid=int(model.recommend(userid, user_plays[userid])[0][0])
)
print(f"{total:.2f}", [(str(artists[item]), f"{part:.2f}") for item, part in contributions[:3]])
