"""Scores in float32, which decide what is scored exactly: how far they are off at most, of terms of every kind."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from equality import assert_rejects
from fastrec._near_scores import Values, near_scores

ERROR = 1e-6  # near_error of csrc/fastrec/rows/near_scores.hpp
N_USERS = 10**6

magnitudes = st.sampled_from([1e-7, 1.0, 1e7]) | st.floats(-7.4, 7.4).map(lambda power: 10.0**power)
weights = st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 0.9, 1.0, 1.7, 2.0]) | st.floats(0, 2)
shares = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)


def exact(formula, dot, own, other, shrinkage, weights):
    """The formulas of csrc/fastrec/rows/measures.hpp."""
    x, y = own[0], other[0]
    if formula == "quotient":
        return dot / (x * y + shrinkage)
    if formula == "lift":
        return dot * N_USERS / (x * y + shrinkage)
    if formula == "overlap":
        return dot / (min(x, y) + shrinkage)
    if formula == "tversky":
        return dot / (weights[0] * (x - dot) + weights[1] * (y - dot) + dot + shrinkage)
    of_set = weights[0] * (weights[1] * (x - dot) + weights[2] * (y - dot) + dot)
    return dot / (of_set + weights[3] * own[1] * other[1] + weights[4] * own[2] * other[2] + shrinkage)


def near(found, dot):
    """What the kernel computes of a pair, in float32."""
    dot, constant = np.float32(dot), np.float32(found.constant)
    x, y = found.own[0, 0], found.other[0, 0]
    if found.form == "product":
        return dot * (x * y)
    if found.form == "quotient":
        return dot / (x * y + constant)
    if found.form == "lesser":
        return dot / (min(x, y) + constant)
    below = (x + y) + constant * dot
    return dot / (below + found.own[1, 0] * found.other[1, 0] if found.form == "sum_and_product" else below)


@st.composite
def pairs(draw):
    """A formula, its terms of two items, their product, and what is known of the values."""
    formula = draw(st.sampled_from(["quotient", "lift", "overlap", "tversky", "s_plus"]))
    shrinkage = draw(st.sampled_from([0.0, 0.0, 1e-3, 1.0, 1e3]))
    ones = formula in ("lift", "overlap") or draw(st.booleans())
    if ones:
        x, y = (float(draw(st.integers(1, 2**26))) for _ in range(2))
        dot = float(draw(st.integers(1, int(min(x, y)))))
    else:
        x, y = draw(magnitudes), draw(magnitudes)
        part = draw(st.sampled_from([1.0, 1 - 1e-9, 1 - 1e-4, 0.5, 1e-33, 1e-34, 1e-35, 1e-60]) | st.floats(1e-38, 1))
        dot = np.sqrt(x) * np.sqrt(y) * part
    terms, own_weights = [x], []
    if formula == "quotient":
        terms = [np.sqrt(x)]
    elif formula == "tversky":
        own_weights = [draw(weights), draw(weights)]
    elif formula == "s_plus":
        terms = [x, draw(magnitudes), draw(magnitudes)]
        of_products = draw(st.sampled_from([(0.5, 0.0), (0.0, 2.0), (0.0, 0.0)]))
        own_weights = [draw(shares), draw(weights), draw(weights), *of_products, 1.0]
    other = [np.sqrt(y) if formula == "quotient" else y, *(draw(magnitudes) for _ in terms[1:])]
    values = Values(float(np.sqrt(max(x, y))), ones, True, N_USERS)
    columns = [np.array(each)[:, None] for each in (terms, other)]
    return formula, dot, *columns, shrinkage, own_weights, values


def are_near(near_scores):
    @given(pairs())
    def law(pair):
        formula, dot, own, other, shrinkage, own_weights, values = pair
        found = near_scores(formula, own, other, shrinkage, own_weights, values)
        assume(found.form != "none")
        with np.errstate(all="ignore"):
            score = np.float32(exact(formula, dot, own[:, 0], other[:, 0], shrinkage, own_weights))
            off = abs(float(near(found, dot)) - float(score))
        assert off <= ERROR * abs(float(score)) + found.floor

    return law


def test_near_scores_are_near():
    are_near(near_scores)()


def of_five_digits(*args):
    found = near_scores(*args)
    return found._replace(own=found.own * np.float32(1 + 3e-6))


def test_the_law_can_fail():
    assert_rejects(are_near, of_five_digits)


def test_products_that_lose_digits():
    """Below the normal numbers of float32, which only the floor allows for."""
    term, values = 3e-4, Values(3e-4, False, True, N_USERS)
    found = near_scores("quotient", np.full((1, 1), term), np.full((1, 1), term), 0.0, [], values)
    with np.errstate(under="ignore"):
        scores = {dot: np.float32(dot / term**2) for dot in np.linspace(1e-41, 1e-40, 20)}
        off = [abs(float(near(found, dot)) - float(score)) for dot, score in scores.items()]
    assert max(off) > ERROR * float(max(scores.values()))
    assert max(off) <= found.floor


@pytest.mark.parametrize(
    ("formula", "own_weights", "values", "form"),
    [
        ("quotient", [], Values(1.0, False, False, 9), "product"),
        ("quotient", [], Values(1e16, False, True, 9), "none"),
        ("lift", [], Values(1.0, True, True, 9), "product"),
        ("overlap", [], Values(1.0, True, True, 9), "lesser"),
        ("tversky", [1.0, 1.0], Values(1.0, False, True, 9), "sum"),
        ("tversky", [1.0, 1.0], Values(1.0, False, False, 9), "none"),  # negative products
        ("tversky", [1.2, 0.8], Values(1.0, True, True, 9), "sum"),
        ("tversky", [1.2, 0.8], Values(1.0, False, True, 9), "none"),  # the product may be close to the whole sum
        ("tversky", [0.6, 0.3], Values(1.0, False, True, 9), "sum"),
        ("tversky", [1.2, 1.2], Values(1.0, True, True, 9), "none"),
        ("tversky", [-0.1, 0.6], Values(1.0, True, True, 9), "none"),
        ("s_plus", [0.5, 1.0, 1.0, 0.5, 0.0, 1.0], Values(1.0, True, True, 9), "sum_and_product"),
        ("s_plus", [0.5, 1.0, 1.0, 0.0, 0.5, 1.0], Values(1.0, True, True, 9), "sum_and_product"),
        ("s_plus", [0.5, 1.0, 1.0, 0.0, 0.0, 1.0], Values(1.0, True, True, 9), "sum"),
        ("s_plus", [0.5, 1.0, 1.0, 0.5, 0.5, 1.0], Values(1.0, True, True, 9), "none"),
        ("s_plus", [0.5, 1.0, 1.0, 0.5, 0.0, 0.5], Values(1.0, True, True, 9), "none"),
        ("log_likelihood_ratio", [], Values(1.0, True, True, 9), "likelihood"),
        ("log_likelihood_ratio", [], Values(1.0, True, True, 10**7), "none"),  # a table of all numbers of users
        ("pointwise_mutual_information", [], Values(1.0, True, True, 9), "none"),
    ],
)
def test_which_formulas_have_them(formula, own_weights, values, form):
    terms = np.full((3 if formula == "s_plus" else 1, 4), 3.0)
    assert near_scores(formula, terms, terms, 0.0, own_weights, values).form == form


def test_terms_that_have_none():
    terms = np.array([[1e-16, 1.0]])
    assert near_scores("quotient", terms, terms, 0.0, [], Values(1.0, False, True, 9)).form == "none"
    assert near_scores("quotient", terms[:, 1:], 1 / terms, 0.0, [], Values(1.0, False, True, 9)).form == "none"
    assert near_scores("quotient", terms[:, 1:], terms[:, 1:], 1e16, [], Values(1.0, False, True, 9)).form == "none"
    assert near_scores("quotient", terms[:, 1:], terms[:, 1:], -0.5, [], Values(1.0, False, True, 9)).form == "none"
    assert near_scores("quotient", 0 * terms, terms[:, 1:], 0.0, [], Values(1.0, False, True, 9)).form == "product"
    assert near_scores("quotient", 0 * terms, 0 * terms, 0.0, [], Values(0.0, False, True, 9)).form == "none"


def likelihood(dot, x, y, n):
    """The formula of csrc/fastrec/rows/measures.hpp."""
    cells = [(dot, x * y), (x - dot, x * (n - y)), (y - dot, (n - x) * y), (n - x - y + dot, (n - x) * (n - y))]
    return 2 * sum(k * np.log(k / (products / n)) for k, products in cells if k > 0)


def near_likelihood(found, dot, n_users):
    """What the kernel computes of a pair."""
    x, y, own = found.own[0, 0], found.other[0, 0], found.other[1, 0]
    n = np.array([dot, x - dot, y - dot, n_users - x - y + dot, x, n_users - x], np.float64)
    sums = (n * np.log(np.maximum(n, 1))) @ [1, 1, 1, 1, -1, -1]
    return np.float32(2 * (sums + np.float64(own)))


def likelihoods_are_near(near_scores):
    @given(st.data(), st.sampled_from([1, 2, 9, 1000, 30_000]))
    def law(data, n_users):
        x, y = (data.draw(st.integers(1, n_users)) for _ in range(2))
        least = max(1, x + y - n_users)
        assume(least <= min(x, y))
        dot = data.draw(st.integers(least, min(x, y)))
        counts = [np.array([[float(count)]]) for count in (x, y)]
        found = near_scores("log_likelihood_ratio", *counts, 0.0, [], Values(1.0, True, True, n_users))
        score = np.float32(likelihood(dot, x, y, n_users))
        off = abs(float(near_likelihood(found, dot, n_users)) - float(score))
        assert off <= ERROR * abs(float(score)) + found.floor / 2  # of two that are compared

    return law


def test_likelihoods_are_near():
    likelihoods_are_near(near_scores)()


def test_the_law_of_likelihoods_can_fail():
    def of_five_digits(*args):
        found = near_scores(*args)
        return found._replace(other=found.other * np.array([[1], [1 + 3e-6]], np.float32))

    assert_rejects(likelihoods_are_near, of_five_digits)
