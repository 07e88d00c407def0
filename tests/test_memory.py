"""Peak memory of what could be tempted to form items x items, or to copy its input: a process each, and some MiB left
for the allocator. And that nothing reads memory which nobody wrote, or which was given back."""

import os

import numpy as np
import pytest

import processes
from fastrec._types import Csr, room
from fastrec.cli.bench import machine

N_USERS, N_ITEMS, EACH, K, N_THREADS = 300_000, 30_000, 20, 20, 2
SCRATCH = 28 * N_ITEMS * N_THREADS
HEAD = (16 << 20) + 2048 * N_USERS // 8
MARGIN = 64 << 20
INDEX, VALUE = 4, 4  # bytes


@pytest.mark.parametrize("n", [5_000, 3_000_000])  # on a line of the cache, and on a large page
def test_scipy_takes_an_answer_where_it_lies(n):
    """It copies what looks like a small part of something larger."""
    data, indices = room(n, np.float32), room(n, np.int32)
    indices[:] = 0
    taken = Csr(data, indices, np.arange(n + 1), (n, 1)).to_scipy()
    assert np.shares_memory(taken.data, data)
    assert np.shares_memory(taken.indices, indices)


# What runs, and the bytes of copies an interaction that it may take.
CASES = {
    "item_similarity, ones": ("fastrec.item_similarity(ones, K, n_threads=N_THREADS)", 2 * INDEX, HEAD),
    "item_similarity, walks": (
        "fastrec.item_similarity(ones, K, metric='p3alpha', n_threads=N_THREADS)",
        2 * INDEX,
        HEAD,
    ),
    "item_similarity, reals": ("fastrec.item_similarity(reals, K, n_threads=N_THREADS)", 2 * (INDEX + VALUE), 0),
    "sparse_top_k_product": ("fastrec.sparse_top_k_product(columns, reals, K, n_threads=N_THREADS)", 0, 0),
}


keeps_what_is_freed = pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps what is freed"
)


@keeps_what_is_freed
@pytest.mark.parametrize("case", CASES)
def test_peak(case, tmp_path):
    call, bytes_an_interaction, head = CASES[case]
    output = processes.run(
        f"""
        import gc
        import numpy as np
        from scipy.sparse import csr_array
        import fastrec
        from fastrec.cli.bench import machine

        N_USERS, N_ITEMS, EACH, K, N_THREADS = {N_USERS}, {N_ITEMS}, {EACH}, {K}, {N_THREADS}
        rng = np.random.default_rng(0)
        items = np.sort((N_ITEMS * rng.random((N_USERS, EACH)) ** 2).astype(np.int32), axis=1).ravel()
        indptr = np.arange(0, items.size + 1, EACH, dtype=np.int32)
        ones = csr_array((np.ones(items.size, np.float32), items, indptr), shape=(N_USERS, N_ITEMS))
        ones.sum_duplicates()
        ones.data[:] = 1
        reals = csr_array((rng.random(ones.nnz, np.float32), ones.indices, ones.indptr), shape=ones.shape)
        columns = reals.T.tocsr()
        assert ones.indices.dtype == reals.indices.dtype == columns.indices.dtype == np.int32
        gc.collect()
        before = machine.peak_from_now_on()
        answer = {call}
        print(machine.peak() - before, answer.nnz, ones.nnz)
        """,
        tmp_path,
    )
    peak, n_answered, n_interactions = map(int, output.split())
    allowed = (INDEX + VALUE) * n_answered + bytes_an_interaction * n_interactions + head + SCRATCH + MARGIN
    assert allowed < N_ITEMS**2 // 3, "items x items of a byte each would not be seen"
    print(f"{peak:,} bytes, of {allowed:,} allowed")
    assert peak < allowed


@keeps_what_is_freed
def test_peak_of_a_fit_from_mapped_files(tmp_path):
    """The files' pages, each side's weights and targets, ids and once more ids of the other side; the factors."""
    n_users, each, n_factors = 100_000, 60, 16
    output = processes.run(
        f"""
        import gc
        import numpy as np
        from scipy.sparse import csr_array
        import fastrec
        from fastrec.cli.bench import machine

        N_USERS, N_ITEMS, EACH = {n_users}, {N_ITEMS}, {each}
        items = (N_ITEMS * np.random.default_rng(0).random((N_USERS, EACH)) ** 2).astype(np.int32)
        indptr = np.arange(0, items.size + 1, EACH, dtype=np.int32)
        rows = csr_array((np.ones(items.size, np.float32), items.ravel(), indptr), shape=(N_USERS, N_ITEMS))
        rows.sum_duplicates()
        for name in ("data", "indices", "indptr"):
            np.save(name, getattr(rows, name))
        del rows, items, indptr
        gc.collect()
        mapped = tuple(np.load(f"{{name}}.npy", mmap_mode="r") for name in ("data", "indices", "indptr"))
        rows = csr_array(mapped, shape=(N_USERS, N_ITEMS))
        model = fastrec.ImplicitALS({n_factors}, n_epochs=1, random_state=0, n_threads={N_THREADS})
        model.fit(rows[:100])
        before = machine.peak_from_now_on()
        model.fit(rows)
        print(machine.peak() - before, rows.nnz)
        """,
        tmp_path,
    )
    peak, n_interactions = map(int, output.split())
    mapped, by_user, by_item = INDEX + VALUE, 2 * VALUE, INDEX + 2 * VALUE + INDEX
    factors = (n_users + N_ITEMS) * n_factors * VALUE
    allowed = (mapped + by_user + by_item) * n_interactions + 2 * factors + (8 << 20)
    print(f"{peak:,} bytes, of {allowed:,} allowed")
    assert peak < allowed


def test_a_peak_is_seen():
    before = machine.peak_from_now_on()
    much = bytearray(100 << 20)
    much[::4096] = b"x" * len(much[::4096])
    assert machine.peak() - before > 90 << 20


LEARNED = """
    import numpy as np, scipy.sparse as sp, fastrec
    from equality import digest
    from fastrec._blocks import blocks_for

    x = sp.random_array((3000, 2000), density=0.025, rng=np.random.default_rng(0), format="csr", dtype=np.float32)
    assert blocks_for(x.nnz, *x.shape) > 1
    options = {"n_epochs": 1, "random_state": 0, "n_threads": 2}
    for kind in (fastrec.BPR, fastrec.WARP, fastrec.LogisticMF, fastrec.BiasedMF):
        model = kind(8, **options).fit(x)
        print(digest(model.user_factors_, model.item_factors_))
    for unseen in ("zeros", "unobserved"):
        print(digest(fastrec.NMF(8, unseen=unseen, **options).fit(x).item_factors_))
    print(digest(fastrec.EASE(1.0, n_threads=2).fit(x[:, :600]).similarity_))
    print(digest(fastrec.tfidf_weight(x), fastrec.bm25_weight(x), fastrec.normalize(x)))
"""


def test_nothing_is_read_that_was_not_written_or_was_freed(tmp_path):
    """The allocator of glibc fills what it gives and what it takes back; others do not know the variable."""
    plain, filled = (processes.run(LEARNED, tmp_path, MALLOC_PERTURB_=fill) for fill in (None, "128"))
    assert filled == plain
