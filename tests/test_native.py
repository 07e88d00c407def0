"""parallel.hpp under the thread sanitizer, which stock Python does not start under, and where threads are refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
SOURCE = Path(__file__).parent / "native" / "parallel.cpp"
COMPILER = shutil.which(os.environ.get("CXX") or "g++") or shutil.which("clang++")

pytestmark = [
    pytest.mark.skipif(not (CHECKOUT / "csrc").is_dir(), reason="needs the sources of a checkout"),
    pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler"),
]


def build(source, to, *flags, headers=CHECKOUT / "csrc"):
    command = [COMPILER, "-std=c++17", "-O1", "-g", "-pthread", f"-I{headers}", *flags, source, "-o", to]
    return subprocess.run(command, capture_output=True, text=True)


def run(*command):
    # The sanitizer of a test run of ours must not be loaded into a program that has another one.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.fixture(scope="module")
def under_tsan(tmp_path_factory):
    """What to put before a program that the thread sanitizer is in; skips where nothing lets one start."""
    folder = tmp_path_factory.mktemp("tsan")
    (folder / "nothing.cpp").write_text("int main() { return 0; }\n")
    if build(folder / "nothing.cpp", folder / "nothing", "-fsanitize=thread").returncode:
        pytest.skip("the compiler has no thread sanitizer")
    # Where addresses are more random than the sanitizer's runtime expects, it starts with a fixed layout only.
    for prefix in ([], ["setarch", "--addr-no-randomize"]):
        if (not prefix or shutil.which(prefix[0])) and run(*prefix, folder / "nothing").returncode == 0:
            return prefix
    return pytest.skip("programs with the thread sanitizer do not start here")


def test_no_race(under_tsan, tmp_path):
    assert build(SOURCE, tmp_path / "parallel", "-fsanitize=thread").stderr == ""
    done = run(*under_tsan, tmp_path / "parallel")
    assert (done.returncode, done.stdout, done.stderr) == (0, "all checks hold\n", "")


def test_a_race_is_found(under_tsan, tmp_path):
    assert build(SOURCE, tmp_path / "parallel", "-fsanitize=thread", "-DBREAK").stderr == ""
    for _ in range(20):  # on a busy machine one thread may do all of it before another starts
        done = run(*under_tsan, tmp_path / "parallel")
        if done.returncode != 0:
            break
    assert "ThreadSanitizer: data race" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="replaces pthread_create as the linker of Linux allows")
def test_where_the_system_refuses_threads(tmp_path):
    assert build(SOURCE, tmp_path / "parallel", "-DFEW", "-ldl").stderr == ""
    done = run(tmp_path / "parallel")
    assert (done.returncode, done.stdout, done.stderr) == (0, "all checks hold\n", "")
