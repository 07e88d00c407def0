"""`implicit._nearest_neighbours`: the most similar rows, and users' scores by them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from fastrec import _check
from fastrec._types import Array, Csr, Pattern, is_sparse
from fastrec.compat._numbers import threads_of, whole
from fastrec.compat._ways_in import left_to_original, taken
from fastrec.compat.implicit.utils import check_csr
from fastrec.compat.implicit.utils import tqdm as tqdm
from fastrec.selection import best_of_product
from fastrec.similarity import item_similarity


@taken
def all_pairs_knn(users: Any, K: int = 100, num_threads: int = 0, show_progress: bool = True) -> coo_matrix:  # noqa: N803
    """Best ``K`` columns for each column of a matrix by the inner product with it, the column itself among them.

    Parameters
    ----------
    users : csr_matrix, shape (n_users, n_items)
    K : int, at least 1
    num_threads : int
        0: every core that the process may use.
    show_progress : bool
        Show a bar on stderr.

    Returns
    -------
    coo_matrix of float64, shape (n_items, n_items)
        Rows ascending, each with its best first; columns that have no row in common are left out.
    """
    return coo_matrix(most_similar(check_csr(users), K, "dot", num_threads, show_progress))


def most_similar(user_items: Any, K: int, metric: str, num_threads: int, show_progress: bool) -> csr_matrix:  # noqa: N803
    """Best ``K`` items for each item, in float64, best first."""
    found = item_similarity(
        in_float64(user_items, "user_items"),
        whole(K, "K"),
        metric=metric,
        keep_diagonal=True,
        n_threads=threads_of(num_threads),
        progress=show_progress,
    )
    return csr_matrix((found.data, found.indices, found.indptr), shape=found.shape)


def in_float64(x: Any, name: str) -> Any:
    """A matrix in float64, where that holds its values."""
    x = x if hasattr(x, "astype") else np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected bool, integer or float values, got dtype {x.dtype}; pass real numbers")
    if is_sparse(x):
        _check.places(x, name)
    return x.astype(np.float64, copy=False)


class NearestNeighboursScorer:
    """Scores of items for a user: the user's row times the similarities of its items.

    Parameters
    ----------
    similarity : csr_matrix, shape (n_items, n_items)
        Must not change afterwards.
    """

    def __init__(self, similarity: Any) -> None:
        self._given = similarity
        self._checked: Csr | None = None

    @property
    def _similarity(self) -> Csr:
        """As kernels read it, from the first recommendation on."""
        if self._checked is None:
            self._checked = _check.csr(self._given, "similarity", keep_zeros=True)
        return self._checked

    @taken
    def recommend(
        self,
        user_indptr: Array,
        user_indices: Array,
        user_data: Array,
        K: int = 10,  # noqa: N803
        remove_own_likes: bool = True,
    ) -> tuple[Array, Array]:
        """Best ``K`` items for the user whose row is the first of a csr_matrix with these arrays.

        Returns
        -------
        ids : ndarray of int32
            Fewer than ``K`` where fewer items are similar to the user's own, which are left out unless they are wanted.
        scores : ndarray of float64
        """
        entries, n_items = slice(user_indptr[0], user_indptr[1]), self._similarity.shape[0]
        own = _check.item_ids(user_indices[entries], "user_items", n_items)
        given = csr_matrix((user_data[entries], own, [0, len(own)]), shape=(1, n_items))
        row = _check.csr(given, "user_items", keep_zeros=True)
        exclude = Pattern(row.indices, row.indptr, False) if remove_own_likes else None
        best = self.best(row, K, exclude=exclude, num_threads=1)
        return best.indices, best.data

    def best(
        self,
        rows: Csr,
        k: int,
        *,
        exclude: Pattern | None = None,
        candidates: Pattern | None = None,
        num_threads: int = 0,
    ) -> Csr:
        """Best ``k`` items for every row of users' items, in float64, best first."""
        _check.columns(rows.shape, self._similarity.shape[0], "items", "user_items")
        return best_of_product(
            rows._replace(data=rows.data.astype(np.float64)),
            self._similarity,
            _check.integer(k, "N", 1),
            exclude=exclude,
            candidates=candidates,
            n_threads=threads_of(num_threads),
        )


__getattr__ = left_to_original(__name__)
