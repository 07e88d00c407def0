"""Python programs run beside the tests: in a folder of their own, where no checkout can shadow the installed package.

They can import the tests' own modules.
"""

import faulthandler
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

# A hang guard, far beyond what any program here needs on a slow machine.
TIMEOUT = 300


def start(code, cwd, **env):
    """Start a program; an environment variable set to None is removed."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), **env}
    environment = {name: value for name, value in env.items() if value is not None}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, timeout=TIMEOUT):
    """Wait for a program and return its status, output and errors; one that hangs is killed and fails the test."""
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"hangs; so far it wrote {process.communicate()}") from None
    return process.returncode, output, errors


def run(code, cwd, **env):
    """Output of a program that must end well."""
    status, output, errors = finish(start(code, cwd, **env))
    assert status == 0, f"exit status {status}\n{output}\n{errors}"
    return output


def check_in_forked_child(failures):
    """Fork, for a program: in the child nothing may be wrong of what ``failures()`` lists."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            faulthandler.dump_traceback_later(60, exit=True)  # a hang ends with the place of it
            wrong = failures()
            if wrong:
                print(wrong, file=sys.stderr, flush=True)
            status = len(wrong)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
