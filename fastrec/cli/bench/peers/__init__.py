"""Other libraries, an adapter for each that does an operation. None is imported before it is run."""

from fastrec.cli.bench.peers import als, products, selection, weighting

COMPARED = {**selection.COMPARED, **products.COMPARED, **weighting.COMPARED, **als.COMPARED}
