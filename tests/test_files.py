"""save and load: the model comes back to the bit, and nothing else passes for one."""

import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file

import fastrec

MODELS = {
    "Popularity": fastrec.Popularity(),
    "ItemKNN": fastrec.ItemKNN(k=5, weighting="tfidf"),
    "UserKNN": fastrec.UserKNN(k=5),
    "RP3beta": fastrec.RP3beta(k=5, beta=0.5),
    "ExplicitALS": fastrec.ExplicitALS(3, n_epochs=2, random_state=0),
    "NMF": fastrec.NMF(3, n_epochs=2, l1_regularization=(0.5, 0.0), random_state=0),
    "PureSVD": fastrec.PureSVD(3, random_state=0),
    "EASE": fastrec.EASE(5.0, dtype="float64"),
    "SLIM": fastrec.SLIM(0.5, 2.0, k=5),
    "ImplicitALS": fastrec.ImplicitALS(np.int64(4), n_epochs=2, random_state=0, dtype=np.float64),
    "BPR": fastrec.BPR(4, n_epochs=2, optimizer="adagrad", item_bias=True, random_state=np.random.default_rng(0)),
    "WARP": fastrec.WARP(4, n_epochs=2, random_state=0),
    "LogisticMF": fastrec.LogisticMF(4, n_epochs=2, random_state=0),
    "BiasedMF": fastrec.BiasedMF(4, n_epochs=2, optimizer="adagrad", random_state=0),
    "ImplicitALS-generator": fastrec.ImplicitALS(4, n_epochs=1, random_state=np.random.default_rng(0)),
}


def interactions():
    return sp.random_array((30, 20), density=0.2, rng=np.random.default_rng(0), format="csr", dtype=np.float32)


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return request.param.fit(interactions())


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def header(path):
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["fastrec"])


def rewrite(path, **changes):
    described = {**header(path), **changes}
    save_file(load_file(path), path, metadata={"fastrec": json.dumps(described)})


def test_round_trip(model, path):
    loaded = fastrec.load(str(path))
    assert type(loaded) is type(model)
    for name in model._learned:
        one, other = getattr(model, name), getattr(loaded, name)
        if sp.issparse(one):
            np.testing.assert_array_equal(one.indices, other.indices)  # best first, not sorted
            np.testing.assert_array_equal(one.indptr, other.indptr)
            one, other = one.data, other.data
        np.testing.assert_array_equal(one, other)
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
    rows = interactions()
    for one, other in zip(model.recommend(None, rows, 5), loaded.recommend(None, rows, 5), strict=True):
        np.testing.assert_array_equal(one, other)
    loaded.fit(rows)


def test_parameters_come_back(path, model):
    parameters = fastrec.load(path).get_params()
    for name, value in model.get_params().items():
        if name == "random_state" and not isinstance(value, int):
            assert parameters[name] is None
        elif name == "dtype":
            assert np.dtype(parameters[name]) == np.dtype(value)
        else:
            assert parameters[name] == value


@pytest.mark.parametrize("model", [fastrec.ImplicitALS, fastrec.ExplicitALS, fastrec.NMF])
def test_loss_comes_back(model, tmp_path):
    fitted = model(3, n_epochs=2).fit(interactions(), compute_loss=True)
    fitted.save(tmp_path / "m")
    kept = [name for name in fitted._optional if hasattr(fitted, name)]
    assert "loss_" in kept
    for name in kept:
        np.testing.assert_array_equal(getattr(fastrec.load(tmp_path / "m"), name), getattr(fitted, name))


@pytest.mark.parametrize(
    ("name", "value"), [("item_biases_", np.zeros(3, np.float32)), ("user_factors_", np.zeros((30, 2), np.float32))]
)
def test_learned_arrays_must_fit_together(name, value, tmp_path):
    fastrec.ExplicitALS(3, n_epochs=1).fit(interactions()).save(tmp_path / "m")
    described = header(tmp_path / "m")
    tensors = load_file(tmp_path / "m") | {name: value}
    save_file(tensors, tmp_path / "m", metadata={"fastrec": json.dumps(described)})
    with pytest.raises(ValueError, match=name):
        fastrec.load(tmp_path / "m")


def test_file_is_replaced_whole_and_readable(model, path):
    model.save(path)
    assert os.listdir(path.parent) == [path.name]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_failed_save_leaves_the_old_file(model, path, monkeypatch):
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastrec.load(tmp_path / "none")


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\x80" * 200, lambda b: b[8:]]
)
def test_damaged(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"model\.safetensors.*damaged or foreign"):
        fastrec.load(path)


def test_pickle_is_not_opened(tmp_path):
    proof = tmp_path / "executed"
    (tmp_path / "m").write_bytes(b"cos\nsystem\n(S'touch " + str(proof).encode() + b"'\ntR.")
    with pytest.raises(ValueError, match="damaged or foreign"):
        fastrec.load(tmp_path / "m")
    assert not proof.exists()


def test_foreign(tmp_path):
    save_file({"x": np.zeros(3)}, tmp_path / "m")
    with pytest.raises(ValueError, match="something else"):
        fastrec.load(tmp_path / "m")


def test_newer(path):
    rewrite(path, format_version=2)
    with pytest.raises(ValueError, match=r"newer.*upgrade"):
        fastrec.load(path)
    rewrite(path, format_version=1, model="HyperRec")
    with pytest.raises(ValueError, match=r"HyperRec.*upgrade"):
        fastrec.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"unknown": 1}},
        {"format_version": "one"},
        {"model": ["ItemKNN"]},
        {"parameters": 3},
        {"shapes": None},
    ],
)
def test_damaged_header(path, changes):
    rewrite(path, **changes)
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        fastrec.load(path)


def test_missing_tensor(path):
    tensors = load_file(path)
    tensors.popitem()
    described = header(path)
    save_file(tensors, path, metadata={"fastrec": json.dumps(described)})
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        fastrec.load(path)


def test_indices_out_of_range_are_not_followed(tmp_path):
    fastrec.ItemKNN(3).fit(interactions()).save(tmp_path / "m")
    tensors, described = load_file(tmp_path / "m"), header(tmp_path / "m")
    tensors["similarity_.indices"] = tensors["similarity_.indices"] + 1000
    save_file(tensors, tmp_path / "m", metadata={"fastrec": json.dumps(described)})
    with pytest.raises(ValueError, match="similarity_"):
        fastrec.load(tmp_path / "m")


def test_another_process_reads_it(path, model, tmp_path):
    code = f"import fastrec; print(type(fastrec.load({str(path)!r})).__name__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == type(model).__name__


def test_a_metric_of_ones_own_is_refused_by_name(tmp_path):
    import numba

    @numba.njit
    def common(dot, n_common, count_i, count_j, sum_i, sum_j, sumsq_i, sumsq_j, n_users):
        return n_common

    model = fastrec.ItemKNN(3, metric=common).fit(interactions())
    with pytest.raises(TypeError, match=r"metric: expected None, a number, a string .*; pickle the model instead\."):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["BPR", "BiasedMF", "LogisticMF", "WARP", "NMF", "ImplicitALS"])
@pytest.mark.parametrize("change", [lambda x: x.astype(np.float16), lambda x: x.astype(np.int64), lambda x: x[..., :1]])
def test_arrays_of_another_form_are_refused(name, change, tmp_path):
    path = tmp_path / "model.safetensors"
    MODELS[name].fit(interactions()).save(path)
    tensors = load_file(path)
    floats = [key for key, value in tensors.items() if key.startswith(("user_", "item_")) and value.dtype.kind == "f"]
    for key in floats:
        changed = change(tensors[key])
        if changed.shape == tensors[key].shape and changed.dtype == tensors[key].dtype:
            continue
        save_file({**tensors, key: np.ascontiguousarray(changed)}, path, metadata={"fastrec": json.dumps(header(path))})
        with pytest.raises(ValueError, match="expected a fastrec model, got a damaged one"):
            fastrec.load(path)
        save_file(tensors, path, metadata={"fastrec": json.dumps(header(path))})
    assert fastrec.load(path)


@pytest.mark.parametrize("version", [0, -1, True, 1.0, None])
def test_format_versions_that_were_never_written_are_refused(version, tmp_path):
    path = tmp_path / "model.safetensors"
    fastrec.Popularity().fit(interactions()).save(path)
    rewrite(path, format_version=version)
    with pytest.raises(ValueError, match="got format"):
        fastrec.load(path)


def test_where_a_file_cannot_be_written(tmp_path):
    model = fastrec.NMF(3, n_epochs=1, l2_regularization=(np.float32(0.5), np.float32(1))).fit(interactions())
    with pytest.raises(IsADirectoryError, match="got a folder"):
        model.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        model.save(tmp_path / "nowhere" / "model.safetensors")
    target, link = tmp_path / ("m" * 240), tmp_path / "link"
    model.save(target)
    link.symlink_to(target)
    model.save(link)
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [link, target]
    assert fastrec.load(link).l2_regularization == (0.5, 1.0)
