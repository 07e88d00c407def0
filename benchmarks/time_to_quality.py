"""Seconds of an implicit ALS fit that gets as low as the exact objective of fifteen epochs, for fastrec and each peer.

    python benchmarks/time_to_quality.py [--data gowalla] [--n-factors 64] [--threads 2] [--peers irspack,implicit]

Who stops conjugate gradients early needs more epochs: their number grows by a fifth until it is enough. All preparation
is included; a fit is timed once.
"""

import argparse
import math
import time
from functools import partial

from fastrec.cli.bench import data, machine
from fastrec.cli.bench.agreement import objective
from fastrec.cli.bench.operations import ALS, OPERATIONS, Sizes
from fastrec.cli.bench.peers import COMPARED

EPOCHS, MOST_EPOCHS = 15, 60
ABOVE = 1e-4  # of the objective: what float32 and another order of sums may cost


def timed(call):
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def main(options):
    user_items = data.load(options.data)
    inputs = {**OPERATIONS["implicit_als"].inputs(user_items, Sizes(n_factors=options.n_factors)), "n_epochs": EPOCHS}
    compared = COMPARED["implicit_als"]
    loss_of = partial(objective, user_items, alpha=ALS["alpha"], regularization=ALS["regularization"])
    with machine.limited(options.threads):
        seconds, model = timed(partial(OPERATIONS["implicit_als"].call, **inputs, n_threads=options.threads))
    target = loss_of(compared.answer(inputs, model))
    print(f"{'fastrec':20} {EPOCHS:3} epochs {seconds:8.2f} s   objective {target:.6g}", flush=True)
    for peer in compared.peers:
        if not peer.installed or user_items.nnz > peer.most_stored or peer.module not in options.peers.split(","):
            continue
        n_epochs, loss = EPOCHS, math.inf
        while loss > (1 + ABOVE) * target and n_epochs <= MOST_EPOCHS:
            with machine.limited(options.threads, one_blas_thread=peer.one_blas_thread):
                run = peer.prepare({**inputs, "n_epochs": n_epochs}, options.threads)
                peer_seconds, result = timed(run.call)
            loss, needed, n_epochs = loss_of(run.answer(result)), n_epochs, math.ceil(1.2 * n_epochs)
        there = "" if loss <= (1 + ABOVE) * target else f"   still {loss / target - 1:.2%} above"
        print(
            f"{peer.name:20} {needed:3} epochs {peer_seconds:8.2f} s   {peer_seconds / seconds:5.1f}{there}", flush=True
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="gowalla")
    parser.add_argument("--n-factors", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default="implicit,irspack,cmfrec,rusket")
    main(parser.parse_args())
