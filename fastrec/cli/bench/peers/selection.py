"""Top-K of scores: NumPy; the time that memory needs; and fastrec itself, where the order of the scores is adverse."""

from __future__ import annotations

from typing import Any

import fastrec
from fastrec import _threads
from fastrec.cli.bench.agreement import Agreement
from fastrec.cli.bench.operations import Inputs, random_scores
from fastrec.cli.bench.peers import rankings
from fastrec.cli.bench.peers.peer import Compared, Peer, Run


def _numpy(inputs: Inputs, n_threads: int) -> Run:
    scores, k = inputs["scores"], inputs["k"]
    return Run(
        lambda: rankings.in_blocks(len(scores), lambda rows: rankings.partitioned(scores[rows], k)),
        lambda result: result,
    )


def _one_read(inputs: Inputs, n_threads: int) -> Run:
    scores = inputs["scores"]
    return Run(
        lambda: _threads.run_blocks(lambda first, last: scores[first:last].max(), len(scores), n_threads),
        lambda result: None,
    )


def _random_order(inputs: Inputs, n_threads: int) -> Run:
    scores, k = random_scores(inputs["scores"].shape), inputs["k"]
    return Run(lambda: fastrec.top_k(scores, k, n_threads=n_threads), lambda result: None)


def _nothing_to_check(inputs: Inputs, ours: Any, theirs: Any, tolerance: float) -> Agreement:
    return Agreement(True, "only times")


def _compared(*peers: Peer) -> Compared:
    return Compared(rankings.answer, rankings.check, peers)


_NUMPY = Peer("NumPy argpartition", "numpy", _numpy, note="one thread")
_ONE_READ = Peer(
    "one read of the matrix", "fastrec", _one_read, check=_nothing_to_check, note="numpy.max: what memory allows"
)
_RANDOM_ORDER = Peer("fastrec, random order", "fastrec", _random_order, check=_nothing_to_check)

COMPARED = {
    "top_k": _compared(_NUMPY),
    "top_k_ascending": _compared(_RANDOM_ORDER),
    "top_k_ties": _compared(_RANDOM_ORDER),
    "top_k_nan_but_one": _compared(_RANDOM_ORDER),
    "top_k_in_memory": _compared(_NUMPY, _ONE_READ),
}
