"""What worker processes of a script run again in its place, so that its libraries are patched there too.

multiprocessing imports the main module again by the name in its ``__spec__``, which `fastrec.compat.__main__` sets to
this one, where it spawns processes. Those that are forked need none of it.
"""

import os
import runpy

from fastrec.compat import patch

LIBRARIES, SCRIPT = "FASTREC_COMPAT_LIBRARIES", "FASTREC_COMPAT_SCRIPT"  # of the environment, which workers inherit

if __name__ == "__mp_main__":
    for library in os.environ[LIBRARIES].split(","):
        patch(library)
    globals().update({**runpy.run_path(os.environ[SCRIPT], run_name=__name__), "__spec__": __spec__})
