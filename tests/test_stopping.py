"""EarlyStopping: after which epoch a fit ends, and which model it keeps."""

import numpy as np
import pytest

import fastrec
from fastrec.models.base import Estimator
from fastrec.models.stopping import Watch


class Counter(Estimator):
    """Learns the number of its epochs."""

    _learned = ("epochs_",)
    _optional = ("n_epochs_", "validation_scores_")

    def __init__(self, n_epochs=10):
        self.n_epochs = n_epochs

    def fit(self, early_stopping=None, losses=None):
        watch, epochs = Watch(early_stopping, self, self.n_epochs), 0

        def learned():
            return {"epochs_": epochs}

        for epoch in range(self.n_epochs):
            epochs += 1
            if watch.is_over(losses[epoch] if watch.needs_loss else np.nan, learned):
                break
        self.n_run = epochs
        return self._learn(watch.outcome(learned))

    def _check_learned(self):
        pass


def by_scores(scores, n_epochs=None, **options):
    """A fit whose model has these scores after its epochs."""
    rule = fastrec.EarlyStopping(lambda model: scores[model.epochs_ - 1], **{"min_improvement": 0, **options})
    return Counter(len(scores) if n_epochs is None else n_epochs).fit(rule)


def test_without_a_rule_all_epochs_are_run_and_nothing_is_kept():
    fitted = Counter(4).fit()
    assert fitted.epochs_ == fitted.n_run == 4
    assert not hasattr(fitted, "n_epochs_")


def test_ends_after_patience_and_keeps_the_best():
    fitted = by_scores([1.0, 3.0, 2.0, 2.5, 9.0], patience=2)
    assert fitted.n_run == 4
    assert fitted.epochs_ == fitted.n_epochs_ == 2
    np.testing.assert_array_equal(fitted.validation_scores_, [1.0, 3.0, 2.0, 2.5])


def test_a_score_that_keeps_rising_takes_all_epochs():
    fitted = by_scores([1.0, 2.0, 3.0, 4.0], patience=1)
    assert fitted.n_run == fitted.n_epochs_ == fitted.epochs_ == 4


def test_scores_may_be_negative():
    assert by_scores([-1.0, -3.0, -0.5], patience=1).n_run == 2
    assert by_scores([-1.0, -0.95, -0.5], patience=1, min_improvement=0.1).n_run == 2
    assert by_scores([-np.inf, -1.0, -0.5], patience=2).n_epochs_ == 3


def test_improvements_too_small_add_up():
    scores = [1.0, 1.06, 1.12, 1.18, 1.19, 1.2]
    assert by_scores(scores, patience=2, min_improvement=0.1).n_run == 5
    assert by_scores(scores, patience=1, min_improvement=0.1).n_run == 2
    assert by_scores(scores, patience=1, min_improvement=0.1).n_epochs_ == 2  # better is better, though not by enough


def test_looks_every_few_epochs_and_at_the_last():
    fitted = by_scores([1.0, 2.0, 9.0, 3.0, 4.0], every=2)
    np.testing.assert_array_equal(fitted.validation_scores_, [2.0, 3.0, 4.0])
    assert fitted.n_epochs_ == 5


@pytest.mark.parametrize(("patience", "n_run"), [(1, 4), (2, 7)])
def test_loss_ends_when_it_falls_by_too_little_and_keeps_the_last(patience, n_run):
    losses = [100.0, 50.0, 40.0, 39.99, 30.0, 29.99, 29.98, 29.97]
    rule = fastrec.EarlyStopping(patience=patience, min_improvement=1e-3)
    fitted = Counter(len(losses)).fit(rule, losses)
    assert fitted.n_run == n_run
    assert fitted.epochs_ == fitted.n_epochs_ == fitted.n_run
    assert not hasattr(fitted, "validation_scores_")


def test_one_rule_serves_many_fits():
    rule = fastrec.EarlyStopping(lambda model: -model.epochs_, patience=2)
    assert [Counter(n).fit(rule).n_run for n in (9, 9, 2)] == [3, 3, 2]


def test_what_an_earlier_fit_was_asked_for_is_forgotten():
    fitted = by_scores([1.0, 2.0])
    assert not hasattr(fitted.fit(), "n_epochs_")
    assert not hasattr(fitted, "validation_scores_")


def test_no_epochs():
    fitted = by_scores([], patience=1)
    assert fitted.n_epochs_ == fitted.epochs_ == 0
    assert fitted.validation_scores_.shape == (0,)


def test_the_score_sees_a_copy():
    fitted = Counter(3)
    seen = []
    fitted.fit(fastrec.EarlyStopping(lambda model: seen.append(model) or 1.0))
    assert all(model is not fitted for model in seen)
    assert [model.epochs_ for model in seen] == [1, 2, 3]


def test_an_error_in_the_score_leaves_the_model_as_it_was():
    fitted = Counter(2).fit()
    for score, error in ((lambda _: 1 / 0, ZeroDivisionError), (lambda _: np.nan, ValueError)):
        with pytest.raises(error):
            fitted.fit(fastrec.EarlyStopping(score))
    assert fitted.epochs_ == 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"score": "recall"}, ValueError),
        ({"score": 3}, TypeError),
        ({"patience": 0}, ValueError),
        ({"patience": 1.0}, TypeError),
        ({"min_improvement": -0.1}, ValueError),
        ({"min_improvement": np.nan}, ValueError),
        ({"every": 0}, ValueError),
    ],
)
def test_bad_options(options, error):
    with pytest.raises(error, match=next(iter(options))):
        fastrec.EarlyStopping(**options)


@pytest.mark.parametrize("score", [lambda _: np.nan, lambda _: None, lambda _: "0.5"])
def test_a_score_that_is_no_number(score):
    with pytest.raises((ValueError, TypeError), match=r"early_stopping\.score: expected a number"):
        Counter(2).fit(fastrec.EarlyStopping(score))


def test_a_loss_that_is_nan():
    with pytest.raises(ValueError, match="loss"):
        Counter(2).fit(fastrec.EarlyStopping(), [1.0, np.nan])


def test_what_is_no_rule():
    with pytest.raises(TypeError, match="early_stopping"):
        Counter(2).fit(lambda model: 1.0)
