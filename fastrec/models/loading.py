"""The model that a file holds."""

from __future__ import annotations

from os import PathLike

from fastrec.models import files
from fastrec.models.als import ImplicitALS
from fastrec.models.base import Recommender
from fastrec.models.biased_mf import BiasedMF
from fastrec.models.explicit_als import ExplicitALS
from fastrec.models.linear import EASE, SLIM
from fastrec.models.logistic_mf import LogisticMF
from fastrec.models.neighbours import ItemKNN, P3alpha, RP3beta, UserKNN
from fastrec.models.nmf import NMF
from fastrec.models.pairwise import BPR, WARP
from fastrec.models.popularity import Popularity
from fastrec.models.svd import PureSVD

_MODELS: dict[str, type[Recommender]] = {
    model.__name__: model
    for model in (
        BPR,
        BiasedMF,
        EASE,
        ExplicitALS,
        NMF,
        ImplicitALS,
        ItemKNN,
        LogisticMF,
        P3alpha,
        Popularity,
        PureSVD,
        RP3beta,
        SLIM,
        UserKNN,
        WARP,
    )
}


def load(path: str | PathLike[str]) -> Recommender:
    """Read a model that its ``save`` wrote.

    Parameters
    ----------
    path : str or path
        A safetensors file.

    Returns
    -------
    One of fastrec's models
        Fitted, with the parameters it was saved with; ``random_state`` is None where it was a generator,
        ``dtype`` its name, and a list a tuple.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, was not written by fastrec, or was written by a newer fastrec.
    """
    try:
        content = files.read(path)
        if content.model not in _MODELS:
            raise files.NewerError(f"this fastrec has no model {content.model!r}")
        model = _MODELS[content.model]()
        model.set_params(**content.parameters)
        model._restore(content.learned)
    except files.NewerError as error:
        raise ValueError(f"{path}: {error}; upgrade fastrec.") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{path}: expected a fastrec model, {_described(error)}.") from None
    return model


def _described(error: Exception) -> str:
    return str(error) if str(error).startswith("got ") else f"got a damaged one ({error})"
