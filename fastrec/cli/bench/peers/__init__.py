"""Other libraries, an adapter for each that does an operation. None is imported before it is run."""

from fastrec.cli.bench.peers import (
    als,
    explicit_als,
    gradient,
    inner_products,
    linear,
    nmf,
    products,
    selection,
    weighting,
)

COMPARED = {
    **selection.COMPARED,
    **inner_products.COMPARED,
    **products.COMPARED,
    **weighting.COMPARED,
    **als.COMPARED,
    **explicit_als.COMPARED,
    **gradient.COMPARED,
    **linear.COMPARED,
    **nmf.COMPARED,
}
