"""One model of a drop-in, several callers: threads at once, and a forked child."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import processes
from fastrec.compat import similaripy, sparse_dot_topn
from fastrec.compat.implicit.cpu.als import AlternatingLeastSquares
from fastrec.compat.implicit.nearest_neighbours import CosineRecommender

MODELS = {"als": lambda: AlternatingLeastSquares(16, random_state=0), "neighbours": lambda: CosineRecommender(16)}


def interactions():
    return csr_matrix((np.random.default_rng(0).random((300, 200)) < 0.1).astype(np.float32))


@pytest.mark.parametrize("kind", MODELS)
def test_threads_share_a_model(kind):
    """Some of them meet the index of the items, or the neighbours in order, while another makes it."""
    user_items = interactions()
    users = np.arange(300)
    for _ in range(5):
        model = MODELS[kind]()
        model.fit(user_items, show_progress=False)

        def answer(number, model=model):
            if number % 2:
                return model.recommend(users, user_items, N=5)
            one_by_one = [model.recommend(user, user_items[user], N=5) for user in users]
            return tuple(np.array(each) for each in zip(*one_by_one, strict=True))

        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(answer, range(6)))
        expected = model.recommend(users, user_items, N=5)
        for ids, scores in found:
            np.testing.assert_array_equal(ids, expected[0])
            np.testing.assert_allclose(scores, expected[1], rtol=1e-5)


def test_threads_share_no_state_of_functions():
    x = interactions()
    calls = [
        lambda: similaripy.cosine(x, k=7, verbose=False).toarray(),
        lambda: similaripy.dot_product(x, x.T.tocsr(), k=7, verbose=False).toarray(),
        lambda: sparse_dot_topn.sp_matmul_topn(x, x.T, 7, sort=True).toarray(),
    ]
    expected = [call() for call in calls]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda number: calls[number % 3](), range(60)))
    for number, answer in enumerate(found):
        np.testing.assert_array_equal(answer, expected[number % 3])


@processes.needs_fork
def test_a_forked_child_goes_on_with_its_parents_models(tmp_path):
    program = """
    import numpy as np
    from compat.test_callers import MODELS, interactions
    from fastrec.compat import similaripy
    from processes import check_in_forked_child
    user_items = interactions()
    users = np.arange(300)

    def fitted():
        models = [make() for make in MODELS.values()]
        for model in models:
            model.fit(user_items, show_progress=False)
        return models

    def answers(models):
        found = [model.recommend(users, user_items, N=5)[0] for model in models for _ in range(2)]
        return [*found, similaripy.cosine(user_items, k=5, verbose=False).toarray()]

    models = fitted()
    expected = answers(models)

    def failures():
        found = [*answers(models), *answers(fitted())]
        return [n for n, (a, b) in enumerate(zip(found, 2 * expected, strict=True)) if not (a == b).all()]

    check_in_forked_child(failures)
    """
    processes.run(program, tmp_path, PYTHONWARNINGS="ignore::DeprecationWarning")


@pytest.mark.parametrize("name", ["similaripy", "sparse_dot_topn"])
def test_row_pointers_of_64_bits(name):
    x = interactions()
    wide = x.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    calls = {
        "similaripy": lambda m: similaripy.rp3beta(m, k=7, verbose=False),
        "sparse_dot_topn": lambda m: sparse_dot_topn.sp_matmul_topn(m, m.T, 7),
    }
    np.testing.assert_array_equal(calls[name](wide).toarray(), calls[name](x).toarray())
