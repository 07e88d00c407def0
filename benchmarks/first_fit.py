"""Seconds of a first fit, in a process whose cache of compiled kernels is empty, and of the same in the next process.

    python -P benchmarks/first_fit.py [--times 3] [--models BPR,WARP]

The data is tiny, so that compiling is all there is; importing fastrec is not counted, importing Numba is.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

MODELS = "BPR,WARP,LogisticMF,BiasedMF,NMF,EASE,SLIM,PureSVD,ImplicitALS,ItemKNN"
FIT = """
import sys, time
import numpy, fastrec
user_items = (numpy.random.default_rng(0).random((200, 100)) < 0.1).astype("float32")
model = getattr(fastrec, sys.argv[1])()
started = time.perf_counter()
model.fit(user_items)
print(time.perf_counter() - started)
"""


def fit(model, cache):
    command = [sys.executable, "-P", "-W", "ignore", "-c", FIT, model]
    done = subprocess.run(command, env={**os.environ, "NUMBA_CACHE_DIR": cache}, check=True, capture_output=True)
    return float(done.stdout)


def main(options):
    print("seconds: first fit, with the cache it left")
    for model in options.models.split(","):
        seconds = []
        for _ in range(options.times):
            with tempfile.TemporaryDirectory() as cache:
                seconds.append((fit(model, cache), fit(model, cache)))
        print(f"{model:12}", *(f"{statistics.median(times):8.2f}" for times in zip(*seconds, strict=True)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--times", type=int, default=3)
    main(parser.parse_args())
