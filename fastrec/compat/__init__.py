"""Other libraries' APIs, spoken by fastrec's kernels: `fastrec.compat.<library>` has that library's modules and names.

Three ways in: import `fastrec.compat.<library>` in its place; `patch` it, for imports that follow; or run a script that
is not touched at all by ``python -m fastrec.compat <library> script.py``. docs/compat.md says what is taken.
"""

from fastrec.compat._ways_in import patch, patched, unpatch

__all__ = ["patch", "patched", "unpatch"]
