"""The drop-ins for similaripy and sparse_dot_topn beside the libraries themselves, and beside fastrec's own operations.

    python benchmarks/compat_products.py                                     # gowalla, all cases: five minutes
    python benchmarks/compat_products.py --case cosine --threads 2 --pairs 7
    python benchmarks/compat_products.py --data small                        # a small call: what the layer itself costs

"ratio" is how many times longer the library takes, in interleaved pairs with the same number of threads, after both
gave the same answer; a library that is not installed is left out. "layer" is what the drop-in takes beyond fastrec's
own operation on the same matrices.
"""

import argparse
import functools
import itertools
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import real_data
from scipy.sparse import csr_array, csr_matrix

import fastrec
from fastrec import _threads
from fastrec.cli.bench import machine
from fastrec.cli.bench.agreement import best_of_rows, same_ranking
from fastrec.cli.bench.operations import DEFAULT_SIZES, OPERATIONS
from fastrec.cli.bench.pairs import Job, interleaved

NEIGHBOURS, KEPT = 100, 10
FLOAT32_SUMS = 1e-3  # of as many terms as an item has users


class Case(NamedTuple):
    """A call of a library, which is also made with the drop-in for it, and the operation of fastrec under it."""

    library: str
    inputs: Callable[[csr_array], Any]
    call: Callable[[Any, Any, int], Any]  # of the library, the inputs and a number of threads
    own: Callable[[Any, int], Any] | None = None
    k: int = NEIGHBOURS


def similarity(name: str, metric: str = "") -> Case:
    def call(library: Any, x: Any, n_threads: int) -> Any:
        options = {"k": NEIGHBOURS, "verbose": False, "format_output": "csr", "num_threads": n_threads}
        return getattr(library, name)(x, **options)

    def own(x: Any, n_threads: int) -> Any:
        return fastrec.item_similarity(
            x.T, NEIGHBOURS, metric=metric or name, keep_diagonal=True, threshold=0.0, n_threads=n_threads
        )

    return Case("similaripy", lambda user_items: user_items.T, call, own)


def recommended(library: Any, inputs: Any, n_threads: int) -> Any:
    user_items, weights = inputs
    options = {"k": KEPT, "verbose": False, "format_output": "csr", "num_threads": n_threads}
    return library.dot_product(user_items, weights, filter_cols=user_items, **options)


def seen_and_similar(user_items: csr_array) -> Any:
    return user_items, fastrec.item_similarity(user_items, NEIGHBOURS, threshold=0.0).T.tocsr()


def weighted(name: str) -> Case:
    return Case("similaripy", csr_array, lambda library, x, n_threads: getattr(library, name)(x))


def strings(user_items: csr_array) -> Any:
    inputs = OPERATIONS["sparse_top_k_product_strings"].inputs(user_items, DEFAULT_SIZES)
    return csr_matrix(inputs["a"]), csr_matrix(inputs["b"])


def product(threshold: float | None, *, sort: bool) -> Case:
    def call(library: Any, ab: Any, n_threads: int) -> Any:
        return library.sp_matmul_topn(*ab, KEPT, threshold=threshold, sort=sort, n_threads=n_threads)

    def own(ab: Any, n_threads: int) -> Any:
        return fastrec.sparse_top_k_product(*ab, KEPT, threshold=threshold, n_threads=n_threads)

    return Case("sparse_dot_topn", strings, call, own, KEPT)


def whole_product(library: Any, ab: Any, n_threads: int) -> Any:
    return library.sp_matmul(ab[0][:5_000], ab[1], n_threads=n_threads)


def quarters(user_items: csr_array) -> Any:
    a, b = strings(user_items)
    cuts = np.linspace(0, b.shape[1], 5).astype(int)
    return [
        csr_matrix(fastrec.sparse_top_k_product(a, b[:, first:last], KEPT, threshold=0.0))
        for first, last in itertools.pairwise(cuts)
    ]


CASES = {
    **{
        name: similarity(name)
        for name in ("cosine", "asymmetric_cosine", "jaccard", "dice", "tversky", "s_plus", "p3alpha", "rp3beta")
    },
    "dot_product": similarity("dot_product", "dot"),
    "dot_product_filtered": Case("similaripy", seen_and_similar, recommended, k=KEPT),
    "normalize": weighted("normalize"),
    "tfidf": weighted("tfidf"),
    "bm25": weighted("bm25"),
    "sp_matmul_topn": product(None, sort=False),
    "sp_matmul_topn_sorted": product(None, sort=True),
    "sp_matmul_topn_05": product(0.5, sort=False),
    "sp_matmul_topn_08_sorted": product(0.8, sort=True),
    "sp_matmul": Case("sparse_dot_topn", strings, whole_product, k=NEIGHBOURS),
    "zip_sp_matmul_topn": Case(
        "sparse_dot_topn", quarters, lambda library, blocks, n: library.zip_sp_matmul_topn(KEPT, blocks), k=KEPT
    ),
}


def measure(name: str, user_items: csr_array, n_threads: int, n_pairs: int) -> str:
    case = CASES[name]
    inputs = case.inputs(user_items)
    ours = functools.partial(case.call, import_module(f"fastrec.compat.{case.library}"), inputs, n_threads)
    answer = best_of_rows(ours(), case.k)
    said = f"{case.library} is not installed"
    if find_spec(case.library) is not None:
        theirs = functools.partial(case.call, import_module(case.library), inputs, n_threads)
        agreement = same_ranking(answer, best_of_rows(theirs(), case.k), FLOAT32_SUMS)
        pairs = interleaved(Job(ours), Job(theirs, functools.partial(machine.limited, n_threads)), n_pairs)
        (ratio, low, high), (mine, other) = pairs.ratio(), pairs.medians
        said = (
            f"{1e3 * mine:9.2f} ms {1e3 * other:9.2f} ms  ratio {ratio:6.2f} ({low:.2f}-{high:.2f})  {agreement.text}"
        )
    layer = ""
    if case.own is not None:
        own = functools.partial(case.own, inputs, n_threads)
        own()
        seconds = interleaved(Job(own), Job(ours), n_pairs).seconds
        beyond = float(np.median(seconds[:, 1] - seconds[:, 0]))
        layer = f"layer {1e6 * beyond:.0f} us, {beyond / np.median(seconds[:, 0]):+.1%}"
    return f"{name:26} {said:90} {layer}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="gowalla")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--pairs", type=int, default=5)
    asked = parser.parse_args()
    n_threads = _threads.resolve(asked.threads)
    machine.set_thread_variables(n_threads)
    user_items = real_data.matrix(asked.data)
    for name in asked.case or CASES:
        print(measure(name, user_items, n_threads, asked.pairs), flush=True)
    print(machine.describe(machine.facts(n_threads)))


if __name__ == "__main__":
    main()
