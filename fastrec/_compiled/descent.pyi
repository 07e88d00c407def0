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
