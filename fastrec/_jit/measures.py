"""A similarity measure that the user wrote, as the C++ kernel calls it: once for a block of pairs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from fastrec._jit.decorator import callback, view

_SIGNATURE = (
    "int64(int64, CPointer(float64), CPointer(float64), int64, CPointer(int32), CPointer(float64), CPointer(float64), "
    "int64, int64, float64, CPointer(float64))"
)


@functools.lru_cache(maxsize=64)
def block_function(measure: Callable[..., float]) -> Any:
    """Compile csrc's CustomFormula around ``measure``; the answer's ``address`` is valid as long as it lives."""

    @callback(_SIGNATURE)
    def score_block(  # type: ignore[no-untyped-def]
        n, dots, n_common, item, ranks, own, other, n_items, n_ranks, n_users, scores
    ):
        ranks_of, firsts, seconds = view(ranks, n), view(own, (3, n_items)), view(other, (3, n_ranks))
        x, common, out = view(dots, n), view(n_common, n), view(scores, n)
        count, total, sumsq = firsts[0, item], firsts[1, item], firsts[2, item]
        for pair in range(n):
            rank = ranks_of[pair]
            try:
                out[pair] = measure(
                    x[pair], common[pair], count, seconds[0, rank], total, seconds[1, rank], sumsq, seconds[2, rank],
                    n_users,
                )  # fmt: skip
            except Exception:  # the caller asks again, in Python, and lets it out
                return pair
        return n

    return score_block
