"""Names of one list and their likeliest counterparts in another, by TF-IDF of n-grams."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sparse_dot_topn import sp_matmul_topn

clean = [
    *("Acme Corporation", "Globex International", "Initech Limited", "Umbrella Health", "Stark Industries"),
    *("Wayne Enterprises", "Wonka Chocolate Works", "Cyberdyne Systems", "Tyrell Biotech", "Soylent Foods"),
]
messy = [
    *("ACME Corp.", "globex intl", "Initech Ltd", "umbrela health", "Stark Industry", "Wayn Enterprise"),
    *("Wonka choclate works", "Cyberdine systems", "tyrell bio-tech", "Soylent food", "Nobody at all"),
]

vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3))
ground_truth = vectorizer.fit_transform(clean)
names = vectorizer.transform(messy)

matches = sp_matmul_topn(names, ground_truth.T, top_n=2, threshold=0.2, sort=True, n_threads=2)
print(matches.shape, matches.nnz, matches.dtype)
for row, name in enumerate(messy):
    found = range(matches.indptr[row], matches.indptr[row + 1])
    print(f"{name:22}", [(clean[matches.indices[i]], f"{matches.data[i]:.4f}") for i in found])

similar = sp_matmul_topn(ground_truth, ground_truth.T, top_n=3, threshold=0.05)
for row, column, score in zip(*similar.nonzero(), similar[similar.nonzero()].A1, strict=True):
    if row < column:
        print(f"{clean[row]} ~ {clean[column]}: {score:.4f}")
