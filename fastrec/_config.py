"""What this installation is and what it runs on."""

from __future__ import annotations

from fastrec import _dispatch, _machine, _threads


def show_config() -> None:
    """Print version, compiler, instruction sets built and in use, threads and BLAS."""
    from importlib.metadata import PackageNotFoundError, version

    from threadpoolctl import threadpool_info

    try:
        release = version("fastrec")
    except PackageNotFoundError:
        release = "not installed"
    built = [name if runs else f"{name} (not supported here)" for name, runs in _dispatch.instruction_sets().items()]
    blas = [
        f"{library['internal_api']} {library['version']}, {library['num_threads']} threads ({library['filepath']})"
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    rows = {
        "fastrec": release,
        "compiler": _dispatch.compiler(),
        "instruction sets built": ", ".join(built) or "none",
        "instruction set in use": _dispatch.instruction_set or "none",
        "threads": f"{_threads.resolve(None)} by default ({_machine.usable_cores()} usable cores)",
        "BLAS": "\n".join(blas) or "none found",
    }
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        print(name.ljust(width) + value.replace("\n", "\n" + " " * width))
