"""Splits, metrics and scorers against their definitions and their laws."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.sparse import coo_array, csr_array, random_array
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import fastrec
from fastrec import TopK
from fastrec.evaluation import ndcg_at_k, ndcg_scorer, recall_at_k, recall_scorer, rmse, rmse_scorer, split_by_time
from fastrec.reference import evaluation as reference

METRICS = ("recall_at_k", "ndcg_at_k")
OURS = {"recall_at_k": recall_at_k, "ndcg_at_k": ndcg_at_k}


@st.composite
def recommendations(draw, repeated=True):
    """What is recommended to a few users, with padding anywhere, and what is relevant to them."""
    n_users, n_items, k = draw(st.integers(0, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 8))
    items = st.lists(st.integers(-1, n_items - 1), min_size=k, max_size=k)
    if not repeated:
        items = st.permutations([*range(n_items), *[-1] * k]).map(lambda row: row[:k])
    recommended = np.array(draw(st.lists(items, min_size=n_users, max_size=n_users)), np.int32).reshape(n_users, k)
    values = st.lists(st.integers(-1, 2), min_size=n_items, max_size=n_items)
    relevant = np.array(draw(st.lists(values, min_size=n_users, max_size=n_users)), np.float32)
    return recommended, csr_array(relevant.reshape(n_users, n_items))


# ---- metrics --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@given(case=recommendations(), data=st.data())
def test_equals_reference(metric, case, data):
    recommended, relevant = case
    k = data.draw(st.none() | st.integers(1, recommended.shape[1]))
    expected = getattr(reference, metric)(recommended, relevant, k)
    assert OURS[metric](recommended, relevant, k) == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_by_hand():
    relevant = csr_array(np.array([[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], bool))
    recommended = [[3, 1, 0], [3, -1, -1], [0, 1, 2]]
    assert recall_at_k(recommended, relevant) == pytest.approx((2 / 3 + 1) / 2)
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg_at_k(recommended, relevant) == pytest.approx(((1 / math.log2(3) + 1 / 2) / ideal + 1) / 2)
    assert recall_at_k(recommended, relevant, 1) == 0.5
    assert ndcg_at_k(recommended, relevant, 1) == 0.5


@given(relevant=recommendations().map(lambda case: case[1]), k=st.integers(1, 8))
def test_perfect_ranking_is_exactly_one(relevant, k):
    best = fastrec.top_k(relevant.toarray().astype(np.float32), k)
    if (relevant.data > 0).any():
        assert ndcg_at_k(best, relevant) == 1.0
        within_k = csr_array(relevant.toarray() * ((relevant.toarray() > 0).sum(axis=1) <= k)[:, None])
        if (within_k.data > 0).any():
            assert recall_at_k(best, within_k) == 1.0


@pytest.mark.parametrize("metric", METRICS)
@given(case=recommendations(), random=st.randoms(use_true_random=False))
def test_permuting_users_changes_nothing(metric, case, random):
    recommended, relevant = case
    order = list(range(len(recommended)))
    random.shuffle(order)
    permuted = OURS[metric](recommended[order], relevant[order])
    assert permuted == pytest.approx(OURS[metric](recommended, relevant), rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("metric", METRICS)
@given(case=recommendations(), n_columns=st.integers(0, 3))
def test_padding_never_counts(metric, case, n_columns):
    recommended, relevant = case
    padded = np.hstack([recommended, np.full((len(recommended), n_columns), -1, np.int32)])
    assert OURS[metric](padded, relevant, recommended.shape[1]) == pytest.approx(
        OURS[metric](recommended, relevant), rel=0, abs=0, nan_ok=True
    )
    assert recall_at_k(padded, relevant) == pytest.approx(recall_at_k(recommended, relevant), rel=0, abs=0, nan_ok=True)
    nothing = np.full_like(recommended, -1)
    assert OURS[metric](nothing, relevant) == pytest.approx(0 if (relevant.data > 0).any() else math.nan, nan_ok=True)


@given(case=recommendations())
def test_recall_grows_with_k(case):
    recommended, relevant = case
    recalls = [recall_at_k(recommended, relevant, k) for k in range(1, recommended.shape[1] + 1)]
    assert recalls == sorted(recalls) or all(map(math.isnan, recalls))


@pytest.mark.parametrize("metric", METRICS)
@given(case=recommendations())
def test_lies_between_zero_and_one_whatever_is_repeated(metric, case):
    value = OURS[metric](*case)
    assert math.isnan(value) or 0 <= value <= 1


@pytest.mark.parametrize("metric", METRICS)
@given(case=recommendations())
def test_takes_answers_and_any_sparse_format(metric, case):
    recommended, relevant = case
    answer = TopK(recommended, np.zeros(recommended.shape, np.float32))
    expected = pytest.approx(OURS[metric](recommended, relevant), rel=0, abs=0, nan_ok=True)
    assert OURS[metric](answer, coo_array(relevant)) == expected
    assert OURS[metric](recommended.astype(np.int64), relevant > 0) == expected
    assert OURS[metric](np.maximum(recommended, 0).astype(np.uint64), relevant) == pytest.approx(
        OURS[metric](np.maximum(recommended, 0), relevant), rel=0, abs=0, nan_ok=True
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("recommended", "k", "error", "part"),
    [
        ([0, 1], None, ValueError, "shape (2,)"),
        ([[0], [1], [1]], None, ValueError, "3 rows"),
        ([[0], [3]], None, ValueError, "got 3"),
        ([[0], [-2]], None, ValueError, "got -2"),
        ([[0.0], [1.0]], None, TypeError, "float64"),
        ([[0], [1]], 2, ValueError, "got 2"),
        ([[0], [1]], 0, ValueError, "got 0"),
        ([[0], [1]], 1.0, TypeError, "float"),
    ],
)
def test_metric_errors(metric, recommended, k, error, part):
    with pytest.raises(error) as raised:
        OURS[metric](recommended, csr_array(np.ones((2, 3))), k)
    assert part in str(raised.value)


numbers = st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), max_size=30)


@given(numbers)
def test_rmse_equals_reference(pairs):
    predicted, ratings = np.array(pairs, np.float64).reshape(-1, 2).T
    expected = pytest.approx(reference.rmse(predicted, ratings), rel=1e-12, nan_ok=True)
    assert rmse(predicted, ratings) == expected
    assert rmse(predicted[::-1], list(ratings[::-1])) == pytest.approx(rmse(predicted, ratings), rel=0, nan_ok=True)


def test_rmse_by_hand():
    assert rmse([1, 2, 3], [1, 2, 5]) == math.sqrt(4 / 3)
    assert rmse(np.float32([3.5]), np.int8([3])) == 0.5


@pytest.mark.parametrize(
    ("predicted", "ratings", "error", "part"),
    [
        ([1.0, 2.0], [1.0], ValueError, "predicted has 2 values but ratings has 1"),
        ([1.0, math.nan], [1.0, 2.0], ValueError, "predicted"),
        ([1.0], [math.inf], ValueError, "ratings"),
        ([[1.0]], [1.0], ValueError, "shape (1, 1)"),
        (["1"], [1.0], TypeError, "predicted"),
    ],
)
def test_rmse_errors(predicted, ratings, error, part):
    with pytest.raises(error) as raised:
        rmse(predicted, ratings)
    assert part in str(raised.value)


# ---- split ----------------------------------------------------------------------------------------------------------

interactions = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=40)
fractions = st.sampled_from([0.0, 0.1, 0.2, 0.29, 0.5, 0.7, 1.0]) | st.floats(0, 1)


@given(interactions, fractions)
@example([(0, 0)], 1 - 2**-53)
def test_split_equals_reference(pairs, fraction):
    users, times = np.array(pairs, np.int64).reshape(-1, 2).T
    expected = reference.split_by_time(users, times, test_fraction=fraction)
    assert split_by_time(users, times, test_fraction=fraction).tolist() == expected.tolist()


@given(interactions, fractions)
@example([(0, 0)], 1 - 2**-53)
def test_nobody_learns_from_what_is_later_than_the_test(pairs, fraction):
    users, times = np.array(pairs, np.int64).reshape(-1, 2).T
    test = split_by_time(users, times, test_fraction=fraction)
    for user in set(users.tolist()):
        earlier, later = times[(users == user) & ~test], times[(users == user) & test]
        n = len(earlier) + len(later)
        assert len(later) == min(math.floor(round(fraction * n, 6)), n - (fraction < 1))
        assert not len(earlier) or not len(later) or earlier.max() <= later.min()


def test_split_of_equal_times_and_of_dates():
    users, times = [3, 3, 3, 3], [7, 7, 7, 7]
    assert split_by_time(users, times, test_fraction=0.5).tolist() == [False, False, True, True]
    dates = np.array(["2020-01-03", "2020-01-01", "2020-01-04", "2020-01-02"], "datetime64[D]")
    assert split_by_time(users, dates, test_fraction=0.5).tolist() == [True, False, True, False]
    nanoseconds = np.array([2**60 + 1, 2**60], np.int64)  # equal as float64
    assert split_by_time([0, 0], nanoseconds, test_fraction=0.5).tolist() == [True, False]


def test_a_fraction_that_floats_cannot_spell():
    assert split_by_time(np.zeros(100, int), np.arange(100), test_fraction=0.29).sum() == 29


@pytest.mark.parametrize(
    ("users", "times", "fraction", "error", "part"),
    [
        ([0, 1], [1], 0.2, ValueError, "2 interactions"),
        ([0, -1], [1, 2], 0.2, ValueError, "got -1"),
        ([0.5, 1], [1, 2], 0.2, TypeError, "float64"),
        ([0, 1], [1, math.nan], 0.2, ValueError, "NaN"),
        ([0, 1], np.array(["2020", "NaT"], "datetime64[D]"), 0.2, ValueError, "NaT"),
        ([0, 1], ["a", "b"], 0.2, TypeError, "dtype <U1"),
        ([0, 1], [[1, 2]], 0.2, ValueError, "shape (1, 2)"),
        ([0, 1], [1, 2], 1.5, ValueError, "got 1.5"),
        ([0, 1], [1, 2], math.nan, ValueError, "got nan"),
    ],
)
def test_split_errors(users, times, fraction, error, part):
    with pytest.raises(error) as raised:
        split_by_time(users, times, test_fraction=fraction)
    assert part in str(raised.value)


# ---- scorers --------------------------------------------------------------------------------------------------------


class Oracle:
    """Knows everything; notes what it is shown."""

    def __init__(self, user_items):
        self.user_items = user_items

    def recommend(self, users, rest, k):
        assert users is None
        self.rest = rest
        return fastrec.top_k(csr_array(self.user_items - rest).toarray(), k)


def blocks(n_users=60, n_items=40, seed=0):
    """Two groups of users with tastes of their own, so that there is something to learn."""
    random = np.random.default_rng(seed)
    group = np.arange(n_users)[:, None] % 2 == np.arange(n_items)[None, :] % 2
    return csr_array((random.random((n_users, n_items)) < np.where(group, 0.5, 0.02)).astype(np.float32))


@pytest.mark.parametrize("make", [recall_scorer, ndcg_scorer])
def test_scorer_hides_a_part_of_every_row(make):
    user_items = blocks()
    oracle = Oracle(user_items)
    assert make(20)(oracle, user_items) == 1.0
    n, shown = np.diff(user_items.indptr), np.diff(oracle.rest.indptr)
    assert (n - shown == n // 5).all()
    assert csr_array(user_items - oracle.rest).min() >= 0
    again = Oracle(user_items)
    make(20)(again, user_items, None)
    assert (again.rest != oracle.rest).nnz == 0
    make(20, random_state=1)(again, user_items)
    assert (again.rest != oracle.rest).nnz > 0


@pytest.mark.parametrize("make", [recall_scorer, ndcg_scorer])
def test_scorer_in_grid_search(make):
    search = pytest.importorskip("sklearn.model_selection").GridSearchCV(
        fastrec.ImplicitALS(n_factors=4, n_epochs=5, random_state=0),
        {"n_epochs": [0, 5]},
        scoring=make(10),
        cv=3,
        error_score="raise",
    )
    search.fit(blocks())
    assert search.best_params_ == {"n_epochs": 5}  # no epoch, no factors
    assert 0 < search.best_score_ <= 1


@pytest.mark.parametrize("model", [fastrec.Popularity(), fastrec.ItemKNN(k=10)])
def test_scorer_takes_every_model_and_travels(model):
    scorer = pickle.loads(pickle.dumps(recall_scorer(10)))
    user_items = blocks()
    assert 0 < scorer(model.fit(user_items), user_items) <= 1


def rated(n_users=50, n_items=30, seed=0):
    """Ratings of -2 to 2 that items differ in, with zeros among them."""
    random = np.random.default_rng(seed)
    pattern = random.random((n_users, n_items)) < 0.4
    quality = np.clip(np.round(random.normal(0, 0.5, pattern.shape) + random.normal(0, 1, n_items)), -2, 2)
    rows, columns = np.nonzero(pattern)
    return csr_array((quality[rows, columns], (rows, columns)), shape=pattern.shape)


class Rater:
    """Predicts what is true, and a half more."""

    def __init__(self, ratings):
        self.truth, self.calls = ratings.toarray(), []

    def recommend(self, users, rest, k, *, exclude_seen, candidates):
        first = sum(len(shown) for shown, _ in self.calls)
        self.calls.append((rest.toarray(), candidates))
        scores = np.full(rest.shape, np.nan)
        rows = np.repeat(np.arange(len(scores)), np.diff(candidates.indptr))
        scores[rows, candidates.indices] = 0.5 + self.truth[first:][rows, candidates.indices]
        return fastrec.top_k(scores, k)


@pytest.mark.parametrize("together", [1, 100, 1 << 22])
def test_rmse_scorer_asks_for_every_hidden_rating(together, monkeypatch):
    monkeypatch.setattr("fastrec.evaluation.scorers._SCORES_TOGETHER", together)
    ratings = rated()
    assert (ratings.data == 0).any()
    rater = Rater(ratings)
    assert rmse_scorer(hidden_fraction=0.5)(rater, ratings) == -0.5
    hidden = sum(candidates.nnz for _, candidates in rater.calls)
    assert hidden == (np.diff(ratings.indptr) // 2).sum()
    assert math.isnan(rmse_scorer(hidden_fraction=1e-9)(Rater(ratings), ratings))


def test_rmse_scorer_in_grid_search():
    search = pytest.importorskip("sklearn.model_selection").GridSearchCV(
        fastrec.ExplicitALS(n_factors=2, n_epochs=5, random_state=0),
        {"regularization": [0.05, 100.0]},
        scoring=pickle.loads(pickle.dumps(rmse_scorer())),
        cv=3,
        error_score="raise",
    )
    search.fit(rated())
    assert search.best_params_ == {"regularization": 0.05}
    assert -1 < search.best_score_ < 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"hidden_fraction": 2}, ValueError), ({"random_state": -1}, ValueError), ({"random_state": None}, TypeError)],
)
def test_rmse_scorer_errors(arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        rmse_scorer(**arguments)


@pytest.mark.parametrize("make", [recall_scorer, ndcg_scorer])
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"k": 0}, ValueError),
        ({"k": 1.0}, TypeError),
        ({"hidden_fraction": 2}, ValueError),
        ({"hidden_fraction": math.nan}, ValueError),
        ({"random_state": -1}, ValueError),
        ({"random_state": None}, TypeError),
    ],
)
def test_scorer_errors(make, arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        make(**arguments)


def test_errors_of_any_size():
    assert rmse([1e154] * 10, [0.0] * 10) == 1e154
    assert rmse([1e300, 1e300], [0, 0]) == 1e300
    assert rmse([1e-300, 0], [0, 0]) == pytest.approx(1e-300 / np.sqrt(2))
    assert rmse([0.0], [0.0]) == 0


def test_lists_of_nothing_have_no_hits():
    relevant = csr_array(np.ones((2, 3)))
    assert ndcg_at_k(np.empty((2, 0), np.int32), relevant) == recall_at_k(np.empty((2, 0), np.int32), relevant) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: recall_at_k([[1, 2], [1]], csr_array(np.ones((2, 3)))), "recommended: expected an array"),
        (
            lambda: recall_at_k(np.ma.masked_array([[1]], [[True]]), csr_array(np.ones((1, 3)))),
            r"recommended: .*mask",
        ),
        (lambda: split_by_time([0, 0], np.ma.masked_array([1, 2], [True, False])), r"times: .*mask"),
        (lambda: split_by_time([0, 0], [[1], [1, 2]]), "times: expected an array"),
        (lambda: recall_at_k({1, 2}, csr_array(np.ones((1, 3)))), r"recommended: .*a set; pass a list"),
    ],
)
def test_what_is_no_array_is_refused_by_name(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_everybody_keeps_one_below_a_fraction_of_one():
    for fraction in (0.5, 0.99, 1 - 1e-8, np.nextafter(1, 0)):
        assert not split_by_time([0], [1], test_fraction=fraction).any()
    assert split_by_time([0], [1], test_fraction=1).all()
    assert split_by_time([0] * 10, range(10), test_fraction=0.09999996).sum() == 0
    assert split_by_time([0] * 100, range(100), test_fraction=0.29).sum() == 29


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_some_but_not_all_are_hidden(fraction):
    with pytest.raises(ValueError, match="hidden_fraction"):
        recall_scorer(5, hidden_fraction=fraction)


def test_ratings_that_a_model_does_not_rank_are_told():
    rows = random_array((30, 20), density=0.2, rng=np.random.default_rng(0), format="csr")
    model = fastrec.ItemKNN(2).fit(rows)
    with pytest.raises(
        ValueError, match=r"estimator: expected a model of ratings, .* got ItemKNN, which ranked \d+ of"
    ):
        rmse_scorer()(model, rows)


def test_a_pipeline_is_scored_by_its_last_step():
    rows = csr_array((np.random.default_rng(0).random((40, 20)) < 0.2).astype(np.float32))
    double = FunctionTransformer(lambda x: 2 * x)
    model = Pipeline([("double", double), ("model", fastrec.ItemKNN(5))]).fit(rows)
    assert recall_scorer(5)(model, rows) == recall_scorer(5)(fastrec.ItemKNN(5).fit(2 * rows), 2 * rows)
