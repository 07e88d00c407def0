from typing import Any

from fastrec._types import Array, Ids, Offsets

def uniform_rows(out: Array, ids: Offsets, n_columns: int, key: Any, deviation: float, n_threads: int) -> None: ...
def fill_filters(indices: Ids, indptr: Offsets, filters: Array, n_threads: int) -> None: ...
def partition_items(
    times_drawn: Offsets, key: Any, epoch: int, part: int, block_of: Array, pool: Ids, pool_starts: Offsets
) -> None: ...
def sort_into_cells(
    first: int,
    last: int,
    indices: Ids,
    indptr: Offsets,
    values: Array,
    key: Any,
    epoch: int,
    block_of: Array,
    n_blocks: int,
    n_layers: int,
    pairs: Array,
    pair_values: Array,
    starts: Offsets,
) -> None: ...
def order_stretches(order: Offsets, n_stretches: int, key: Any, epoch: int, cell: int) -> int: ...

most_together: int

def count_partners(
    user_data: Array,
    users: Ids,
    user_indptr: Offsets,
    item_data: Array,
    items: Ids,
    item_indptr: Offsets,
    counts: Offsets,
    n_threads: int,
) -> None: ...
def item_products(
    user_data: Array,
    users: Ids,
    user_indptr: Offsets,
    item_data: Array,
    items: Ids,
    item_indptr: Offsets,
    full: Offsets,
    rows: Array,
    data: Array,
    indices: Ids,
    indptr: Offsets,
    n_threads: int,
) -> None: ...
def elastic_nets(
    first: int,
    last: int,
    full: Offsets,
    rows: Array,
    data: Array,
    indices: Ids,
    indptr: Offsets,
    squares: Array,
    l1: float,
    l2: float,
    positive: bool,
    tol: float,
    n_epochs: int,
    out: Array,
) -> int: ...
