"""What an adapter is: how one library does one operation, on the inputs that fastrec is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

from fastrec.cli.bench.agreement import Agreement
from fastrec.cli.bench.operations import Inputs

Check = Callable[[Inputs, Any, Any, float], Agreement]


class Run(NamedTuple):
    """A prepared call of a peer.

    Attributes
    ----------
    call : callable
        What is timed: all the work between fastrec's own inputs and a result.
    answer : callable
        From that result to the form that answers are compared in. Not timed.
    """

    call: Callable[[], Any]
    answer: Callable[[Any], Any]


class Peer(NamedTuple):
    """One library for one operation.

    Attributes
    ----------
    name : str
        Library, and method where there are several.
    module : str
        What is imported; the peer is skipped where that is not installed. ``fastrec`` for what is no other library.
    prepare : callable
        From inputs and a number of threads to a `Run`. Imports the library.
    tolerance : float
        How far answers may differ, as the operation's check means it.
    one_blas_thread : bool
        The library calls BLAS from threads of its own and asks for one thread there.
    exact : bool
        It gives the answer, rather than one that is near it or as good: False for what is approximate, stops early, or
        draws random samples.
    check : callable, optional
        Takes the place of the operation's check, for what is not to give the same answer.
    most_stored : float
        Skipped on interactions with more stored entries, where it would take minutes.
    note : str
        What is not the same as in fastrec's call.
    """

    name: str
    module: str
    prepare: Callable[[Inputs, int], Run]
    tolerance: float = 1e-5
    one_blas_thread: bool = False
    exact: bool = True
    check: Check | None = None
    most_stored: float = math.inf
    note: str = ""

    @property
    def installed(self) -> bool:
        """Whether it could be imported."""
        return find_spec(self.module) is not None


class Compared(NamedTuple):
    """How one operation is compared.

    Attributes
    ----------
    answer : callable
        ``answer(inputs, result)`` brings fastrec's result into the form that answers are compared in.
    check : callable
        ``check(inputs, ours, theirs, tolerance)``, where a peer has none of its own.
    peers : tuple of Peer
        The libraries that do it.
    """

    answer: Callable[[Inputs, Any], Any]
    check: Check
    peers: tuple[Peer, ...]
