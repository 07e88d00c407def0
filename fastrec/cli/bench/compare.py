"""The comparison: for each operation and peer, agreement first, then times in interleaved pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from scipy.sparse import csr_array

from fastrec.cli.bench import machine
from fastrec.cli.bench.agreement import Agreement
from fastrec.cli.bench.operations import DEFAULT_SIZES, OPERATIONS, Inputs, Sizes
from fastrec.cli.bench.pairs import Job, Pairs, interleaved
from fastrec.cli.bench.peers import COMPARED
from fastrec.cli.bench.peers.peer import Peer, Run


class Outcome(NamedTuple):
    """One operation against one peer.

    Attributes
    ----------
    operation, peer : str
        Their names.
    library : str
        What is imported for the peer; ``fastrec`` for what is no other library.
    exact : bool
        The peer gives the answer, rather than one that is near it or as good.
    agreement : Agreement, optional
        None where the peer was skipped.
    pairs : Pairs, optional
        None unless the answers agree: times of different answers are not compared.
    note : str
        Why it was skipped, or what is not the same in the peer's call.
    """

    operation: str
    peer: str
    library: str
    exact: bool = True
    agreement: Agreement | None = None
    pairs: Pairs | None = None
    note: str = ""


def compare(
    user_items: csr_array,
    *,
    operations: Collection[str] = (),
    peers: Collection[str] = (),
    sizes: Sizes = DEFAULT_SIZES,
    n_threads: int,
    n_pairs: int,
) -> Iterator[Outcome]:
    """Run fastrec against its peers.

    Parameters
    ----------
    user_items : csr_array of float32
        Interactions that all inputs are made from.
    operations : collection of str
        Keys of ``COMPARED``; empty for all that suit the interactions.
    peers : collection of str
        Modules of the libraries; empty for all.
    sizes : Sizes
        Of the inputs.
    n_threads : int
        For everybody.
    n_pairs : int
        Times that each of the two is run after the check.

    Yields
    ------
    Outcome
        As soon as it is known.

    Raises
    ------
    ValueError
        An operation or a peer is unknown; the message lists those there are.
    """
    check_known(operations, peers)
    return _outcomes(user_items, operations, peers, sizes, n_threads, n_pairs)


def _outcomes(
    user_items: csr_array,
    operations: Collection[str],
    peers: Collection[str],
    sizes: Sizes,
    n_threads: int,
    n_pairs: int,
) -> Iterator[Outcome]:
    for operation in operations or COMPARED:
        chosen = [peer for peer in COMPARED[operation].peers if not peers or peer.module in peers]
        why_not = "" if operations else OPERATIONS[operation].why_not(user_items)
        skipped = {peer: why_not or _why_not(peer, user_items) for peer in chosen}
        failed = None
        if not all(skipped.values()):
            try:
                inputs, ours, answer = _ours(operation, user_items, sizes, n_threads)
            except Exception as error:  # of data that do not suit it; the other operations go on
                failed = _failure(error, "fastrec: ")
        for peer in chosen:
            outcome = Outcome(operation, peer.name, peer.module, peer.exact, note=skipped[peer] or peer.note)
            if skipped[peer]:
                yield outcome
            elif failed is not None:
                yield outcome._replace(agreement=failed)
            else:
                yield _against(outcome, peer, inputs, ours, answer, n_threads, n_pairs)


def _ours(operation: str, user_items: csr_array, sizes: Sizes, n_threads: int) -> tuple[Inputs, Job, Any]:
    """Inputs, fastrec's call, and its answer."""
    inputs = OPERATIONS[operation].inputs(user_items, sizes)
    ours = job_of_fastrec(operation, inputs, n_threads)
    with ours.around():
        return inputs, ours, COMPARED[operation].answer(inputs, ours.call())


def job_of_fastrec(operation: str, inputs: Inputs, n_threads: int) -> Job:
    """What of a call of fastrec is timed."""
    call = partial(OPERATIONS[operation].call, **OPERATIONS[operation].prepare(inputs), n_threads=n_threads)
    return Job(call, partial(machine.limited, n_threads))


def job_of_peer(peer: Peer, inputs: Inputs, n_threads: int) -> tuple[Job, Run]:
    """What of a call of a peer is timed, and the call."""
    import_module(peer.module)  # what it loads must be there to be limited
    around = partial(machine.limited, n_threads, one_blas_thread=peer.one_blas_thread)
    with around():
        run = peer.prepare(inputs, n_threads)
    return Job(run.call, around), run


def _failure(error: Exception, whose: str = "") -> Agreement:
    return Agreement(False, f"{whose}{type(error).__name__}: {error}")


def _why_not(peer: Peer, user_items: csr_array) -> str:
    if not peer.installed:
        return "not installed"
    return f"skipped above {peer.most_stored:,} interactions" if user_items.nnz > peer.most_stored else ""


def _against(
    outcome: Outcome, peer: Peer, inputs: Inputs, ours: Job, answer: Any, n_threads: int, n_pairs: int
) -> Outcome:
    try:
        job, run = job_of_peer(peer, inputs, n_threads)
        with job.around():
            theirs = run.answer(job.call())
        agreement = (peer.check or COMPARED[outcome.operation].check)(inputs, answer, theirs, peer.tolerance)
        pairs = interleaved(ours, job, n_pairs) if agreement.agrees else None
    except Exception as error:  # a peer's fault must not end the comparison with the others
        agreement, pairs = _failure(error), None
    return outcome._replace(agreement=agreement, pairs=pairs)


def check_known(operations: Collection[str], peers: Collection[str]) -> None:
    """Refuse operations and peers that there are not; the message lists those there are."""
    _known(operations, "operation", COMPARED)
    _known(peers, "peers", sorted({peer.module for compared in COMPARED.values() for peer in compared.peers}))


def _known(names: Collection[str], what: str, known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{what}: expected one of {', '.join(known)}, got {name!r}; choose one of these.")
