"""`implicit.cpu.als`: alternating least squares."""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from fastrec import _check
from fastrec._least_squares import Fixed, Solutions, solve
from fastrec._types import Array
from fastrec.compat._numbers import threads_of
from fastrec.compat._ways_in import left, left_to_original, taken
from fastrec.compat.implicit.cpu import _als
from fastrec.compat.implicit.cpu._factors import own, own_of_size, take
from fastrec.compat.implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from fastrec.compat.implicit.cpu.topk import item_ids
from fastrec.compat.implicit.recommender_base import Callback
from fastrec.compat.implicit.utils import check_blas_config as check_blas_config
from fastrec.compat.implicit.utils import (
    check_csr,
    check_random_state,
    is_scalar,
    log,
    rows_of_each,
    stored_parameters,
    tqdm,
)
from fastrec.compat.implicit.utils import nonzeros as nonzeros

_START_SCALE = 0.01


class AlternatingLeastSquares(MatrixFactorizationBase):
    """Matrix factorisation of implicit feedback by alternating least squares, each solve exact.

    The least of

        sum_seen c (p - x.y)^2 + sum_unseen (x.y)^2 + regularization (sum_u |x_u|^2 + sum_i |y_i|^2)

    where an entry r > 0 has c = alpha r, p = 1, one of r < 0 has c = alpha |r|, p = 0.

    Parameters
    ----------
    factors : int, at least 1
    regularization : float, at least 0
    alpha : float
    dtype : float32 or float64
        Of the factors.
    use_native, use_cg : bool
        Kept as attributes; every choice is the same exact solve.
    iterations : int
        Each solves the users, then the items.
    calculate_training_loss : bool
        Show the loss beside the progress bar, log it, and tell it to the callback.
    num_threads : int
        0: every core that the process may use. Changes speed only.
    random_state : int, Generator, RandomState or None
        Of the factors to start from, uniform in [0, 0.01): the same as implicit's.

    Attributes
    ----------
    user_factors, item_factors : ndarray
        Set by `fit`; another fit goes on from them.
    cg_steps : int
        Kept, without a meaning.
    fit_callback : callable or None
        For a fit that is given none.
    """

    def __init__(
        self,
        factors: int = 100,
        regularization: float = 0.01,
        alpha: float = 1.0,
        dtype: DTypeLike = np.float32,
        use_native: bool = True,
        use_cg: bool = True,
        iterations: int = 15,
        calculate_training_loss: bool = False,
        num_threads: int = 0,
        random_state: Any = None,
    ) -> None:
        super().__init__(num_threads=num_threads)
        self.factors = factors
        self.regularization = regularization
        self.alpha = alpha
        self.dtype: Any = np.dtype(dtype)
        self.use_native = use_native
        self.use_cg = use_cg
        self.iterations = iterations
        self.calculate_training_loss = calculate_training_loss
        self.fit_callback: Callback | None = None
        self.cg_steps = 3
        self.random_state = random_state
        self._YtY: Any = None
        self._XtX: Any = None

    @taken
    def fit(self, user_items: Any, show_progress: bool = True, callback: Callback | None = None) -> None:
        """Learn factors: see `RecommenderBase.fit`.

        ``callback(iteration, seconds, loss)`` sees the factors of that iteration; the loss is None unless
        ``calculate_training_loss``.
        """
        rs, threads = check_random_state(self.random_state), threads_of(self.num_threads)
        _check.integer(self.factors, "factors", 1)
        regularization = _check.real(self.regularization, "regularization", 0)
        user_items = check_csr(user_items)
        self._check_numbers(user_items)
        by_user = _als.Confidence.of(user_items, self.alpha)
        self._start(by_user.weights.shape, rs)
        users, items = by_user.side(regularization), by_user.transposed(threads).side(regularization)
        told, tol = callback or self.fit_callback, _als.tolerance(self.dtype)
        user_factors, item_factors = Solutions(self._users, None), Solutions(self._items, None)
        loss = None
        with tqdm(total=self.iterations, disable=not show_progress) as progress:
            for iteration in range(self.iterations):
                started = time.time()
                try:
                    user_factors = solve(users, Fixed(item_factors.factors, threads), tol, threads).against(
                        item_factors
                    )
                    item_factors = solve(items, Fixed(user_factors.factors, threads), tol, threads).against(
                        user_factors
                    )
                except KeyboardInterrupt:
                    self._take(user_factors.upright(threads), item_factors.upright(threads))
                    raise
                progress.update(1)
                if told or self.calculate_training_loss or iteration == self.iterations - 1:
                    self._take(user_factors.upright(threads), item_factors.upright(threads))
                if self.calculate_training_loss:
                    loss = _als.loss_of(by_user, self._users, self._items, regularization, threads)
                    progress.set_postfix({"loss": loss})
                    if not show_progress:
                        log.info("loss %.4f", loss)
                if told:
                    told(iteration, time.time() - started, loss)
        if loss is not None:
            log.info("Final training loss %.4f", loss)
        self._check_fit_errors()

    @taken
    def recalculate_user(self, userid: Any, user_items: Any) -> Array:
        """Solve users' factors from their rows, and leave the model as it is.

        Parameters
        ----------
        userid : int or array_like of int
            Whose rows; they may be new.
        user_items : csr_matrix, shape (number of users named, n_items)

        Returns
        -------
        ndarray, shape (n_factors,) or (number of users named, n_factors)
        """
        self._check_fitted()
        return self._recalculated(userid, user_items, self._items, self.YtY, "user_items")

    @taken
    def recalculate_item(self, itemid: Any, item_users: Any) -> Array:
        """Solve items' factors from their rows: `recalculate_user` of items."""
        self._check_fitted()
        return self._recalculated(itemid, item_users, self._users, self.XtX, "item_users")

    @taken
    def partial_fit_users(self, userids: Any, user_items: Any) -> None:
        """Replace the factors of some users, of whom some may be new, by those solved from their rows.

        Parameters
        ----------
        userids : array_like of int
            Users between the last known one and a new one have zeros.
        user_items : csr_matrix, shape (len(userids), n_items)
        """
        solved = self.recalculate_user(userids, user_items)
        take(self, "user_factors", _with_rows(self._users, userids, solved))
        self._user_norms = self._XtX = None

    @taken
    def partial_fit_items(self, itemids: Any, item_users: Any) -> None:
        """Replace the factors of some items: `partial_fit_users` of items."""
        solved = self.recalculate_item(itemids, item_users)
        take(self, "item_factors", _with_rows(self._items, itemids, solved))
        self._item_norms = self._YtY = None

    @taken
    def explain(
        self,
        userid: int,
        user_items: Any,
        itemid: int,
        user_weights: Any = None,
        N: int = 10,  # noqa: N803
    ) -> tuple[Any, list[tuple[Any, Any]], Any]:
        """Why an item is recommended: what each item of the user's row adds to its score.

        Parameters
        ----------
        userid : int
            A row of ``user_items``.
        user_items : csr_matrix
        itemid : int
            The item to explain.
        user_weights : optional
            What an earlier call returned for this user: saves most of the work.
        N : int
            Items of the row to tell, most first.

        Returns
        -------
        score : float
        contributions : list of (item, contribution)
            Of the best ``N``; all of them sum to the score. Dislikes have none.
        user_weights
            The Cholesky factor of the user's normal equations, as `scipy.linalg.cho_factor` gives it.

        Notes
        -----
        Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", 2008, section 5.
        """
        self._check_fitted()
        user_items = check_csr(user_items)
        entries = slice(user_items.indptr[userid], user_items.indptr[userid + 1])
        items = item_ids(user_items.indices[entries], len(self._items), "user_items")
        values = user_items.data[entries] * self.alpha
        if user_weights is None:
            system, _ = _normal_equations(self._items, self.YtY, items, values, self.regularization)
            user_weights = cho_factor(system)
        liked = values >= 0
        items, values = items[liked], values[liked]
        contributions = self._items[items] @ cho_solve(user_weights, self._items[itemid]) * values
        best = np.lexsort((items, contributions))[::-1][: max(int(N), 0)]
        return contributions.sum(), list(zip(items[best], contributions[best], strict=True)), user_weights

    @property
    def solver(self) -> Callback:
        """What solves one side, in place."""
        if self.use_cg:
            return functools.partial(_als.least_squares_cg, cg_steps=self.cg_steps)
        return _als.least_squares

    @property
    def YtY(self) -> Array:  # noqa: N802
        """Gram matrix of the items' factors."""
        if self._YtY is None:
            self._YtY = self._items.T @ self._items
        gram: Array = self._YtY
        return gram

    @property
    def XtX(self) -> Array:  # noqa: N802
        """Gram matrix of the users' factors."""
        if self._XtX is None:
            self._XtX = self._users.T @ self._users
        gram: Array = self._XtX
        return gram

    def to_gpu(self) -> Any:
        """The same model of implicit's own `implicit.gpu`."""
        return self._on_gpu(
            left("implicit.gpu.als").AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.regularization,
                alpha=self.alpha,
                dtype=self.dtype,
                iterations=self.iterations,
                calculate_training_loss=self.calculate_training_loss,
                random_state=self.random_state,
            )
        )

    def save(self, fileobj_or_path: Any) -> None:
        """Write the model in NumPy's npz format, which implicit reads too."""
        names = (
            "user_factors", "item_factors", "regularization", "factors", "num_threads", "iterations", "use_native",
            "use_cg", "cg_steps", "calculate_training_loss", "dtype", "random_state", "alpha",
        )  # fmt: skip
        np.savez(fileobj_or_path, **stored_parameters(self, names))

    def _start(self, shape: tuple[int, int], rs: np.random.Generator) -> None:
        """Draw the factors that there are none of; the others must be of these users and items."""
        for name, n_rows in zip(("user_factors", "item_factors"), shape, strict=True):
            if own(self, name) is None:
                take(self, name, rs.random((n_rows, self.factors), dtype=self.dtype) * _START_SCALE)
            own_of_size(self, name, n_rows, self.factors, "factors")
        self._forget_derived()

    def _take(self, user_factors: Array, item_factors: Array) -> None:
        take(self, "user_factors", user_factors)
        take(self, "item_factors", item_factors)
        self._forget_derived()

    def _forget_derived(self) -> None:
        self._item_norms = self._user_norms = self._YtY = self._XtX = None

    def _recalculated(self, ids: Any, rows: Any, fixed: Array, gram: Array, name: str) -> Array:
        rows = rows_of_each(check_csr(rows), ids, name)
        widened = csr_array((rows.data, rows.indices, rows.indptr), shape=(rows.shape[0], len(fixed)))
        confidence = _als.Confidence.of(widened, self.alpha)
        factors = _als.solved(confidence, fixed, self.regularization, self.num_threads, gram)
        return factors[0] if is_scalar(ids) else factors


def _with_rows(factors: Array, ids: Any, rows: Array) -> Array:
    """Factors in which some rows are others, which may lie beyond their end."""
    n_more = max(ids) + 1 - len(factors)
    if n_more > 0:
        factors = np.concatenate([factors, np.zeros((n_more, factors.shape[1]), factors.dtype)])
    factors[ids] = rows
    return factors


def _normal_equations(
    factors: Array, gram: Array, columns: Array, values: Array, regularization: float
) -> tuple[Array, Array]:
    """Matrix and right side of one row's least squares."""
    seen, weights = factors[columns], np.abs(values.astype(np.float64))
    system = gram + regularization * np.eye(len(gram)) + (seen.T * (weights - 1)) @ seen
    return system, seen.T @ np.where(values > 0, weights, 0)


def user_linear_equation(
    Y: Array,  # noqa: N803
    YtY: Array,  # noqa: N803
    Cui: Any,  # noqa: N803
    u: int,
    regularization: float,
    n_factors: int,
) -> tuple[Array, Array]:
    """Matrix and right side of the normal equations of row ``u``."""
    entries = slice(Cui.indptr[u], Cui.indptr[u + 1])
    return _normal_equations(Y, YtY, Cui.indices[entries], Cui.data[entries], regularization)


def user_factor(Y: Array, YtY: Array, Cui: Any, u: int, regularization: float, n_factors: int) -> Array:  # noqa: N803
    """Solution of row ``u``."""
    solution: Array = np.linalg.solve(*user_linear_equation(Y, YtY, Cui, u, regularization, n_factors))
    return solution


def item_factor(X: Array, XtX: Array, Cui: Any, u: int, regularization: float, n_factors: int) -> Array:  # noqa: N803
    """Solution of row ``u`` of the items: `user_factor` with the sides' names changed."""
    return user_factor(X, XtX, Cui, u, regularization, n_factors)


least_squares = _als.least_squares
least_squares_cg = _als.least_squares_cg
calculate_loss = _als.calculate_loss

__getattr__ = left_to_original(__name__)
