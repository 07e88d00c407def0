"""Whether two libraries gave the same answer, ties apart. NumPy and SciPy only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Array = npt.NDArray[Any]

_ALLOWED_ABOVE = 0.25


class Agreement(NamedTuple):
    """What a check says: whether it passed, and why not or how closely."""

    agrees: bool
    text: str


class Ranked(NamedTuple):
    """Best items of every row; where there are fewer, item -1 and score -inf."""

    items: Array
    scores: Array


class Factors(NamedTuple):
    """What an ALS fit ends with.

    Attributes
    ----------
    users, items : ndarray, shape (n_rows, n_factors)
        The factors.
    last : {"users", "items"}
        Side that the last half-step solved.
    exact : bool
        Whether it solved each row to the end, rather than take a few steps towards the solution.
    given_start : bool
        Whether it started from the item factors that fastrec was given.
    """

    users: Array
    items: Array
    last: str = "items"
    exact: bool = True
    given_start: bool = True


class Rated(NamedTuple):
    """What a fit to ratings ends with: predictions are users @ items.T, biases and all.

    Attributes
    ----------
    users, items : ndarray, shape (n_rows, n_columns)
        Factors and biases, and what multiplies those.
    n_factors : int
        Columns of factors, which come first.
    last : {"users", "items"}
        Side that the last half-step solved.
    exact : bool
        Whether it solved each row to the end.
    """

    users: Array
    items: Array
    n_factors: int
    last: str = "items"
    exact: bool = True

    @classmethod
    def of(
        cls, users: Array, items: Array, biases: tuple[Array, Array] | None, mean: float, last: str, exact: bool
    ) -> Rated:
        """Factors, with biases or without."""
        n_factors = users.shape[1]
        users, items = users.astype(np.float64), items.astype(np.float64)
        if biases is not None:
            users = np.column_stack([users, biases[0], np.ones(len(users)), np.full(len(users), mean)])
            items = np.column_stack([items, np.ones(len(items)), biases[1], np.ones(len(items))])
        return cls(users, items, n_factors, last, exact)


# ---- rankings -------------------------------------------------------------------------------------------------------


def best_of_rows(matrix: Any, k: int) -> Ranked:
    """Rank the stored entries of each row, equal values by lower column."""
    rows = matrix.tocsr()
    lengths = np.diff(rows.indptr)
    row = np.repeat(np.arange(rows.shape[0]), lengths)
    order = np.lexsort((rows.indices, -rows.data, row))
    place = np.arange(rows.nnz) - np.repeat(rows.indptr[:-1], lengths)
    kept = place < k
    best = Ranked(np.full((rows.shape[0], k), -1), np.full((rows.shape[0], k), -np.inf))
    best.items[row[kept], place[kept]] = rows.indices[order][kept]
    best.scores[row[kept], place[kept]] = rows.data[order][kept]
    return best


def same_ranking(ours: Ranked, theirs: Ranked, tolerance: float) -> Agreement:
    """Compare two rankings.

    The scores at each place must agree to ``tolerance`` times the largest score of the row. So must those of an item
    that is in both; an item that is in one only must tie with that one's last. This is all that ties leave open.
    """
    if ours.items.shape != theirs.items.shape:
        return Agreement(False, f"shape {theirs.items.shape} instead of {ours.items.shape}")
    real = ours.items >= 0
    if (real != (theirs.items >= 0)).any():
        row = int(np.flatnonzero((real != (theirs.items >= 0)).any(axis=1))[0])
        theirs_length = int((theirs.items[row] >= 0).sum())
        return Agreement(False, f"row {row}: {theirs_length} items instead of {int(real[row].sum())}")

    ours_scores, theirs_scores = (np.where(real, answer.scores, 0.0).astype(np.float64) for answer in (ours, theirs))
    allowed = tolerance * np.abs(ours_scores).max(axis=1, initial=0.0)
    apart = np.abs(ours_scores - theirs_scores).max(axis=1, initial=0.0)
    if not (apart <= allowed).all():
        row = int(np.argmax(~(apart <= allowed)))
        return Agreement(False, f"row {row}: scores differ by {apart[row]:.2e}, more than {allowed[row]:.2e}")

    swapped = np.flatnonzero((ours.items != theirs.items).any(axis=1))
    for row in swapped.tolist():
        kept = real[row]
        first = dict(zip(ours.items[row, kept].tolist(), ours_scores[row, kept].tolist(), strict=True))
        second = dict(zip(theirs.items[row, kept].tolist(), theirs_scores[row, kept].tolist(), strict=True))
        fault = _fault(first, second, 2 * allowed[row])
        if fault is not None:
            return Agreement(False, f"row {row}: {fault}")
    return Agreement(True, f"ties swapped in {len(swapped)} of {len(real)} rows" if len(swapped) else "same items")


def _fault(ours: dict[int, float], theirs: dict[int, float], allowed: float) -> str | None:
    """Say which item two rankings of one row place apart though its score does not tie."""
    if len(theirs) < len(ours):
        return "an item twice"
    both = ours.keys() & theirs.keys()
    for item in both:
        if abs(ours[item] - theirs[item]) > allowed:
            return f"item {item} scores {theirs[item]:.6g} instead of {ours[item]:.6g}"
    for ranking, whose in ((ours, "ours"), (theirs, "theirs")):
        for item in ranking.keys() - both:
            if ranking[item] - min(ranking.values()) > allowed:
                return f"item {item}, score {ranking[item]:.6g}, is in {whose} only"
    return None


def most_items(ours: Ranked, theirs: Ranked, missing: float) -> Agreement:
    """Compare with an approximate ranking, which may miss a share of the items."""
    found = recall(ours, theirs)
    return Agreement(found >= 1 - missing, f"recall {found:.3f}")


def recall(ours: Ranked, theirs: Ranked) -> float:
    """Share of our items that are in the same row of theirs."""
    rows = np.arange(len(ours.items), dtype=np.int64)[:, None] << 32
    wanted = (rows + ours.items)[ours.items >= 0]
    return float(np.isin(wanted, rows + theirs.items).mean()) if len(wanted) else 1.0


# ---- weights --------------------------------------------------------------------------------------------------------


def same_entries(ours: csr_array, theirs: Any, tolerance: float) -> Agreement:
    """Compare two sparse matrices, entry by entry, relative to each."""
    first, second = ours.tocsr().sorted_indices(), csr_array(theirs).sorted_indices()
    if not (np.array_equal(first.indptr, second.indptr) and np.array_equal(first.indices, second.indices)):
        return Agreement(False, "other entries are stored")
    apart = np.abs(first.data - second.data) > tolerance * np.abs(first.data)
    if apart.any():
        at = int(np.argmax(apart))
        return Agreement(False, f"entry {at} is {second.data[at]:.6g} instead of {first.data[at]:.6g}")
    return Agreement(True, "same entries")


def same_matrix(ours: Array, theirs: Array, tolerance: float) -> Agreement:
    """Compare two dense matrices, entry by entry, relative to the largest of the first."""
    if ours.shape != theirs.shape:
        return Agreement(False, f"shape {theirs.shape} instead of {ours.shape}")
    apart = float(np.abs(ours - theirs).max(initial=0.0) / np.abs(ours).max(initial=1e-300))
    return Agreement(apart <= tolerance, f"entries differ by {apart:.0e} of the largest")


def elastic_net(user_items: csr_array, weights: csr_array, l1: float, l2: float) -> float:
    """Evaluate the objective of SLIM in float64, a block of users at a time."""
    penalty = (
        l2 / 2 * np.square(weights.data, dtype=np.float64).sum() + l1 * np.abs(weights.data, dtype=np.float64).sum()
    )
    squares = 0.0
    for start in range(0, user_items.shape[0], 1024):
        rows = user_items[start : start + 1024].astype(np.float64)
        squares += float(np.square((rows - rows @ weights).data).sum())
    return squares / 2 + float(penalty)


def squared_error(user_items: csr_array, fit: Factors) -> float:
    """Over all cells, those without an entry as zeros, in float64, a block of users at a time."""
    users, items = fit.users.astype(np.float64), fit.items.astype(np.float64)
    total = float(np.square(user_items.data, dtype=np.float64).sum())
    for start in range(0, len(users), 1024):
        rows = user_items[start : start + 1024].astype(np.float64)
        total -= 2 * float(((rows @ items) * users[start : start + 1024]).sum())
    return total + float(((users.T @ users) * (items.T @ items)).sum())


# ---- ALS ------------------------------------------------------------------------------------------------------------


def same_objective(
    user_items: csr_array,
    ours: Factors,
    theirs: Factors,
    *,
    alpha: float,
    regularization: float,
    tolerance: float,
) -> Agreement:
    """Compare two fits, of as many epochs, of the objective of Hu, Koren, Volinsky (2008).

    Where rows are solved exactly, those of the side solved last must be the solutions for the other side, to
    ``tolerance``: that shows that both minimise the same, whatever they started from. From the same start the
    objective must then be equal, to a tenth of that. Otherwise it may lie above ours by a quarter: a few epochs from a
    luckier start end lower, and steps that stop short end higher.
    """
    residuals = [last_half_step_error(user_items, fit, alpha, regularization) for fit in (ours, theirs)]
    losses = [objective(user_items, fit, alpha, regularization) for fit in (ours, theirs)]
    change = losses[1] / losses[0] - 1
    text = f"objective {100 * change:+.2f} %; last half-step {residuals[1]:.0e} from exact, ours {residuals[0]:.0e}"
    solved = residuals[0] <= tolerance and (residuals[1] <= tolerance or not theirs.exact)
    equal = abs(change) <= tolerance / 10 if theirs.exact and theirs.given_start else change <= _ALLOWED_ABOVE
    return Agreement(bool(solved and equal), text)


def objective(user_items: csr_array, fit: Factors, alpha: float, regularization: float) -> float:
    """Evaluate the objective in float64, a block of entries at a time."""
    users, items = fit.users.astype(np.float64), fit.items.astype(np.float64)
    seen, block = user_items.tocoo(), 1 << 19
    total = np.sum((users.T @ users) * (items.T @ items)) + regularization * (np.sum(users**2) + np.sum(items**2))
    for start in range(0, seen.nnz, block):
        at = slice(start, start + block)
        predicted = np.einsum("ij,ij->i", users[seen.row[at]], items[seen.col[at]])
        total += np.sum((1 + alpha * seen.data[at].astype(np.float64)) * (1 - predicted) ** 2 - predicted**2)
    return float(total)


def last_half_step_error(
    user_items: csr_array, fit: Factors, alpha: float, regularization: float, n_rows: int = 200
) -> float:
    """Largest difference from the exact solution among some rows of the side solved last, relative to the row."""
    rows, solved, fixed = (user_items, fit.users, fit.items) if fit.last == "users" else (
        user_items.T.tocsr(), fit.items, fit.users)  # fmt: skip
    fixed = fixed.astype(np.float64)
    gram = fixed.T @ fixed + regularization * np.eye(fixed.shape[1])
    sampled = np.random.default_rng(0).permutation(np.flatnonzero(np.diff(rows.indptr)))[:n_rows]
    worst = 0.0
    for row in sampled:
        exact = exact_row(rows, int(row), fixed, gram, alpha)
        worst = max(worst, float(np.linalg.norm(solved[row] - exact) / (np.linalg.norm(exact) or 1.0)))
    return worst


def exact_row(rows: csr_array, row: int, fixed: Array, gram: Array, alpha: float) -> Array:
    """Factors of one row by its normal equations."""
    stored = slice(rows.indptr[row], rows.indptr[row + 1])
    weights, seen = 1 + alpha * rows.data[stored].astype(np.float64), fixed[rows.indices[stored]]
    exact: Array = np.linalg.solve(gram + seen.T @ ((weights - 1)[:, None] * seen), seen.T @ weights)
    return exact


# ---- ALS of ratings -------------------------------------------------------------------------------------------------


def same_error(
    ratings: csr_array, ours: Rated, theirs: Rated, *, regularization: float, tolerance: float, nonnegative: bool
) -> Agreement:
    """Compare two fits of ratings, of as many epochs, with penalties in proportion to a row's ratings.

    They start from different places, so that the error of theirs, RMSE on the ratings it learned from, may be a quarter
    larger. Where rows are solved exactly, the gradient of the side solved last must be zero, to ``tolerance`` of its
    right-hand side: that shows that both minimise the same.
    """
    errors = [rating_error(ratings, fit) for fit in (ours, theirs)]
    gradients = [last_gradient(ratings, fit, regularization, nonnegative) for fit in (ours, theirs)]
    text = f"RMSE {errors[1]:.4f}, ours {errors[0]:.4f}; last gradient {gradients[1]:.0e}, ours {gradients[0]:.0e}"
    solved = gradients[0] <= tolerance and (gradients[1] <= tolerance or not theirs.exact)
    return Agreement(bool(solved and errors[1] <= (1 + _ALLOWED_ABOVE) * errors[0]), text)


def rating_error(ratings: csr_array, fit: Rated) -> float:
    """Root of the mean squared error, in float64, a block of entries at a time."""
    seen, block, total = ratings.tocoo(), 1 << 19, 0.0
    for start in range(0, seen.nnz, block):
        at = slice(start, start + block)
        predicted = np.einsum("ij,ij->i", fit.users[seen.row[at]], fit.items[seen.col[at]])
        total += np.sum((seen.data[at] - predicted) ** 2)
    return float(np.sqrt(total / max(seen.nnz, 1)))


def last_gradient(ratings: csr_array, fit: Rated, regularization: float, nonnegative: bool, n_rows: int = 200) -> float:
    """Largest gradient of some rows of the side solved last, relative to its right-hand side."""
    rows, solved, fixed = (ratings, fit.users, fit.items) if fit.last == "users" else (
        ratings.T.tocsr(), fit.items, fit.users)  # fmt: skip
    own_bias = fit.n_factors + (fit.last != "users")
    unknown = [*range(fit.n_factors), *([own_bias] if fixed.shape[1] > fit.n_factors else [])]
    known = [column for column in range(fixed.shape[1]) if column not in unknown]
    worst = 0.0
    for row in np.random.default_rng(0).permutation(np.flatnonzero(np.diff(rows.indptr)))[:n_rows]:
        stored = slice(rows.indptr[row], rows.indptr[row + 1])
        other, x = fixed[rows.indices[stored]], solved[row, unknown]
        target = rows.data[stored] - other[:, known] @ solved[row, known]
        right = other[:, unknown].T @ target
        gradient = other[:, unknown].T @ (other[:, unknown] @ x) + regularization * len(target) * x - right
        if nonnegative:
            gradient = np.where(x > 0, gradient, np.minimum(gradient, 0))
        worst = max(worst, float(np.linalg.norm(gradient) / (np.linalg.norm(right) or 1.0)))
    return worst


# ---- stochastic models ----------------------------------------------------------------------------------------------


def as_good(user_items: csr_array, held_out: csr_array, ours: Factors, theirs: Factors, tolerance: float) -> Agreement:
    """Compare what two fits recommend with what was held out: ours may be worse by a share of theirs.

    Two stochastic fits never agree, and nor do two seeds of one.
    """
    mine, other = (ndcg_at_20(user_items, held_out, fit) for fit in (ours, theirs))
    return Agreement(mine >= (1 - tolerance) * other, f"NDCG@20 {other:.4f}, ours {mine:.4f}")


def as_close(ratings: csr_array, ours: Rated, theirs: Rated, tolerance: float) -> Agreement:
    """Compare how far two fits are from the ratings that they learned from: ours may be worse by a share of theirs."""
    mine, other = (rating_error(ratings, fit) for fit in (ours, theirs))
    return Agreement(mine <= (1 + tolerance) * other, f"RMSE {other:.4f}, ours {mine:.4f}")


def ndcg_at_20(user_items: csr_array, held_out: csr_array, fit: Factors, most_users: int = 10_000) -> float:
    """Mean over users with something held out, of their unseen items ranked by inner products."""
    users = np.flatnonzero(np.diff(held_out.indptr))
    users = np.random.default_rng(0).permutation(users)[:most_users]
    gains = 1 / np.log2(np.arange(2, 22))
    total, block = 0.0, 500
    for start in range(0, len(users), block):
        some = users[start : start + block]
        scores = fit.users[some] @ fit.items.T
        seen = user_items[some].tocoo()
        scores[seen.row, seen.col] = -np.inf
        best = np.argpartition(-scores, min(20, scores.shape[1] - 1), axis=1)[:, :20]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)
        wanted = np.take_along_axis(held_out[some].toarray(), best, 1) > 0
        ideal = np.cumsum(gains)[np.minimum(np.diff(held_out.indptr)[some], 20) - 1]
        total += float(((wanted * gains[: wanted.shape[1]]).sum(axis=1) / ideal).sum())
    return total / max(len(users), 1)
