"""Definition of stochastic gradient descent in blocks, or in rows: one sample after the other, in float64.

Which samples there are, and in what order, is part of the definition. Random number n of a place is
``mixed(place + n)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fastrec._types import Array
from fastrec.reference._operands import sparse

_WORD = 2**64 - 1
_TRIES = 16
_STRETCH = 64


class Positive(NamedTuple):
    """An interaction, a random word for it, the items that negatives are drawn from, and those that the user has."""

    user: int
    item: int
    weight: float
    word: int
    pool: Array
    seen: Array


class Parameters:
    """A matrix, or a vector, that steps of gradient descent change."""

    def __init__(self, values: Array, learning_rate: float, *, adagrad: bool = False) -> None:
        self.values = np.array(values, np.float64)
        self.squares = np.ones_like(self.values) if adagrad else None
        self.learning_rate = learning_rate

    def ascend(self, row: int, gradient: Any) -> None:
        """One step; Adagrad's is divided by the root of all squared gradients (Duchi et al. 2011)."""
        if self.squares is not None:
            self.squares[row] += gradient**2
            gradient = gradient / np.sqrt(self.squares[row])
        self.values[row] += self.learning_rate * gradient


class Pairwise:
    """Factors of users and items, and biases of items, that learn from pairs of items."""

    def __init__(
        self, users: Array, items: Array, learning_rate: float, regularization: float, optimizer: str, item_bias: bool
    ) -> None:
        self.x, self.y, self.b = (
            Parameters(start, learning_rate, adagrad=optimizer == "adagrad")
            for start in (users, items, np.zeros(len(items)))
        )
        self.regularization = regularization
        self.item_bias = item_bias

    def margin(self, user: int, i: int, j: int) -> float:
        """By how much a user's score of i exceeds that of j."""
        x, y, b = self.x.values, self.y.values, self.b.values
        return float(x[user] @ (y[i] - y[j]) + b[i] - b[j])

    def pull_apart(self, user: int, i: int, j: int, pull: float) -> None:
        """One step on ``pull`` times the margin, less half the squares times the regularisation."""
        x, y_i, y_j = self.x.values[user].copy(), *self.y.values[[i, j]]
        b_i, b_j = self.b.values[[i, j]]
        self.x.ascend(user, pull * (y_i - y_j) - self.regularization * x)
        self.y.ascend(i, pull * x - self.regularization * y_i)
        self.y.ascend(j, -pull * x - self.regularization * y_j)
        if self.item_bias:
            self.b.ascend(i, pull - self.regularization * b_i)
            self.b.ascend(j, -pull - self.regularization * b_j)

    @classmethod
    def of_new_users(
        cls, n_users: int, items: Array, item_biases: Array, learning_rate: float, regularization: float, optimizer: str
    ) -> Pairwise:
        """Users from zero on; items stay as they are."""
        model = cls(np.zeros((n_users, items.shape[1])), items, learning_rate, regularization, optimizer, False)
        model.y.learning_rate = 0.0
        model.b.values[:] = item_biases
        return model

    def learned(self) -> tuple[Array, Array, Array]:
        """Users, items, biases."""
        return self.x.values, self.y.values, self.b.values


def bpr_epochs(
    user_items: Any,
    users: Array,
    items: Array,
    *,
    epochs: range,
    key: int,
    n_blocks: int,
    learning_rate: float = 0.05,
    regularization: float = 0.002,
    optimizer: str = "sgd",
    negative_sampling: str = "uniform",
    item_bias: bool = False,
    sample_weight: str | None = None,
) -> tuple[Array, Array, Array]:
    """What `fastrec.BPR` makes of these factors: users, items and biases."""
    model = Pairwise(users, items, learning_rate, regularization, optimizer, item_bias)
    for epoch in epochs:
        learn_bpr(model, positives(user_items, key, epoch, n_blocks, 1, negative_sampling), sample_weight)
    return model.learned()


def bpr_fold_in(
    user_items: Any,
    items: Array,
    item_biases: Array,
    times_drawn: Array,
    *,
    n_passes: int = 30,
    learning_rate: float = 0.05,
    regularization: float = 0.002,
    sample_weight: str | None = None,
) -> Array:
    """Factors that `fastrec.BPR` gives new users."""
    rows = sparse(user_items)
    model = Pairwise.of_new_users(rows.shape[0], items, item_biases, learning_rate, regularization, "sgd")
    learn_bpr(model, positives_of_new_users(rows, times_drawn, n_passes), sample_weight)
    return model.x.values


def learn_bpr(model: Pairwise, samples: Iterable[Positive], sample_weight: str | None) -> None:
    """One step for each sample."""
    for user, i, weight, word, pool, seen in samples:
        j = draw_negative(word, pool, seen)
        if j is not None:
            pull = 1 / (1 + np.exp(model.margin(user, i, j)))
            model.pull_apart(user, i, j, pull * (weight if sample_weight == "value" else 1))


def warp_epochs(
    user_items: Any,
    users: Array,
    items: Array,
    *,
    epochs: range,
    key: int,
    n_blocks: int,
    learning_rate: float = 0.05,
    regularization: float = 0.0,
    optimizer: str = "adagrad",
    max_draws: int = 10,
    negative_sampling: str = "uniform",
    item_bias: bool = True,
    sample_weight: str | None = None,
) -> tuple[Array, Array, Array]:
    """What `fastrec.WARP` makes of these factors: users, items and biases."""
    model = Pairwise(users, items, learning_rate, regularization, optimizer, item_bias)
    for epoch in epochs:
        learn_warp(model, positives(user_items, key, epoch, n_blocks, 4, negative_sampling), max_draws, sample_weight)
    return model.learned()


def warp_fold_in(
    user_items: Any,
    items: Array,
    item_biases: Array,
    times_drawn: Array,
    *,
    n_passes: int = 30,
    learning_rate: float = 0.05,
    regularization: float = 0.0,
    max_draws: int = 10,
    sample_weight: str | None = None,
) -> Array:
    """Factors that `fastrec.WARP` gives new users, by Adagrad whatever the epochs had."""
    rows = sparse(user_items)
    model = Pairwise.of_new_users(rows.shape[0], items, item_biases, learning_rate, regularization, "adagrad")
    learn_warp(model, positives_of_new_users(rows, times_drawn, n_passes), max_draws, sample_weight)
    return model.x.values


def learn_warp(model: Pairwise, samples: Iterable[Positive], max_draws: int, sample_weight: str | None) -> None:
    """At most one step for each sample, on the first item drawn that violates."""
    n_items = len(model.y.values)
    for user, i, weight, word, pool, seen in samples:
        for n_draws in range(1, max_draws + 1):
            j = int(pool[below(word, len(pool))])
            word = mixed(word)
            if model.margin(user, i, j) < 1 and j not in seen:
                pull = np.log(max(1, (n_items - 1) // n_draws))
                model.pull_apart(user, i, j, pull * (weight if sample_weight == "value" else 1))
                break


def logistic_epochs(
    user_items: Any,
    users: Array,
    items: Array,
    *,
    epochs: range,
    key: int,
    learning_rate: float = 0.3,
    regularization: float = 0.6,
    n_negatives: int = 2,
    optimizer: str = "adagrad",
    negative_sampling: str = "uniform",
    biases: bool = True,
    sample_weight: str | None = None,
) -> tuple[Array, Array, Array, Array]:
    """What `fastrec.LogisticMF` makes of these factors: users, items, and the biases of both."""
    rows = sparse(user_items)
    sides = [
        [Parameters(values, learning_rate, adagrad=optimizer == "adagrad") for values in (start, np.zeros(len(start)))]
        for start in (users, items)
    ]
    for epoch in epochs:
        for side, matrix in enumerate((rows, csr_array(rows.T))):
            times = np.bincount(matrix.indices, minlength=matrix.shape[1])
            pool = np.repeat(np.arange(len(times)), times if negative_sampling == "popularity" else 1)
            n_drawn = -(-n_negatives * matrix.nnz // matrix.shape[0])
            for row in np.flatnonzero(np.diff(matrix.indptr)).tolist():
                place = mixed(stream(key, epoch, side) ^ row)
                samples = logistic_samples(matrix, row, place, pool, n_drawn, sample_weight)
                learn_logistic(sides[side], sides[1 - side], row, samples, regularization, biases)
    (x, b_x), (y, b_y) = sides
    return x.values, y.values, b_x.values, b_y.values


def logistic_fold_in(
    user_items: Any,
    items: Array,
    item_biases: Array,
    times_drawn: Array,
    n_drawn: int,
    *,
    n_passes: int = 30,
    learning_rate: float = 0.3,
    regularization: float = 0.6,
    optimizer: str = "adagrad",
    biases: bool = True,
    sample_weight: str | None = None,
) -> tuple[Array, Array]:
    """Factors and biases that `fastrec.LogisticMF` gives new users, each with so many negatives a pass."""
    rows = sparse(user_items)
    starts = np.zeros((rows.shape[0], items.shape[1])), np.zeros(rows.shape[0])
    users = [Parameters(values, learning_rate, adagrad=optimizer == "adagrad") for values in starts]
    fixed = [Parameters(values, 0.0) for values in (items, item_biases)]
    pool = np.repeat(np.arange(len(items)), times_drawn)
    for number in range(n_passes):
        for row in np.flatnonzero(np.diff(rows.indptr)).tolist():
            samples = logistic_samples(rows, row, mixed(stream(0, number, 0)), pool, n_drawn, sample_weight)
            learn_logistic(users, fixed, row, samples, regularization, biases)
    return users[0].values, users[1].values


def logistic_samples(
    matrix: csr_array, row: int, place: int, pool: Array, n_drawn: int, sample_weight: str | None
) -> Iterator[tuple[int, float, int]]:
    """What a row is paired with, its weight, and 1 for an interaction, 0 for what was drawn."""
    stored = slice(matrix.indptr[row], matrix.indptr[row + 1])
    seen, counts = matrix.indices[stored], matrix.data[stored]
    for other, count in zip(seen.tolist(), counts.tolist(), strict=True):
        yield other, count if sample_weight == "value" else 1.0, 1
    for number in range(len(seen), len(seen) + n_drawn):
        j = draw_negative(mixed(place + number), pool, seen)
        if j is not None:
            yield j, 1.0, 0


def learn_logistic(
    own: list[Parameters],
    others: list[Parameters],
    row: int,
    samples: Iterable[tuple[int, float, int]],
    regularization: float,
    biases: bool,
) -> None:
    """One step of a row by all of its samples."""
    (x, b_x), (y, b_y) = own, others
    ascent, bias_ascent = -regularization * x.values[row], -regularization * b_x.values[row]
    for other, weight, has in samples:
        score = x.values[row] @ y.values[other] + b_x.values[row] + b_y.values[other]
        pull = weight * (has - 1 / (1 + np.exp(-score)))
        ascent = ascent + pull * y.values[other]
        bias_ascent = bias_ascent + pull
    x.ascend(row, ascent)
    if biases:
        b_x.ascend(row, bias_ascent)


def rating_epochs(
    ratings: Any,
    users: Array,
    items: Array,
    *,
    epochs: range,
    key: int,
    n_blocks: int,
    learning_rate: float = 0.005,
    regularization: float = 0.02,
    optimizer: str = "sgd",
    biases: bool = True,
) -> tuple[Array, Array, Array, Array]:
    """What `fastrec.BiasedMF` makes of these factors: users, items, and the biases of both."""
    sides = [
        Parameters(values, learning_rate, adagrad=optimizer == "adagrad")
        for values in (users, items, np.zeros(len(users)), np.zeros(len(items)))
    ]
    stored = sparse(ratings, keep_zeros=True)
    mean = stored.data.mean(dtype=np.float64) if biases and stored.nnz else 0.0
    for epoch in epochs:
        samples = positives(ratings, key, epoch, n_blocks, keep_zeros=True)
        learn_ratings(sides, samples, mean, regularization, biases)
    x, y, b_u, b_i = (side.values for side in sides)
    return x, y, b_u, b_i


def rating_fold_in(
    ratings: Any,
    items: Array,
    item_biases: Array,
    mean: float,
    *,
    n_passes: int,
    learning_rate: float = 0.005,
    regularization: float = 0.02,
    optimizer: str = "sgd",
    biases: bool = True,
) -> tuple[Array, Array]:
    """Factors and biases that `fastrec.BiasedMF` gives new users, in as many passes as there were epochs."""
    rows = sparse(ratings, keep_zeros=True)
    starts = np.zeros((rows.shape[0], items.shape[1])), np.zeros(rows.shape[0])
    x, b_u = (Parameters(values, learning_rate, adagrad=optimizer == "adagrad") for values in starts)
    y, b_i = (Parameters(values, 0.0) for values in (items, item_biases))
    samples = positives_of_new_users(rows, np.ones(len(items), int), n_passes)
    learn_ratings([x, y, b_u, b_i], samples, mean, regularization, biases)
    return x.values, b_u.values


def learn_ratings(
    sides: list[Parameters], samples: Iterable[Positive], mean: float, regularization: float, biases: bool
) -> None:
    """One step for each rating, of the factors and biases of users and items."""
    x, y, b_u, b_i = sides
    for user, item, rating, *_ in samples:
        predicted = mean + b_u.values[user] + b_i.values[item] + x.values[user] @ y.values[item]
        error, of_user = rating - predicted, x.values[user].copy()
        x.ascend(user, error * y.values[item] - regularization * of_user)
        y.ascend(item, error * of_user - regularization * y.values[item])
        if biases:
            b_u.ascend(user, error - regularization * b_u.values[user])
            b_i.ascend(item, error - regularization * b_i.values[item])


def positives(
    user_items: Any,
    key: int,
    epoch: int,
    n_blocks: int,
    n_parts: int = 1,
    negative_sampling: str = "uniform",
    *,
    keep_zeros: bool = False,
) -> Iterator[Positive]:
    """The interactions of an epoch in the order of one thread: by part, step and block of users."""
    rows = sparse(user_items, keep_zeros=keep_zeros)
    n_items, n_stored = rows.shape[1], rows.nnz
    times = np.bincount(rows.indices, minlength=n_items) if negative_sampling == "popularity" else np.ones(n_items, int)
    bounds = np.searchsorted(rows.indptr, np.arange(n_blocks + 1) * n_stored // n_blocks)
    bounds[0], bounds[-1] = 0, rows.shape[0]
    in_cell = n_stored / max(rows.shape[0] * n_blocks * n_parts, 1)  # of a user, in the mean
    n_layers = next(n for n in (1, 2, 4, 8, 16, 32) if in_cell < 4 * n or n == 32)
    for part in range(n_parts):
        order = shuffled(n_items, stream(key, epoch, -1 - part))
        blocks = [order[b * n_items // n_blocks : (b + 1) * n_items // n_blocks] for b in range(n_blocks)]
        for step in range(n_blocks):
            for of_users in range(n_blocks):
                of_items = (of_users + step) % n_blocks
                block = blocks[of_items]
                cell = [
                    (user, at)
                    for user in range(bounds[of_users], bounds[of_users + 1])
                    for at in range(rows.indptr[user], rows.indptr[user + 1])
                    if rows.indices[at] in block and part_of(at, n_parts, key, epoch) == part
                ]
                cell.sort(key=lambda entry: entry[1] % n_layers)  # users stay in their order
                place = stream(key, epoch, (part * n_blocks + of_users) * n_blocks + of_items)
                for stretch in shuffled(-(-len(cell) // _STRETCH), mixed(place)).tolist():
                    for number in range(stretch * _STRETCH, min((stretch + 1) * _STRETCH, len(cell))):
                        user, at = cell[number]
                        seen = rows.indices[rows.indptr[user] : rows.indptr[user + 1]]
                        pool, word = np.repeat(block, times[block]), mixed(place + number)
                        yield Positive(user, int(rows.indices[at]), float(rows.data[at]), word, pool, seen)


def positives_of_new_users(rows: csr_array, times_drawn: Array, n_passes: int) -> Iterator[Positive]:
    """What new users learn from, each by passes over the row; what is drawn does not know whose it is."""
    pool = np.repeat(np.arange(rows.shape[1]), times_drawn)
    for user in range(rows.shape[0]):
        stored = slice(rows.indptr[user], rows.indptr[user + 1])
        seen = rows.indices[stored]
        for number in range(n_passes):
            place = stream(0, number, 0)
            for item, weight in zip(seen.tolist(), rows.data[stored].tolist(), strict=True):
                yield Positive(user, item, weight, mixed(place + item), pool, seen)


def draw_negative(word: int, pool: Array, seen: Array) -> int | None:
    """An item of the pool that is not among those seen; None when sixteen draws found none."""
    for _ in range(_TRIES):
        item = int(pool[below(word, len(pool))])
        if item not in seen:
            return item
        word = mixed(word)
    return None


def part_of(at: int, n_parts: int, key: int, epoch: int) -> int:
    """In which part of an epoch a stored interaction is."""
    return 0 if n_parts == 1 else below(mixed(stream(key, epoch, -1) + at), n_parts)


def shuffled(n: int, place: int) -> Array:
    """Numbers below n in random order (Fisher and Yates)."""
    order = np.arange(n)
    for at in range(n - 1):
        other = at + below(mixed(place + at), n - at)
        order[at], order[other] = order[other], order[at]
    return order


def below(word: int, n: int) -> int:
    """A number in [0, n) by the lower half of a word."""
    return (word & 0xFFFFFFFF) * n // 2**32


def stream(key: int, epoch: int, place: int) -> int:
    """Where the random numbers of a place in an epoch begin."""
    return mixed(mixed(mixed(key) ^ epoch) ^ (place & _WORD))


def mixed(x: int) -> int:
    """A bijection of 64-bit words in which every bit depends on every bit (splitmix64: Steele et al. 2014)."""
    x = (x + 0x9E3779B97F4A7C15) & _WORD
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _WORD
    return x ^ (x >> 31)
