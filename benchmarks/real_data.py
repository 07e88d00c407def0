"""Real data for the scripts of this folder: in FASTREC_DATA or, where that is not set, in ../shared/data.

docs/performance.md, "Data", says what is in such a folder.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec.cli.bench import data

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def look_in_shared() -> None:
    if SHARED.is_dir():
        os.environ.setdefault("FASTREC_DATA", str(SHARED))


def matrix(name: str) -> csr_array:
    """What `fastrec bench` measures on."""
    look_in_shared()
    try:
        return data.load(name)
    except ValueError as error:
        sys.exit(str(error))


def fields(name: str) -> Any:
    """The named arrays of a set, its test part included."""
    look_in_shared()
    files = data.files_by_name()
    if name not in files:
        there = ", ".join(files) or "no sets"
        sys.exit(
            f"data: expected {name}.npz in the folder FASTREC_DATA, got {there}; set it as docs/performance.md says."
        )
    return np.load(files[name], allow_pickle=False)
