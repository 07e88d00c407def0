"""Compiles the kernels once for each instruction set, and their bindings; pyproject.toml holds everything else."""

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

# The instruction sets: value of FASTREC_ISA, and the flags that its file csrc/fastrec/isa/<name>.cpp is compiled with.
ISAS = {
    "x86_64": {
        "x86-64-v2": ["-march=x86-64-v2"],
        "x86-64-v3": ["-march=x86-64-v3"],
        "x86-64-v4": ["-march=x86-64-v4"],
        "x86-64-v4-vnni": ["-march=x86-64-v4", "-mavx512vnni"],
        "x86-64-v4-amx": ["-march=x86-64-v4", "-mavx512vnni", "-mamx-tile", "-mamx-int8"],
    },
    "arm64": {"arm64": []},
}
TAKES_THE_REST_FROM = {"x86-64-v4-amx": "x86-64-v4-vnni"}  # docs/architecture.md, "How to add an instruction set"
MACHINE = {"AMD64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

# For example "address,undefined": docs/contributing.md. Such a build is slow and needs the sanitizer's runtime.
SANITIZE = os.environ.get("FASTREC_SANITIZE")
SANITIZE_ISA = os.environ.get("FASTREC_SANITIZE_ISA")  # what runs on this set; the others are there to be linked

# Scores promise the same bits on every set, so nothing may be contracted into a fused multiply-add behind our back.
COMMON = ["-std=c++17", "-fvisibility=hidden", "-pthread", "-ffp-contract=off"]
COMMON += [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all", "-O1", "-g"] if SANITIZE else ["-O3"]
# No exceptions: their tables are symbols that the sets would share.
# Nobody reads floating-point exception flags, so that a product may be computed before it is known to be wanted.
KERNEL = [*COMMON, "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-fno-exceptions", "-Wno-psabi"]
LINK = ["-pthread", *([f"-fsanitize={SANITIZE}"] if SANITIZE else [])]

HEADERS = sorted(str(path) for path in Path("csrc").rglob("*.hpp"))
SDIST = ["csrc/**/*", "fastrec/**/*.p[xy]*", "tests/**/*", "benchmarks/**/*", "docs/**/*", ".ci/*", ".clang-format"]


def kernel_library(isa, flags):
    source = f"csrc/fastrec/isa/{isa.replace('-', '_')}.cpp"
    needed = SANITIZE_ISA is None or isa in (SANITIZE_ISA, TAKES_THE_REST_FROM.get(SANITIZE_ISA))
    hasty = ["-fno-sanitize=all", "-O0"] if SANITIZE and not needed else []
    return f"fastrec_{isa.replace('-', '_')}", {
        "sources": [source],
        "include_dirs": ["csrc"],
        "obj_deps": {"": HEADERS},
        "cflags": KERNEL + flags + hasty,
    }


def binding(name):
    return Extension(
        f"fastrec._compiled.{name}",
        [f"fastrec/_compiled/{name}.pyx"],
        include_dirs=["csrc"],
        depends=[*HEADERS, *(str(path) for path in Path("fastrec/_compiled").glob("*.pxd"))],
        extra_compile_args=COMMON,
        extra_link_args=LINK,
        language="c++",
    )


class BuildKernels(build_clib):
    """Compiles the instruction sets side by side; names the machines that fastrec knows when this is none of them."""

    def run(self):
        if MACHINE not in ISAS:
            raise SystemExit(f"fastrec builds on {' and '.join(ISAS)}, not on {MACHINE}: see docs/architecture.md.")
        super().run()

    def build_libraries(self, libraries):
        build = super().build_libraries
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda library: build([library]), libraries))


class BuildBindings(build_ext):
    """Compiles the bindings side by side, with what Cython generates kept out of the tree."""

    def finalize_options(self):
        super().finalize_options()
        from Cython.Build import cythonize

        directives = {"language_level": 3, "boundscheck": False, "wraparound": False, "initializedcheck": False}
        generated = Path(self.build_temp, "cython")
        before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in generated.rglob("*.cpp")}
        self.extensions = cythonize(
            self.extensions, build_dir=str(generated), compiler_directives=directives, quiet=True
        )
        for path, (content, written) in before.items():
            if path.read_bytes() == content:  # a new copy of Cython makes the same again, which needs no compiling
                os.utime(path, ns=(written, written))
        for extension in self.extensions:
            extension._needs_stub = False
        self.parallel = self.parallel or os.cpu_count()


class SourceArchive(sdist):
    """Adds what a checkout has beside the package: headers, tests, benchmarks, docs."""

    def make_distribution(self):
        generated = {"__pycache__", ".asv"}
        files = (path for pattern in SDIST for path in Path().glob(pattern) if generated.isdisjoint(path.parts))
        self.filelist.extend(sorted(str(path) for path in files if path.is_file()))
        self.filelist.remove_duplicates()
        super().make_distribution()


setup(
    libraries=[kernel_library(isa, flags) for isa, flags in ISAS.get(MACHINE, {}).items()],
    ext_modules=[binding(name) for name in ("isa", "selection", "products", "factorization", "descent")],
    cmdclass={"build_clib": BuildKernels, "build_ext": BuildBindings, "sdist": SourceArchive},
)
