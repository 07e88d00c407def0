"""``fastrec bench`` from a checkout: real data are looked for in ../shared/data where FASTREC_DATA names no folder.

python benchmarks/peers                                        # gowalla if there is such data, else synthetic
python benchmarks/peers --data mtg_decks --operation item_similarity --threads 2 --pairs 11
python benchmarks/peers --operation implicit_als --peers implicit,rusket
python benchmarks/peers --smoke                                # seconds; needs no other library
"""

import os
import sys
from pathlib import Path

from fastrec import cli

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

if __name__ == "__main__":
    if SHARED.is_dir():
        os.environ.setdefault("FASTREC_DATA", str(SHARED))
    sys.exit(cli.run(["bench", *sys.argv[1:]]))
