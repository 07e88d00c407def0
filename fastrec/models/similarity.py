"""What models have in common whose scores are sums of similarities, of items or of users."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check
from fastrec._types import Array, Csr, Ids, Pattern, TopK, is_sparse
from fastrec.models.base import LinearModel, NeighbourRequest, Ranking, Recommender, Request, stored
from fastrec.selection import best_of_product


class SimilarityModel(Recommender):
    """Keeps the interactions, and a similarity of items or of users."""

    _learned = ("similarity_", "user_items_")
    _similar_axis: ClassVar[int]  # of user_items_: 0 for users, 1 for items
    similarity_: Any  # what is similar to each, a row each
    user_items_: csr_array
    _made_with: dict[str, Any] | None

    def fit(self, user_items: Any, y: Any = None, *, progress: bool = False) -> Self:
        """Learn from interactions.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_users, n_items)
            Any format, index dtype and order; duplicates are summed, zeros dropped; NaN and inf are errors.
        y : ignored
            scikit-learn's pipelines pass it.
        progress : bool
            Show a bar on stderr (needs tqdm).

        Returns
        -------
        The model itself. It is unchanged when anything was raised.
        """
        ratings = _check.csr(user_items, "user_items", single=True)
        similarity = self._similarity_of(ratings, progress=_check.flag(progress, "progress"))
        self._keep(similarity, stored(ratings))
        return self

    def _keep(self, similarity: Any, user_items: csr_array) -> None:
        """Take over what was learned, and by which parameters."""
        if is_sparse(similarity):
            _check.finite(similarity.data, "similarities of user_items")
        self.similarity_, self.user_items_, self._made_with = similarity, user_items, self._parameters()

    def _restore(self, learned: dict[str, Any]) -> None:
        super()._restore(learned)
        self._made_with = None  # a file has the parameters of when it was written

    def _parameters(self) -> dict[str, Any]:
        """Those that change what is learned."""
        return {**self.get_params(), "n_threads": None}

    @abstractmethod
    def _similarity_of(self, ratings: Csr, *, progress: bool) -> Any:
        """The similarity; refuses bad parameters."""

    def _neighbours_of(self, ids: Any, name: str, k: int, candidates: Any, exclude: Any, n_threads: int | None) -> TopK:
        self._check_fitted()
        size = int(self.similarity_.shape[0])
        wanted = NeighbourRequest.checked(ids, name, size, k, candidates, exclude)
        n = len(wanted.ids)
        one_each = Csr(np.ones(n, self.similarity_.dtype), wanted.ids, np.arange(n + 1, dtype=np.int64), (n, size))
        return self._best(one_each, wanted.k, wanted.exclude, wanted.candidates, self._threads(n_threads))

    def _best(self, rows: Csr, k: int, exclude: Pattern | None, candidates: Pattern | None, n_threads: int) -> TopK:
        _check.answer(rows.shape[0], k, self.similarity_.dtype)
        neighbours = self._derived(
            "sorted",
            self.similarity_,
            lambda: _check.csr(self.similarity_, "similarity_", keep_zeros=True, n_threads=n_threads),
        )
        best = best_of_product(rows, neighbours, k, exclude=exclude, candidates=candidates, n_threads=n_threads)
        return TopK.of_rows(best, k)

    def _check_learned(self) -> None:
        similarity = _check.csr(self.similarity_, "similarity_")
        n = _check.csr(self.user_items_, "user_items_").shape[self._similar_axis]
        for size, of in zip(similarity.shape, ("rows", "columns"), strict=True):
            _check.same_size(size, "similarity_", n, "user_items_", of)

    def _n_users(self) -> int:
        return int(self.user_items_.shape[0])

    def _n_items(self) -> int:
        return int(self.user_items_.shape[1])


class ItemSimilarityModel(SimilarityModel, LinearModel):
    """A model whose score is the user's row times the similarity of items."""

    _similar_axis = 1

    def similar_items(
        self, items: Any, k: int = 10, *, candidates: Any = None, exclude: Any = None, n_threads: int | None = None
    ) -> TopK:
        """Most similar items of each given item, itself left out.

        Parameters
        ----------
        items : int or list of int
            Item ids.
        k : int, at least 1
            Rows with fewer neighbours in ``similarity_`` end in item -1, score -inf.
        candidates, exclude : list of item ids, or sparse matrix of shape (len(items), n_items), optional
            As in `recommend`.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        TopK
            Each (len(items), k).
        """
        return self._neighbours_of(items, "items", k, candidates, exclude, n_threads)

    def _similarities(self, items: Ids, item: int) -> Array:
        values: Array = self.similarity_[items].tocsc()[:, [item]].toarray()[:, 0]
        return values.astype(np.float64)

    def _rank(self, request: Request, ranking: Ranking) -> TopK:
        rows = request.rows
        if rows is None:
            assert request.users is not None
            rows = Csr.of_canonical(self.user_items_[request.users])
        return self._best(rows, ranking.k, ranking.exclude, ranking.candidates, ranking.n_threads)
