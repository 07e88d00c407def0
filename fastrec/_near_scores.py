"""What scores of a measure are close to in float32: a form of NearForm (csrc/fastrec/kernels.hpp), and its terms.

The kernel allows for 14 roundings of a score. The sum of products x.y, the division and the score's own type take
three, a product of terms with a constant four. Of a set's part, P + Q + (1 - w) x.y with w the sum of both items'
weights, terms are off by two roundings and what x.y takes away by three: where w is at most 2, that is eight of the
part itself, which is at least (P + Q) / w and x.y. For x.y is at most either item's sum of squares where values are 1,
and their mean where they are positive. A product beside it takes one more.

Log-likelihood ratios are computed in float64 from n ln n of a table, with one part of the second item in float32. Their
terms cancel, by as much as the floor allows for: 64 roundings of N ln N, the largest of them, and two of that part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastrec._types import Array

_LEAST_TERM = 1e-15  # products of two, and their inverses, are far from the limits of float32
_MOST_WEIGHT = 2.0
_LEAST_FLOOR = 1e-36  # scores below may have lost digits
_MOST_USERS = 1 << 22  # of whom n ln n is known for each number up to all
_LOST = 2.0**-149  # what a number below the normal ones of float32 may lose there, and so each user's weight


class NearScores(NamedTuple):
    """As the kernel takes them."""

    form: str
    own: Array  # (terms of the form, n_items), float32
    other: Array  # (terms of the form, number of second items)
    constant: float
    floor: float


_NO_TERMS = np.empty((1, 0), np.float32)
NO_NEAR_SCORES = NearScores("none", _NO_TERMS, _NO_TERMS, 0.0, 0.0)


class Values(NamedTuple):
    """What is known of the values whose products scores are made of."""

    largest_norm: float  # of an item
    ones: bool  # whether all are 1
    positive: bool
    n_users: int


@np.errstate(all="ignore")  # terms that are no numbers have none
def near_scores(
    formula: str,
    own: Array,
    other: Array,
    shrinkage: float,
    weights: Sequence[float],
    values: Values,
) -> NearScores:
    """Near scores of a formula with its terms, or none."""
    if not min([shrinkage, *weights]) >= 0:  # parts of a denominator could cancel
        return NO_NEAR_SCORES
    if formula == "quotient":
        return _quotient(own, other, shrinkage, values)
    if formula == "lift" and values.n_users:
        return _quotient(own / values.n_users, other, shrinkage / values.n_users, values)
    if formula == "overlap":
        return _checked("lesser", own, other, shrinkage, 1.0, values)
    if formula == "tversky":
        return _sum(own, other, shrinkage, (1.0, *weights), [], values)
    if formula == "s_plus":
        products = [(weight, at) for at, weight in ((1, weights[3]), (2, weights[4])) if weight]
        if weights[5] == 1 and len(products) < 2:
            return _sum(own, other, shrinkage, weights[:3], products, values)
    if formula == "log_likelihood_ratio" and values.ones and 0 < values.n_users <= _MOST_USERS:
        return _likelihood(own[0], other[0], values.n_users)
    return NO_NEAR_SCORES


def _likelihood(own: Array, other: Array, n_users: int) -> NearScores:
    """Of the counts of items; the second ones with N ln N - n ln n - (N - n) ln (N - n)."""
    of_all = n_users * np.log(n_users)
    of_others = of_all - sum(n * np.log(np.maximum(n, 1)) for n in (other, n_users - other))
    floor = 64 * np.finfo(np.float64).eps * of_all + 4 * np.finfo(np.float32).eps * of_others.max(initial=0)
    firsts, seconds = np.array([own, np.zeros_like(own)], np.float32), np.array([other, of_others], np.float32)
    return NearScores("likelihood", firsts, seconds, float(n_users), float(floor))


def _quotient(own: Array, other: Array, shrinkage: float, values: Values) -> NearScores:
    """Without shrinkage by inverse terms, since to multiply is cheaper than to divide."""
    near = _checked("quotient", own, other, shrinkage, _least(own[0]) * _least(other[0]) + shrinkage, values)
    if near.form == "none" or shrinkage:
        return near
    inverse_own, inverse_other = ((1 / terms).astype(np.float32) for terms in (own, other))
    return near._replace(form="product", own=inverse_own, other=inverse_other)


def _sum(
    own: Array,
    other: Array,
    shrinkage: float,
    weights: Sequence[float],
    products: Sequence[tuple[float, int]],
    values: Values,
) -> NearScores:
    """A set's part, with its weight and those of both items in it, and perhaps a product of terms with its own."""
    share, first, second = weights
    total = first + second
    if not (values.positive and (values.ones or first == second or total <= 1) and total <= _MOST_WEIGHT):
        return NO_NEAR_SCORES
    firsts, seconds = [share * first * own[0] + shrinkage], [share * second * other[0]]
    least = share * (first * _least(own[0]) + second * _least(other[0])) / _MOST_WEIGHT + shrinkage
    for weight, at in products:
        firsts.append(weight * own[at])
        seconds.append(other[at])
        least += _least(firsts[-1]) * _least(seconds[-1])
    form = "sum_and_product" if products else "sum"
    return _checked(form, np.array(firsts), np.array(seconds), share * (1 - total), least, values)


def _least(terms: Array) -> float:
    """The least that is not zero, as that of an item without users may be; 1 where there is none."""
    terms = terms[terms != 0]
    return float(terms.min()) if len(terms) else 1.0


def _checked(form: str, own: Array, other: Array, constant: float, least: float, values: Values) -> NearScores:
    """Near scores, unless a term is too small or too large for them; ``least`` is the smallest denominator."""
    terms = np.concatenate([own.ravel(), other.ravel()])
    terms = terms[terms != 0]  # nothing that an item of zeros is part of has another score in float32
    if not len(terms):
        return NO_NEAR_SCORES
    largest = max(terms.max(), constant, values.largest_norm)
    if not (terms.min() >= _LEAST_TERM and largest <= 1 / _LEAST_TERM and least > 0):
        return NO_NEAR_SCORES
    floor = _LEAST_FLOOR if values.ones else _LEAST_FLOOR + _LOST * max(values.n_users, 1) / least
    return NearScores(form, own.astype(np.float32), other.astype(np.float32), constant, floor)
