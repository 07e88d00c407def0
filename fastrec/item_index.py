"""Items prepared once for many searches of their nearest."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec import _check, _dispatch, _threads
from fastrec._progress import kernel_bar
from fastrec._types import NO_PATTERN, Array, Pattern, TopK

METRICS = ("inner_product", "cosine", "euclidean")


class ItemIndex:
    """Items packed for repeated searches of the best for a query; any number of threads may search at once.

    Parameters
    ----------
    items : array_like of float32 or float64, shape (n_items, n_factors)
        Copied. May hold NaN and inf (IEEE rules), but then every score is computed.
    metric : {"inner_product", "cosine", "euclidean"}
        What ranks the items. A Euclidean score is minus the squared distance; a cosine with a zero vector is 0.

    Attributes
    ----------
    items : ndarray of float32 or float64, shape (n_items, n_factors)
        The copy, read-only.
    metric : str
        As given.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.
    MemoryError
        The copy and its packed form do not fit.

    Notes
    -----
    Building takes time linear in the number of values. Beside the copy it holds 1 byte a factor and 20 bytes an item:
    8-bit codes in panels, on which a search is screened under a proved bound (docs/screening.md). Panels come by
    descending norm; where norms are alike, as those of embeddings, and directions are not, by the nearest of up to 120
    centres. Cosines are screened on unit vectors; distances by |q - v|^2 = |q|^2 - 2 q.v + |v|^2 with the norms of a
    panel.

    Examples
    --------
    >>> import fastrec
    >>> index = fastrec.ItemIndex([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]], metric="cosine")
    >>> index.top_k([[0.0, 1.0]], k=2).items
    array([[2, 1]], dtype=int32)
    """

    items: Array
    metric: str

    def __init__(self, items: Any, *, metric: str = "inner_product") -> None:
        checked = _check.dense(items, "items", what="items")
        _check.index_memory(len(checked), checked.shape[1], checked.dtype)
        self._set(np.array(checked, order="C"), _check.choice(metric, "metric", METRICS))

    @classmethod
    def of_checked(cls, items: Array, metric: str, *, n_centres: int | None = None) -> ItemIndex:
        """An index of items that nobody will change, without a copy.

        ``n_centres`` groups them by so many directions; left out, by as many as pay. It is there so that tests need
        not many items for that.
        """
        index = cls.__new__(cls)
        index._set(items.view(), metric, n_centres)
        return index

    def _set(self, items: Array, metric: str, n_centres: int | None = None) -> None:
        items.flags.writeable = False
        self.items, self.metric, self._n_centres = items, metric, n_centres
        self._packed: dict[np.dtype[Any], Any] = {}
        self._of(items.dtype)

    def top_k(
        self,
        queries: Any,
        k: int,
        *,
        exclude: Any = None,
        candidates: Any = None,
        n_threads: int | None = None,
        progress: bool = False,
    ) -> TopK:
        """Best ``k`` items for each query, best first.

        Parameters
        ----------
        queries : array_like of float32 or float64, shape (n_queries, n_factors)
            May hold NaN and inf (IEEE rules). Any memory order. One query as ``q[None, :]`` is served without a thread.
        k : int, at least 1
            Queries with fewer than ``k`` candidates end in item -1, score -inf.
        exclude, candidates : sparse matrix of shape (n_queries, n_items) or list of item ids, optional
            As in `fastrec.top_k_inner_product`.
        n_threads : int, optional
            Changes speed, never the result. Default: every core that the process may use.
        progress : bool
            Show a bar on stderr (needs tqdm).

        Returns
        -------
        TopK
            ``items`` int32 and ``scores``, each (n_queries, k); scores float32 when queries and items are, else
            float64. Score descending, equal scores by lower item; NaN never ranks.

        Raises
        ------
        TypeError, ValueError
            An argument is not as described, or shapes do not match.
        MemoryError
            The answer is larger than the memory available.

        Notes
        -----
        Scores are exact, as in `fastrec.top_k_inner_product`: float64 in a fixed order, rounded once. A list of few
        ``candidates`` is ranked by all of its scores. Queries of float64 on float32 items make the index keep a second
        form of itself, of float64.
        """
        k = _check.integer(k, "k", 1)
        threads = _threads.resolve(n_threads)
        queries = _check.dense(queries, "queries", what="queries")
        _check.same_size(queries.shape[1], "queries", self.items.shape[1], "items", "columns")
        excluded = _check.pattern(exclude, "exclude", len(queries), len(self.items))
        allowed = _check.pattern(candidates, "candidates", len(queries), len(self.items))
        return self.best(queries, k, excluded, allowed, threads, progress=_check.flag(progress, "progress"))

    def best(
        self,
        queries: Array,
        k: int,
        exclude: Pattern | None,
        candidates: Pattern | None,
        n_threads: int,
        *,
        progress: bool = False,
    ) -> TopK:
        """`top_k` of checked operands."""
        dtype = np.result_type(queries, self.items)
        _check.answer(len(queries), k, dtype)
        out = TopK.empty(len(queries), k, dtype)
        packed, queries = self._of(dtype), queries.astype(dtype, copy=False)
        excluded, allowed = exclude or NO_PATTERN, candidates or NO_PATTERN
        search = _dispatch.kernel("packed_top_k", dtype)
        with kernel_bar(len(queries), "queries", progress) as bar:
            search(packed, queries, *excluded, *allowed, *out, n_threads, bar)
        return out

    def _of(self, dtype: np.dtype[Any]) -> Any:
        """The packed form for one dtype, made when it is first needed."""
        packed = self._packed.get(dtype)
        if packed is None:  # no lock, which a forked child could find held: threads may make the same twice
            if dtype != self.items.dtype:
                _check.index_memory(len(self.items), self.items.shape[1], dtype)
            pack = _dispatch.kernel("pack_items", dtype)
            items = self.items.astype(dtype, copy=False)
            packed = pack(items, self.metric, self._n_centres, _threads.resolve(None))
        return self._packed.setdefault(dtype, packed)

    def __reduce__(self) -> tuple[Any, ...]:
        return ItemIndex.of_checked, (self.items, self.metric)

    def __repr__(self) -> str:
        return f"ItemIndex({len(self.items)} items, {self.items.shape[1]} factors, metric={self.metric!r})"
