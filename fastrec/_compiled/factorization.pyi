from fastrec._types import Array, Ids, Offsets

def als_half_step(
    weights: Array,
    indices: Ids,
    indptr: Offsets,
    targets: Array,
    fixed: Array,
    unobserved_weight: float,
    gram: Array,
    regularization: Array,
    solutions: Array,
    singular: Array,
    n_threads: int,
) -> None: ...
