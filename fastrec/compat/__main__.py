"""Run a script with fastrec in the place of a library: ``python -m fastrec.compat library script.py``."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from pathlib import Path
from types import ModuleType

from fastrec.compat import _ways_in, _worker

_USAGE = "usage: python -m fastrec.compat LIBRARY[,LIBRARY...] SCRIPT [ARGUMENT...]"


def main(arguments: list[str]) -> None:
    """Patch the libraries, then run the script as ``python script.py`` would."""
    usage = f"{_USAGE}\nLIBRARY is one of {', '.join(_ways_in.drop_ins())}."
    if arguments[:1] in (["-h"], ["--help"]):
        print(usage)
        return
    if len(arguments) < 2 or arguments[0].startswith("-"):
        sys.exit(usage)
    libraries, script = arguments[0], arguments[1]
    for library in libraries.split(","):
        try:
            _ways_in.patch(library)
        except ValueError as error:
            sys.exit(f"{error}\n{_USAGE}")
    path = os.path.abspath(script)  # workers look for it from wherever the script has gone
    try:
        with io.open_code(path) as file:
            code = compile(file.read(), script, "exec", dont_inherit=True)  # of what this file imports from the future
    except OSError as error:
        sys.exit(f"{script}: expected a script, got an error: {error.strerror}\n{_USAGE}")
    os.environ.update({_worker.LIBRARIES: libraries, _worker.SCRIPT: path})
    sys.argv = arguments[1:]
    if not sys.flags.safe_path:
        sys.path[0] = str(Path(script).resolve().parent)
    script_itself = ModuleType("__main__")
    script_itself.__file__ = script
    script_itself.__spec__ = importlib.util.find_spec(_worker.__name__)
    sys.modules["__main__"] = script_itself
    exec(code, vars(script_itself))


if __name__ == "__main__":
    main(sys.argv[1:])
