"""Explorers as lessons make them, for the tests that move them."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import prod
from pathlib import Path

from convlab import Explorer
from tools.drawn import views_of

LESSONS = {
    path.name[:2]: path for path in sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9]*.ipynb"))
}
ALL = 100  # states up to which each is drawn
SOME = 8  # of the values of each control, ends included, that meet where there are more states


@cache
def explorers_of(lesson: str) -> dict[str, Explorer]:
    """Every explorer of a lesson, by its name there: the lesson is run once."""
    *_, (_, _, names) = views_of(LESSONS[lesson])
    return {name: value for name, value in names.items() if isinstance(value, Explorer) and name[0] != "_"}


def states(counts: dict[str, int]) -> list[dict[str, int]]:
    """Places of all controls: all combinations if these are few, else the corners and every pair of some."""
    if prod(counts.values()) <= ALL:
        return [dict(zip(counts, places, strict=True)) for places in product(*map(range, counts.values()))]
    some = [some_of(count) for count in counts.values()]
    corners = product(*({places[0], places[-1]} for places in some))
    rows = set(corners) if 2 ** len(counts) <= ALL else set()
    ranges = list(enumerate(map(len, some)))
    missing = {
        (a, i, b, j)
        for a, first in ranges
        for b, second in ranges[a + 1 :]
        for i in range(first)
        for j in range(second)
    }
    rows |= {
        tuple(places[n] for places, n in zip(some, row, strict=True))
        for row in pairwise([count for _, count in ranges], missing)
    }
    return [dict(zip(counts, places, strict=True)) for places in sorted(rows)]


def some_of(count: int) -> list[int]:
    """Places of a control, first and last among them, as far apart as can be."""
    return sorted({round(n * (count - 1) / (SOME - 1)) for n in range(SOME)})


def pairwise(counts: list[int], missing: set[tuple[int, int, int, int]]) -> list[tuple[int, ...]]:
    """Greedy: each row takes a pair that is missing, and else what covers most of the rest."""
    rows = []
    while missing:
        a, i, b, j = min(missing)
        row: list[int | None] = [None] * len(counts)
        row[a], row[b] = i, j
        for c, count in enumerate(counts):
            if row[c] is None:
                chosen = [(d, m) for d, m in enumerate(row) if m is not None]
                gains = [sum(_pair(d, m, c, k) in missing for d, m in chosen) for k in range(count)]
                row[c] = gains.index(max(gains))
        missing -= {_pair(c, row[c], d, row[d]) for c in range(len(counts)) for d in range(c)}
        rows.append(tuple(row))
    return rows


def _pair(c, k, d, m):
    return (c, k, d, m) if c < d else (d, m, c, k)
