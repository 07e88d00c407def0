"""Run a script with fastrec in the place of a library: ``python -m fastrec.compat library script.py``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from fastrec.compat import _ways_in

_USAGE = "usage: python -m fastrec.compat LIBRARY[,LIBRARY...] SCRIPT [ARGUMENT...]"


def main(arguments: list[str]) -> None:
    """Patch the libraries, then run the script as ``python script.py`` would."""
    if len(arguments) < 2 or arguments[0].startswith("-"):
        sys.exit(f"{_USAGE}\nLIBRARY is one of {', '.join(_ways_in.drop_ins())}.")
    libraries, script = arguments[0].split(","), arguments[1]
    for library in libraries:
        try:
            _ways_in.patch(library)
        except ValueError as error:
            sys.exit(f"{error}\n{_USAGE}")
    sys.argv = arguments[1:]
    sys.path[0] = str(Path(script).resolve().parent)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
