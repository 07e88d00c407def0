"""Which interactions to learn from, and which to predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastrec import _check


def split_by_time(users: Any, times: Any, *, test_fraction: float = 0.2) -> npt.NDArray[np.bool_]:
    """Put the latest part of every user's interactions into the test.

    Parameters
    ----------
    users : array_like of int, shape (n_interactions,)
        Whose each interaction is: ids of at least 0, in any order.
    times : array_like of int, float or datetime64, shape (n_interactions,)
        When it was. NaN and NaT are errors.
    test_fraction : float in [0, 1], default 0.2
        A user with n interactions has floor(test_fraction * n) of them in the test; so below 1 everybody keeps one.

    Returns
    -------
    ndarray of bool, shape (n_interactions,)
        True for the test. No user has an interaction to learn from that is later than one in the test. Of equal times,
        what stands later in the input counts as later.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.

    Examples
    --------
    >>> from fastrec.evaluation import split_by_time
    >>> split_by_time([7, 7, 9, 7, 7], [30, 10, 5, 40, 20], test_fraction=0.5)
    array([ True, False, False,  True, False])
    """
    users = _check.ids_at_least_zero(users, "users", np.iinfo(np.int64).max, unit="users")
    times = _check.times(times, "times")
    _check.same_size(len(users), "users", len(times), "times", "interactions")
    test_fraction = _check.real(test_fraction, "test_fraction", 0, 1)

    order = np.lexsort((times, users))  # stable
    _, firsts, counts = np.unique(users[order], return_index=True, return_counts=True)
    n_test = np.floor(test_fraction * counts * (1 + 1e-12)).astype(np.int64)  # 0.29 * 100 is a little below 29
    n_test = np.minimum(n_test, counts - (test_fraction < 1))
    position = np.arange(len(users)) - np.repeat(firsts, counts)
    test = np.empty(len(users), np.bool_)
    test[order] = position >= np.repeat(counts - n_test, counts)
    return test
