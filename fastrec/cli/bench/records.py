"""What a comparison found, with all that a reader must know of it, as JSON and back."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastrec.cli.bench import machine
from fastrec.cli.bench.agreement import Agreement
from fastrec.cli.bench.compare import Outcome
from fastrec.cli.bench.operations import OPERATIONS
from fastrec.cli.bench.pairs import Pairs


class Record(NamedTuple):
    """Outcomes of one run.

    Attributes
    ----------
    machine : dict
        As `fastrec.cli.bench.machine.facts` gives it.
    data : dict
        ``name``, ``n_users``, ``n_items`` and ``n_interactions``.
    sizes : dict
        ``n_factors``, ``k`` and ``n_pairs``.
    outcomes : sequence of Outcome
        Of every operation and peer.
    """

    machine: dict[str, Any]
    data: dict[str, Any]
    sizes: dict[str, int]
    outcomes: Sequence[Outcome]

    def describe_data(self) -> str:
        """What was measured on, in a line."""
        of, sizes = self.data, self.sizes
        return (
            f"{of['name']}: {of['n_users']:,} users x {of['n_items']:,} items, {of['n_interactions']:,} interactions; "
            f"{sizes['n_factors']} factors, k = {sizes['k']}; {sizes['n_pairs']} pairs"
        )


def write(record: Record, file: Path) -> None:
    """One record as JSON; seconds are those of fastrec and of the peer, a row a pair."""
    outcomes = [
        {
            **outcome._asdict(),
            "agreement": outcome.agreement and outcome.agreement._asdict(),
            "pairs": outcome.pairs and outcome.pairs.seconds.tolist(),
        }
        for outcome in record.outcomes
    ]
    replace_text(file, json.dumps({**record._asdict(), "outcomes": outcomes}, indent=1) + "\n")


def replace_text(file: Path, text: str) -> None:
    """Write beside a file, and then in its place: what was there stays whole until all is."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        aside.write_text(text)
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def check_writable(file: Path, option: str) -> None:
    """Refuse now what could not be written after minutes of measuring."""
    if file.is_dir() or not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise ValueError(f"{option}: expected a file in a folder that can be written to, got {str(file)!r}.")


def read(file: Path) -> Record:
    """The record in a file; ValueError where there is none."""
    try:
        fields = json.loads(file.read_text())
        record = Record(**{**fields, "outcomes": [_outcome(**outcome) for outcome in fields["outcomes"]]})
        record.describe_data()
        machine.describe(record.machine)
        _check_outcomes(record.outcomes)
        return record
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        got = f"{type(error).__name__}: {error}"
        raise ValueError(f"draw: expected what 'fastrec bench --json' wrote in {file}, got {got}.") from None


def common_machine(records: Sequence[Record]) -> dict[str, Any]:
    """What all were measured on, with the versions of all; ValueError where that is not one machine."""
    first = records[0].machine
    versions: dict[str, str] = {}
    for found in (record.machine for record in records):
        for name, value in {**found, **found["versions"]}.items():
            known = first[name] if name in first else versions.setdefault(name, value)
            if name != "versions" and known != value:
                raise ValueError(f"draw: expected runs on one machine, got {name} {known} and {value}; measure again.")
    return {**first, "versions": versions}


def _check_outcomes(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.operation not in OPERATIONS:
            raise ValueError(f"no operation {outcome.operation!r}")
        if outcome.pairs is not None and (outcome.pairs.seconds.ndim != 2 or outcome.pairs.seconds.shape[1] != 2):
            raise ValueError(f"no pairs of seconds for {outcome.operation!r}")


def _outcome(agreement: dict[str, Any] | None, pairs: list[list[float]] | None, **others: Any) -> Outcome:
    return Outcome(
        **others,
        agreement=None if agreement is None else Agreement(**agreement),
        pairs=None if pairs is None else Pairs(np.array(pairs)),
    )
