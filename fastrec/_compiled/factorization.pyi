from fastrec._types import Array, Ids, Offsets

def half_step(
    weights: Array,
    indices: Ids,
    indptr: Offsets,
    targets: Array,
    fixed: Array,
    unobserved_weight: float,
    regularization: Array,
    curvatures: Array,
    tol: float,
    most_steps: int,
    longest_dual: int,
    solutions: Array,
    unsolved: Array,
    losses: Array | None,
    n_threads: int,
) -> None: ...
def direct_solve(
    weights: Array,
    indices: Ids,
    indptr: Offsets,
    targets: Array,
    fixed: Array,
    unobserved_weight: float,
    regularization: Array,
    gram: Array,
    solutions: Array,
    unsolved: Array,
    n_threads: int,
) -> None: ...
def nonnegative_solve(
    weights: Array,
    indices: Ids,
    indptr: Offsets,
    targets: Array,
    fixed: Array,
    unobserved_weight: float,
    regularization: Array,
    gram: Array,
    n_bounded: int,
    solutions: Array,
    unsolved: Array,
    n_threads: int,
) -> None: ...
def row_losses(
    weights: Array,
    indices: Ids,
    indptr: Offsets,
    targets: Array,
    fixed: Array,
    unobserved_weight: float,
    regularization: Array,
    curvatures: Array,
    solutions: Array,
    losses: Array,
    n_threads: int,
) -> None: ...
def multiply(rows: Array, matrix: Array, out: Array, n_threads: int) -> None: ...
def gram(rows: Array, out: Array, n_threads: int) -> None: ...
