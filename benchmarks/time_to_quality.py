"""Seconds of an implicit ALS fit that gets as low as the exact objective of fifteen epochs, for fastrec and each peer.

    python benchmarks/time_to_quality.py [--data gowalla] [--n-factors 64] [--threads 2] [--peers irspack,implicit]

Who stops conjugate gradients early needs more epochs: their number grows by a fifth until it is enough. All preparation
is included; the fit that is long enough is timed three times, by turns with ours.
"""

import argparse
import math
import statistics
import time
from functools import partial

import real_data

from fastrec.cli.bench import machine
from fastrec.cli.bench.agreement import objective
from fastrec.cli.bench.operations import ALS, OPERATIONS, Sizes
from fastrec.cli.bench.peers import COMPARED

EPOCHS, MOST_EPOCHS = 15, 60
ABOVE = 1e-4  # of the objective: what float32 and another order of sums may cost
TIMES = 3


def timed(call):
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def main(options):
    user_items = real_data.matrix(options.data)
    inputs = {**OPERATIONS["implicit_als"].inputs(user_items, Sizes(n_factors=options.n_factors)), "n_epochs": EPOCHS}
    compared = COMPARED["implicit_als"]
    loss_of = partial(objective, user_items, alpha=ALS["alpha"], regularization=ALS["regularization"])

    def ours():
        with machine.limited(options.threads):
            return timed(partial(OPERATIONS["implicit_als"].call, **inputs, n_threads=options.threads))

    def theirs(peer, n_epochs):
        with machine.limited(options.threads, one_blas_thread=peer.one_blas_thread):
            run = peer.prepare({**inputs, "n_epochs": n_epochs}, options.threads)
            seconds, result = timed(run.call)
        return seconds, loss_of(run.answer(result))

    target = loss_of(compared.answer(inputs, ours()[1]))
    print(f"{'fastrec':20} {EPOCHS:3} epochs {ours()[0]:8.2f} s   objective {target:.6g}", flush=True)
    for peer in compared.peers:
        if not peer.installed or user_items.nnz > peer.most_stored or peer.module not in options.peers.split(","):
            continue
        needed = EPOCHS
        seconds, loss = theirs(peer, needed)
        while loss > (1 + ABOVE) * target and math.ceil(1.2 * needed) <= MOST_EPOCHS:
            needed = math.ceil(1.2 * needed)
            seconds, loss = theirs(peer, needed)
        found = f"still {loss / target - 1:.2%} above"
        if loss <= (1 + ABOVE) * target:
            pairs = [(theirs(peer, needed)[0], ours()[0]) for _ in range(TIMES)]
            seconds = statistics.median(of_peer for of_peer, _ in pairs)
            found = f"{statistics.median(of_peer / of_ours for of_peer, of_ours in pairs):5.1f} times ours"
        print(f"{peer.name:20} {needed:3} epochs {seconds:8.2f} s   {found}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="gowalla")
    parser.add_argument("--n-factors", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default="implicit,irspack,cmfrec,rusket")
    main(parser.parse_args())
