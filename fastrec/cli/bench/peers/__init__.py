"""Other libraries, an adapter for each that does an operation. None is imported before it is run."""

from fastrec.cli.bench.peers import als, inner_products, linear, products, selection, weighting

COMPARED = {
    **selection.COMPARED,
    **inner_products.COMPARED,
    **products.COMPARED,
    **weighting.COMPARED,
    **als.COMPARED,
    **linear.COMPARED,
}
