"""Best similarities of every row of a matrix with the columns of another."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from scipy.sparse import sparray as sparray

from fastrec import _check
from fastrec.compat._ways_in import left_to_original, taken
from fastrec.compat.similaripy._kernel import SHRINK_TYPES, Weights, similarities

__getattr__ = left_to_original(__name__)


def _parameter(name: str, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


_MATRICES = [_parameter("matrix1"), _parameter("matrix2", None)]
_OF_ALL_MEASURES = [
    _parameter("k", 100),
    _parameter("shrink", 0.0),
    _parameter("shrink_type", "stabilized"),
    _parameter("threshold", 0.0),
    _parameter("binary", False),
    _parameter("target_rows", None),
    _parameter("target_cols", None),
    _parameter("filter_cols", None),
    _parameter("verbose", True),
    _parameter("format_output", "coo"),
    _parameter("num_threads", 0),
    _parameter("block_size", 0),
]

_DOCUMENTATION = """

    Parameters
    ----------
    matrix1 : sparse matrix, shape (n_rows, n_inner)
        Its rows are compared. Any format and dtype; float32 and float64 are computed as they are. It is not changed.
    matrix2 : sparse matrix, shape (n_inner, n_columns), optional
        Its columns are what they are compared with. Default: ``matrix1.T``.
    {own}
    k : int
        Best columns kept a row.
    shrink : float
        Strength of the shrinkage.
    shrink_type : {{"stabilized", "bayesian", "additive"}}
        Add it to the denominator; multiply by x.y / (x.y + shrink); or add it to the sums of squares of the cosine's
        part of the denominator.
    threshold : float
        Least similarity kept; below zero for negative ones.
    binary : bool
        Compute with 1 for every stored value.
    target_rows : list or array of int, optional
        The only rows that are computed; the others are empty.
    target_cols, filter_cols : list or array of int, or sparse matrix of shape (n_rows, n_columns), optional
        The only columns that may be answered, and those that may not; a matrix has them for each row, where it is not
        zero. Ids that there are not do nothing, nor does an empty list or matrix.
    verbose : bool
        Show a bar on stderr, where tqdm is installed.
    format_output : {{"coo", "csr"}}
        Format of the answer.
    num_threads : int
        Changes speed only; 0: all cores.
    block_size : int, optional
        Without effect: the kernel blocks by itself.

    Returns
    -------
    coo_array or csr_array of float32, shape (n_rows, n_columns)
        Each row's best first, equal similarities by lower column; no zeros.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.
"""


def _public(measure: Callable[..., Weights]) -> Callable[..., Any]:
    """A measure's function: its own parameters stand between the matrices and those that all measures have."""
    own = list(inspect.signature(measure).parameters.values())
    signature = inspect.Signature([*_MATRICES, *own, *_OF_ALL_MEASURES])
    names = list(signature.parameters)
    defaults = {name: signature.parameters[name].default for name in names[1:]}

    @functools.wraps(measure)
    def function(*args: Any, **kwargs: Any) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        values = {**defaults, **given}
        if len(given) != len(args) + len(kwargs) or values.keys() != signature.parameters.keys():
            signature.bind(*args, **kwargs)  # which says what is wrong, but takes as long as all the rest
        weights = measure(**{parameter.name: _own(parameter.name, values) for parameter in own})
        kind = values.pop("shrink_type")
        if kind not in SHRINK_TYPES:
            raise ValueError("shrink_type must be one of 'stabilized', 'bayesian', or 'additive'")
        return similarities(weights=weights, shrink={kind: values.pop("shrink")}, **values)

    summary, _, parameters = (measure.__doc__ or "").partition("\n\n")
    function.__doc__ = summary + _DOCUMENTATION.format(own=parameters.strip()).replace("    \n", "")
    function.__signature__ = signature  # type: ignore[attr-defined]
    return taken(function)


def _own(name: str, values: dict[str, Any]) -> Any:
    value = values.pop(name)
    return value if name.startswith("pop") else _check.real(value, name)


@_public
def dot_product() -> Weights:
    """Inner products x.y, over the shrinkage if it is stabilized."""
    return Weights()


@_public
def cosine() -> Weights:
    """Cosines x.y / (|x| |y|)."""
    return Weights(l2=1.0)


@_public
def asymmetric_cosine(alpha: float = 0.5) -> Weights:
    """Asymmetric cosines x.y / (X^alpha Y^(1 - alpha)), with sums of squares X and Y.

    alpha : float
        Share of the row in the norm.
    """
    return Weights(l2=1.0, c1=alpha, c2=1 - alpha)


@_public
def tversky(alpha: float = 1.0, beta: float = 1.0) -> Weights:
    """Tversky indices x.y / (alpha (X - x.y) + beta (Y - x.y) + x.y), with sums of squares X and Y.

    alpha, beta : float
        Weights of what only the row and only the column has.
    """
    return Weights(l1=1.0, t1=alpha, t2=beta)


@_public
def jaccard() -> Weights:
    """Jaccard indices x.y / (X + Y - x.y), with sums of squares X and Y."""
    return Weights(l1=1.0)


@_public
def dice() -> Weights:
    """Dice coefficients x.y / ((X + Y) / 2), with sums of squares X and Y."""
    return Weights(l1=1.0, t1=0.5, t2=0.5)


@_public
def p3alpha(alpha: float = 1.0) -> Weights:
    """Walks from a row to an inner index to a column, each step's probability to the power alpha.

    alpha : float
        Power of the probabilities.
    """
    return Weights(walk=alpha)


@_public
def rp3beta(alpha: float = 1.0, beta: float = 1.0) -> Weights:
    """Walks as of `p3alpha`, over the sum of the column to the power beta.

    alpha, beta : float
        Powers of the probabilities and of the column's sum.
    """
    return Weights(walk=alpha, l3=1.0, pop2="sum", p2=beta)


@_public
def s_plus(
    l1: float = 0.5,
    l2: float = 0.5,
    l3: float = 0.0,
    t1: float = 1.0,
    t2: float = 1.0,
    c1: float = 0.5,
    c2: float = 0.5,
    pop1: Any = "none",
    pop2: Any = "none",
    alpha: float = 1.0,
    beta1: float = 0.0,
    beta2: float = 0.0,
) -> Weights:
    """Products x.y^alpha over a sum of Tversky's denominator, the cosine's and the popularities.

    l1, l2, l3 : float
        Weights of the denominator's three parts: t1 (X - x.y) + t2 (Y - x.y) + x.y, X^c1 Y^c2, pop1^beta1 pop2^beta2.
    t1, t2, c1, c2 : float
        As in these, with sums of squares X and Y.
    pop1, pop2 : "none", "sum" or array of float
        Popularity of every row and of every column: 1, the sum of its values, or as given.
    alpha : float
        Power of the product.
    beta1, beta2 : float
        Powers of the popularities.
    """
    return Weights(l1, l2, l3, t1, t2, c1, c2, pop1, pop2, alpha, beta1, beta2)
