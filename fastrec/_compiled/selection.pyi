from fastrec._types import Array, Bar, Ids, Offsets

def top_k_dense(scores: Array, out_items: Ids, out_scores: Array, n_threads: int) -> None: ...
def top_k_csr(
    data: Array, indices: Ids, indptr: Offsets, n_columns: int, out_items: Ids, out_scores: Array, n_threads: int
) -> None: ...
def top_k_inner_product(
    queries: Array,
    items: Array,
    exclude_ids: Ids,
    exclude_indptr: Offsets,
    exclude_shared: bool,
    candidate_ids: Ids,
    candidate_indptr: Offsets,
    candidates_shared: bool,
    out_items: Ids,
    out_scores: Array,
    n_threads: int,
    bar: Bar | None,
) -> None: ...

class PackedItems: ...

def pack_items(items: Array, metric: str, n_centres: int | None, n_threads: int) -> PackedItems: ...
def packed_top_k(
    packed: PackedItems,
    queries: Array,
    exclude_ids: Ids,
    exclude_indptr: Offsets,
    exclude_shared: bool,
    candidate_ids: Ids,
    candidate_indptr: Offsets,
    candidates_shared: bool,
    out_items: Ids,
    out_scores: Array,
    n_threads: int,
    bar: Bar | None,
) -> None: ...
