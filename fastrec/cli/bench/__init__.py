"""The benchmark harness: data, operations, checks of answers, interleaved pairs with other libraries."""
