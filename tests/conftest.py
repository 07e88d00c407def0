"""How much the property tests try, and which fastrec they test: the installed one."""

import os
from pathlib import Path

import pytest
import scipy.linalg  # noqa: F401  SciPy's BLAS must be there to be told
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

import fastrec
from fastrec import _dispatch

# HYPOTHESIS_PROFILE=quick for runs under a sanitizer, thorough before a release.
for profile, max_examples in {"quick": 8, "default": 150, "thorough": 1000}.items():
    settings.register_profile(
        profile,
        max_examples=max_examples,
        deadline=None,  # no test may depend on how fast the machine is
        derandomize=bool(os.environ.get("CI")),  # the same examples in every run of CI, others in everybody else's
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# The tests run in as many processes as there are cores: further threads of BLAS would wait for each other and for them.
threadpool_limits(1, user_api="blas")


def pytest_configure():
    if not _dispatch.compiled():
        raise pytest.UsageError(
            f"fastrec was imported from {Path(fastrec.__file__).parent}, which has no compiled kernels. "
            "Run 'pip install .', then 'pytest' (not 'python -m pytest', which puts the checkout first)."
        )


@pytest.fixture
def memory_of(monkeypatch):
    """Lets the library believe that so many bytes are free, and ask however few it needs."""
    monkeypatch.setattr("fastrec._check._NOT_WORTH_ASKING", 0)
    return lambda n_bytes: monkeypatch.setattr("fastrec._machine.available_memory", lambda: float(n_bytes))
