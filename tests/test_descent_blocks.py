"""What gradient descent in blocks goes through: cells, their order, what is drawn from by definition, and filters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrec import _blocks
from fastrec._types import Csr
from fastrec.reference import gradient as reference

KEY = 0xFEDCBA9876543210


def interactions(seed, n_users, n_items, density):
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(rng.random(n_items) < density) for _ in range(n_users)]
    indices, indptr = np.concatenate([*rows, []]).astype(np.int32), np.cumsum([0, *map(len, rows)])
    return Csr(rng.integers(1, 9, len(indices)).astype(np.float32), indices, indptr, (n_users, n_items))


def blocks_of(rows, n_blocks, n_parts, times_drawn, n_threads=1):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "blocks_for", lambda *_: n_blocks)
        return _blocks.Blocks(rows, rows.data, np.uint64(KEY), n_threads, times_drawn=times_drawn, n_parts=n_parts)


def cells_of(blocks, epoch):
    """What kernels learn from in each cell that has something: user, item, weight, random word, what is drawn from."""
    cells = []

    def learn(order, pairs, values, place, pool, *_):
        cell = [
            (int(pairs[at] >> 32), int(pairs[at] & 0xFFFFFFFF), float(values[at]), word_of(place, at), pool.tolist())
            for stretch in order[:-2].tolist()
            for at in range(64 * stretch, min(64 * (stretch + 1), len(pairs)))
        ]
        cells.extend([cell] if cell else [])
        return 0.0

    blocks.run_epoch(epoch, learn)
    return cells


def word_of(place, at):
    return reference.mixed((int(place) + at) % 2**64)


@given(
    st.integers(0, 2**32),
    st.integers(1, 40),
    st.integers(1, 30),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.sampled_from([1, 2, 3, 8]),
    st.sampled_from([1, 4]),
    st.sampled_from(["uniform", "popularity"]),
    st.integers(1, 3),
)
def test_equals_definition(seed, n_users, n_items, density, n_blocks, n_parts, sampling, n_threads):
    rows = interactions(seed, n_users, n_items, density)
    drawn = np.bincount(rows.indices, minlength=n_items) if sampling == "popularity" else np.ones(n_items, np.int64)
    matrix = rows.to_scipy()
    blocks = blocks_of(rows, n_blocks, n_parts, drawn, n_threads)
    for epoch in (0, 5):
        defined = [
            (sample.user, sample.item, sample.weight, sample.word, sample.pool.tolist())
            for sample in reference.positives(matrix, KEY, epoch, n_blocks, n_parts, sampling)
        ]
        place_of = {sample[3]: place for place, sample in enumerate(defined)}  # a cell's samples are neighbours there
        cells = sorted(cells_of(blocks, epoch), key=lambda cell: place_of[cell[0][3]])
        assert [sample for cell in cells for sample in cell] == defined


def test_the_comparison_can_fail():
    rows = interactions(0, 40, 30, 0.5)
    blocks = blocks_of(rows, 2, 1, np.ones(30, np.int64))
    first, second = cells_of(blocks, 0), cells_of(blocks, 1)
    assert first != second
    assert first == cells_of(blocks, 0)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_do_not_show(n_threads):
    rows = interactions(1, 20_000, 50, 0.3)
    ids = np.arange(rows.shape[0])[::-1].copy()
    filters, start = ([], [])
    for threads in (1, n_threads):
        filters.append(_blocks.filters_of(rows, threads))
        start.append(_blocks.aligned_rows(len(ids), 33))
        _blocks.uniform_start(start[-1], ids, 33, np.uint64(KEY), 0.1, threads)
    assert np.array_equal(*filters)
    assert np.array_equal(*start)


def test_start_is_of_the_ids_and_of_the_deviation():
    ids = np.array([7, 7, 2**40, 0])
    start = _blocks.aligned_rows(4, 101)
    _blocks.uniform_start(start, ids, 101, np.uint64(KEY), 0.5, 1)
    assert np.array_equal(start[0], start[1])
    assert not np.array_equal(start[0], start[2])
    assert not start[:, 101:].any()
    assert start[1:, :101].std() == pytest.approx(0.5, rel=0.1)
    assert abs(start[1:, :101].mean()) < 0.1
    assert abs(start).max() <= 0.5 * np.sqrt(3)


def test_filters_have_a_word_for_every_four_interactions_and_one_more():
    rows = interactions(2, 50, 200, 0.2)
    filters = _blocks.filters_of(rows, 1)
    assert len(filters) == len(rows.indices) // 4 + 50
    n_bits = np.array([sum(int(word).bit_count() for word in user) for user in np.split(filters, words_before(rows))])
    assert (n_bits <= 4 * np.diff(rows.indptr)).all()
    assert (n_bits[np.diff(rows.indptr) > 0] > 0).all()


def words_before(rows):
    """Where each user's words begin but for the first's."""
    return (rows.indptr[1:-1] >> 2) + np.arange(1, rows.shape[0])
