"""``fastrec bench`` from a checkout: real data are looked for in ../shared/data where FASTREC_DATA is not set.

python benchmarks/peers                                        # gowalla if there is such data, else synthetic
python benchmarks/peers --data mtg_decks --operation item_similarity --threads 2 --pairs 11
python benchmarks/peers --operation implicit_als --peers implicit,rusket
python benchmarks/peers --smoke                                # seconds; needs no other library
"""

import sys
from pathlib import Path

from fastrec import cli

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where this folder is run, it alone is looked in
import real_data

if __name__ == "__main__":
    real_data.look_in_shared()
    sys.exit(cli.run(["bench", *sys.argv[1:]]))
