"""The instruction sets: the same bits on each, the choice of one, what is shown of it, and what importing costs."""

import json
import re

import pytest

import fastrec
import processes
from equality import digest
from fastrec import _dispatch
from workloads import ON_EVERY_SET

SETS = _dispatch.instruction_sets()
SUPPORTED = [name for name, runs in SETS.items() if runs]


@pytest.fixture(scope="module")
def digests_here():
    return {case: digest(call(1)) for case, call in ON_EVERY_SET.items()}


@pytest.mark.parametrize("isa", SUPPORTED)
def test_same_bits_on_every_set(isa, digests_here, tmp_path):
    output = processes.run(
        """
        import json
        from equality import digest
        from fastrec import _dispatch
        from workloads import ON_EVERY_SET
        print(json.dumps([_dispatch.instruction_set, {case: digest(call(2)) for case, call in ON_EVERY_SET.items()}]))
        """,
        tmp_path,
        FASTREC_ISA=isa,
    )
    in_use, digests = json.loads(output)
    assert in_use == isa
    assert digests == digests_here


@pytest.mark.parametrize("isa", SUPPORTED)
def test_every_set_equals_the_reference(isa, tmp_path):
    """What a set may round in its own way too: small cases of everything."""
    output = processes.run(
        """
        from hypothesis import HealthCheck, settings
        slow = [HealthCheck.too_slow]
        settings.register_profile("short", max_examples=10, deadline=None, database=None, suppress_health_check=slow)
        settings.load_profile("short")
        import test_als_half_step, test_item_similarity, test_sparse_top_k_product, test_top_k, test_top_k_inner_product
        import fastrec
        from fastrec import _dispatch
        for law in (test_als_half_step.equals_reference, test_als_half_step.has_a_gradient_of_zero):
            law(test_als_half_step.directly)()
        test_als_half_step.keeps_to_tol(fastrec.als_half_step)()
        for module in (test_item_similarity, test_sparse_top_k_product, test_top_k, test_top_k_inner_product):
            module.equals_reference(getattr(fastrec, module.__name__.removeprefix("test_")))()
        print(_dispatch.instruction_set)
        """,
        tmp_path,
        FASTREC_ISA=isa,
    )
    assert output.strip() == isa


def test_best_set_is_chosen(tmp_path):
    program = "from fastrec import _dispatch; print(_dispatch.instruction_set)"
    assert processes.run(program, tmp_path, FASTREC_ISA=None).strip() == SUPPORTED[-1]
    assert processes.run(program, tmp_path, FASTREC_ISA="").strip() == SUPPORTED[-1]


@pytest.mark.parametrize("wrong", ["avx2", "X86-64-V3", "x86-64-v9", " "])
def test_wrong_set_names_the_valid_ones(wrong, tmp_path):
    status, _, errors = processes.finish(processes.start("import fastrec", tmp_path, FASTREC_ISA=wrong))
    message = errors.strip().splitlines()[-1]
    assert status == 1
    assert message.startswith(f"ImportError: FASTREC_ISA is {wrong!r}, which is not one of this build;")
    assert message.endswith(f"valid here: {', '.join(SUPPORTED)}.")


@pytest.fixture
def other_machine(monkeypatch):
    """Lets the choice be made as if the processor could run these sets only."""

    class Binding:
        def __init__(self, sets):
            self.sets, self.used = sets, None

        def built(self):
            return self.sets

        def use(self, name):
            self.used = name

    def choose(wanted, **sets):
        binding = Binding({name.replace("_", "-"): runs for name, runs in sets.items()})
        monkeypatch.setattr(_dispatch, "_isa", binding)
        monkeypatch.setenv("FASTREC_ISA", wanted)
        chosen = _dispatch._choose()
        assert binding.used == chosen
        return chosen

    return choose


def test_choice_on_other_machines(other_machine):
    assert other_machine("", v2=True, v3=True, v4=False) == "v3"
    assert other_machine("v2", v2=True, v3=True, v4=False) == "v2"
    with pytest.raises(ImportError, match=r"'v4', which this processor does not support; valid here: v2, v3\."):
        other_machine("v4", v2=True, v3=True, v4=False)
    with pytest.raises(ImportError, match="needs a processor with v2 or better"):
        other_machine("", v2=False, v3=False)


def test_show_config(capsys):
    fastrec.show_config()
    rows = dict(
        re.split(r"\s{2,}", line, maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[0] != " "
    )
    assert rows["fastrec"] == fastrec.__version__
    assert re.match(r"(gcc|clang) \d", rows["compiler"])
    for name, runs in SETS.items():
        assert re.search(rf"{name}( \(not supported here\))?(,|$)", rows["instruction sets built"])
        assert (f"{name} (not" in rows["instruction sets built"]) is not runs
    assert rows["instruction set in use"] == _dispatch.instruction_set
    assert re.match(r"\d+ by default", rows["threads"])
    assert re.search(r"\d+ threads", rows["BLAS"])


def test_show_config_follows_the_choice(tmp_path):
    output = processes.run("import fastrec; fastrec.show_config()", tmp_path, FASTREC_ISA=SUPPORTED[0])
    assert re.search(rf"instruction set in use +{SUPPORTED[0]}\n", output)


def test_import_is_light(tmp_path):
    """No optional package, no compiler, and of SciPy no more than what is sparse."""
    output = processes.run(
        """
        import sys
        import numpy, scipy.sparse
        before = set(sys.modules)
        import fastrec
        print(*sorted({name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
        print(*sorted(name for name in set(sys.modules) - before if name.startswith("scipy.")))
        """,
        tmp_path,
    )
    packages, scipy_modules = output.splitlines()
    assert [name for name in packages.split() if not name.startswith("_cython_")] == ["fastrec"]
    assert scipy_modules == ""


def test_what_needs_no_numba_imports_none(tmp_path):
    output = processes.run(
        """
        import sys
        import numpy as np, fastrec
        x = np.eye(3)
        fastrec.top_k(x, 1), fastrec.top_k_inner_product(x, x, 1), fastrec.sparse_top_k_product(x, x, 1)
        fastrec.item_similarity(x, 1), fastrec.als_half_step(x, x, x)
        print("numba" in sys.modules)
        fastrec.normalize(x)
        print("numba" in sys.modules)
        """,
        tmp_path,
    )
    assert output.split() == ["False", "True"]
